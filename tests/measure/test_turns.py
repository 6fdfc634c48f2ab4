"""Several fits at the same time: only one runs at any moment, and what would be flattered runs alone."""

from __future__ import annotations

import math
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, measure_together
from autotuner.measure.messages import MeasureCeiling, Timing
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.processes import Zygote
from autotuner.measure.turn_clock import Clock, TurnClock
from autotuner.pipeline import Configuration
from tests.contracts import measured
from tests.measure.test_local_runner import gone
from tests.measure.user_code import GOOD, MODEL, MOODY, runner_of, write

STATUS_QUO = Configuration()
TIMING = Timing(window_seconds=0.5, longest_seconds=0.5, fill_seconds=0.5)
SLEEPING = """
import time

def slow(x):
    time.sleep(0.04)
    return x

def through_python(x, y):
    return tf.ensure_shape(tf.numpy_function(slow, [x], tf.float32), (None, 8)), y

def dataset_fn():
    return tf.data.Dataset.from_tensor_slices((X, Y)).repeat(4).batch(16).map(through_python)
"""


@pytest.fixture
def clock(tmp_path: Path) -> TurnClock:
    return TurnClock.create(tmp_path / "clock")


def test_a_clock_stands_still_while_its_process_is_stopped(clock: TurnClock) -> None:
    theirs, steady = TurnClock(clock.path), Clock()
    apart = theirs.now() - steady.now()
    clock.was_stopped(5.0)
    clock.was_stopped(2.5)
    assert math.isclose(theirs.now() - steady.now(), apart - 7.5, abs_tol=0.2)


@given(st.lists(st.floats(0.0, 1e3), max_size=20))
def test_stops_add_up(tmp_path_factory: pytest.TempPathFactory, stops: list[float]) -> None:
    clock = TurnClock.create(tmp_path_factory.getbasetemp() / "clock-of-stops")
    before = clock.now()
    for seconds in stops:
        clock.was_stopped(seconds)
    assert math.isclose(before - clock.now(), math.fsum(stops), abs_tol=0.5)


def test_a_fit_in_turns_ends_when_all_know_enough_and_others_at_once(clock: TurnClock) -> None:
    theirs = TurnClock(clock.path)
    for enough in (False, True, False, True):
        assert not theirs.ends(enough=enough)
        assert clock.knows_enough is enough
    clock.end()
    assert theirs.ends(enough=True)
    assert [Clock().ends(enough=enough) for enough in (False, True)] == [False, True]


def test_a_fit_in_turns_begins_when_it_may(clock: TurnClock) -> None:
    began = threading.Event()

    def begin() -> None:
        TurnClock(clock.path).begin()
        began.set()

    thread = threading.Thread(target=begin, daemon=True)
    thread.start()
    while not clock.is_ready:
        time.sleep(0.001)
    assert not began.wait(0.1)
    clock.go()
    assert began.wait(5.0)
    Clock().begin()


@pytest.fixture(scope="module")
def computing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRunner]:
    with closing(runner_of(write(tmp_path_factory.mktemp("computing"), MODEL, GOOD))) as runner:
        runner.open()
        yield runner


def test_what_computes_is_measured_in_turns_as_fast_as_alone(computing: LocalRunner) -> None:
    alone = measured(computing.measure_alone(STATUS_QUO, TIMING))
    cached = Configuration({"cache.after": "map[double]"})
    for outcome in computing.measure_fresh([STATUS_QUO, STATUS_QUO, cached], TIMING):
        found = measured(outcome)
        # Its clock stood still two thirds of the time; without that it would seem three times as slow.
        assert 0.4 < found.later_epoch_steps_per_second / alone.later_epoch_steps_per_second < 2.5
        assert found.timed_seconds >= TIMING.window_seconds
        assert found.peak_rss_bytes > 10**8
    assert computing.takes_turns
    assert [path.name for path in computing._scratch.iterdir()] == ["generated"]


def test_pipelines_of_two_functions_take_turns(computing: LocalRunner, tmp_path: Path) -> None:
    with closing(runner_of(write(tmp_path, MODEL, GOOD.replace("shuffle(50)", "shuffle(10)")))) as other:
        other.open()
        for outcome in measure_together([(computing, STATUS_QUO), (other, STATUS_QUO)], TIMING):
            measured(outcome)
        assert computing.takes_turns
        assert other.takes_turns


def test_what_sleeps_is_not_flattered_by_sleeping_on_while_it_is_stopped(tmp_path: Path) -> None:
    with closing(runner_of(write(tmp_path, MODEL, SLEEPING))) as runner:
        runner.open()
        for outcome in runner.measure_fresh([STATUS_QUO, STATUS_QUO], TIMING):
            assert measured(outcome).later_epoch_steps_per_second <= 1 / 0.04
        assert not runner.takes_turns


def test_what_does_not_fit_into_memory_together_is_measured_alone(computing: LocalRunner, tmp_path: Path) -> None:
    one = measured(computing.measure_alone(STATUS_QUO, TIMING)).peak_rss_bytes
    limits = Limits(trial_seconds=20.0, open_seconds=60.0, memory_bytes=int(1.6 * one))
    with closing(runner_of(write(tmp_path, MODEL, GOOD), limits=limits)) as runner:
        runner.open()
        for outcome in runner.measure_fresh([STATUS_QUO, STATUS_QUO], TIMING):
            measured(outcome)
        assert not runner.takes_turns


def test_one_that_dies_among_others_is_a_failure_of_its_own(computing: LocalRunner, tmp_path: Path) -> None:
    with closing(runner_of(write(tmp_path, MODEL, MOODY))) as moody:
        (tmp_path / "mood.txt").write_text("good")
        moody.open()
        (tmp_path / "mood.txt").write_text("segv")
        dead, alive = measure_together([(moody, STATUS_QUO), (computing, STATUS_QUO)], TIMING)
        assert isinstance(dead, Failure)
        assert "SIGSEGV" in dead.message
        measured(alive)
        assert computing.takes_turns


def test_beside_each_other_two_run_in_turns(computing: LocalRunner) -> None:
    cached = Configuration({"cache.after": "map[double]"})
    for configuration in (cached, STATUS_QUO):
        outcomes = computing.measure_beside(configuration, STATUS_QUO, TIMING)
        rates = [measured(outcome).later_epoch_steps_per_second for outcome in outcomes]
        assert 0.3 < rates[0] / rates[1] < 3.0
    assert computing.takes_turns


def test_beside_what_sleeps_nothing_runs_in_turns(tmp_path: Path) -> None:
    with closing(runner_of(write(tmp_path, MODEL, SLEEPING))) as runner:
        runner.open()
        for outcome in runner.measure_beside(STATUS_QUO, STATUS_QUO, TIMING):
            assert measured(outcome).later_epoch_steps_per_second <= 1 / 0.04
        assert not runner.takes_turns


def test_what_does_not_fit_beside_another_is_measured_alone_and_the_next_one_in_turns(
    computing: LocalRunner, tmp_path: Path
) -> None:
    one = measured(computing.measure_alone(STATUS_QUO, TIMING)).peak_rss_bytes
    limits = Limits(trial_seconds=20.0, open_seconds=60.0, memory_bytes=int(1.6 * one))
    with closing(runner_of(write(tmp_path, MODEL, GOOD), limits=limits)) as runner:
        runner.open()
        for outcome in runner.measure_beside(STATUS_QUO, STATUS_QUO, TIMING):
            measured(outcome)
        assert runner.takes_turns


@pytest.mark.parametrize(("mood", "said"), [("segv", "SIGSEGV"), ("raise", "my own mistake")])
def test_what_fails_beside_another_is_a_failure_and_the_next_two_are_measured(
    tmp_path: Path, mood: str, said: str
) -> None:
    with closing(runner_of(write(tmp_path, MODEL, MOODY))) as moody:
        (tmp_path / "mood.txt").write_text("good")
        moody.open()
        (tmp_path / "mood.txt").write_text(mood)
        failed, _ = moody.measure_beside(STATUS_QUO, STATUS_QUO, TIMING)
        assert isinstance(failed, Failure)
        assert said in failed.message + failed.user_traceback
        (tmp_path / "mood.txt").write_text("good")
        for outcome in moody.measure_beside(STATUS_QUO, STATUS_QUO, TIMING):
            measured(outcome)
        assert moody.takes_turns
        assert [path.name for path in moody._scratch.iterdir()] == ["generated"]


def test_what_hangs_beside_another_is_stopped(tmp_path: Path) -> None:
    limits = Limits(trial_seconds=3.0, open_seconds=15.0)
    with closing(runner_of(write(tmp_path, MODEL, MOODY), limits=limits)) as moody:
        (tmp_path / "mood.txt").write_text("good")
        moody.open()
        (tmp_path / "mood.txt").write_text("hang")
        failed, _ = moody.measure_beside(STATUS_QUO, STATUS_QUO, TIMING)
        assert isinstance(failed, Failure)
        assert failed.kind is FailureKind.TIMEOUT


def test_a_stopped_worker_ends_with_its_zygote(tmp_path: Path) -> None:
    zygote = Zygote(tmp_path / "log", tmp_path / "scratch")
    worker = zygote.spawn()
    worker.send(MeasureCeiling(TIMING))
    worker.wait(limit_seconds=10.0, memory_limit_bytes=10**10)  # from here on it serves, and could be measured
    worker.stop()
    zygote._process.send_signal(signal.SIGKILL)
    assert gone({worker.pid})
    worker.kill()
    zygote.close()
