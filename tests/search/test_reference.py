from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable
from pathlib import Path

import pytest

from autotuner.measure.messages import Ceiling, Opened, Timing
from autotuner.measure.outcome import Failure, Measurement, Outcome
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.measure.result import Verdict
from autotuner.pipeline import Configuration
from autotuner.search.reference import Reference, noise_note
from tests.search.world import CEILING, OPENED, World, measurement, real_gain


def test_one_slow_look_is_not_taken_for_drift() -> None:
    reference = Reference((10.0, 10.1, 9.9, 10.0)).looked(20.0, takes_turns=True)
    assert reference.drift == pytest.approx(1.0, abs=0.02)
    assert reference.looked(20.0, takes_turns=True).drift == pytest.approx(2.0)


@pytest.mark.parametrize(("takes_turns", "closest"), [(False, 2), (True, 0)])
def test_a_drifting_machine_is_looked_at_more_often_and_a_steady_one_less(
    takes_turns: bool,  # noqa: FBT001 - a parameter of the test
    closest: int,
) -> None:
    drifting = steady = Reference((10.0,))
    for number in range(6):
        drifting = drifting.looked(10.0 * 1.3**number + 3.0, takes_turns=takes_turns)
        steady = steady.looked(10.0, takes_turns=takes_turns)
    assert drifting.interval_trials == closest
    assert drifting.runs_beside == takes_turns
    assert steady.interval_trials == 24


def test_trials_run_alone_again_once_the_machine_has_calmed_down() -> None:
    reference = Reference((10.0,), interval_trials=0)
    for seconds in (14.0, 9.0, 13.0, 13.0, 13.1, 13.0, 12.9):
        reference = reference.looked(seconds, takes_turns=True)
        assert reference.runs_beside
    assert not reference.looked(13.0, takes_turns=True).runs_beside


def test_a_look_is_due_after_the_interval() -> None:
    reference = Reference((10.0,), interval_trials=2)
    assert not reference.after_trial().is_due
    assert reference.after_trial().after_trial().is_due
    assert not reference.after_trial().after_trial().looked(10.0, takes_turns=False).is_due


def test_a_noisy_machine_is_told_with_its_variation() -> None:
    assert noise_note([10.0, 10.2, 9.9, 10.1]) == ""
    assert noise_note([10.0, 20.0]) == ""
    assert "varied by 55 %" in noise_note([10.0, 20.0, 8.0, 22.0, 6.0])


class Drifting(World):
    """Twice as slow by the end of the search as at its start."""

    def drifting(self) -> World:
        calls = 0

        def speed(configuration: Configuration) -> float | Failure:
            nonlocal calls
            calls += 1
            return real_gain(configuration) / (1 + min(calls, 60) / 60)

        self.speed = speed
        return self


def test_trials_are_compared_as_if_the_machine_had_not_drifted(tmp_path: Path) -> None:
    world = Drifting(tmp_path, trials=50).drifting()
    conclusion = world.study()
    errors = []
    for record in conclusion.records[3:]:
        assert isinstance(record.outcome, Measurement)
        assert record.steady_seconds is not None
        errors.append(abs(math.log(record.steady_seconds / (1000 / real_gain(record.configuration)))))
    assert sorted(errors)[len(errors) // 2] < 0.15
    assert max(record.drift for record in conclusion.records) > 1.4
    assert conclusion.verdict is Verdict.IMPROVED


class Restless(ReplayRunner):
    """A machine of another speed in every moment; what takes turns meets it in the same one."""

    def __init__(self, opened: Opened, speed: Callable[[Configuration], float], seed: int) -> None:
        self._rng = random.Random(seed)  # noqa: S311 - noise, not secrets
        self._moment = 1.0

        def outcome(configuration: Configuration) -> Outcome:
            own = self._rng.lognormvariate(0.0, 0.02)
            return measurement(speed(configuration) * self._moment * own)

        super().__init__(opened, outcome, ceiling=Ceiling(CEILING, 2.0))

    def measure(self, configuration: Configuration, timing: Timing) -> Outcome:
        self._moment = self._rng.lognormvariate(0.0, 0.25)
        return super().measure(configuration, timing)

    def measure_beside(
        self, configuration: Configuration, other: Configuration, timing: Timing
    ) -> tuple[Outcome, Outcome]:
        return self.measure(configuration, timing), super().measure(other, timing)


def test_on_a_restless_machine_trials_are_compared_through_the_reference_beside_them(tmp_path: Path) -> None:
    conclusion = World(tmp_path, trials=60).study(Restless(OPENED, real_gain, seed=3))
    values: dict[float, list[float]] = {}
    for record in conclusion.records[len(conclusion.records) // 3 :]:
        assert record.steady_seconds is not None
        values.setdefault(real_gain(record.configuration), []).append(math.log(record.steady_seconds))
    spreads = [statistics.stdev(logs) for logs in values.values() if len(logs) > 2]
    assert spreads
    assert max(spreads) < 0.06
    assert conclusion.verdict is Verdict.IMPROVED


def test_a_study_on_a_noisy_machine_says_so(tmp_path: Path) -> None:
    rng = random.Random(4)  # noqa: S311 - noise, not secrets
    world = World(tmp_path, speed=lambda item: real_gain(item) * rng.lognormvariate(0.0, 0.25), trials=40)
    assert any("this machine is noisy" in note for note in world.study().notes)
    (tmp_path / "quiet").mkdir()
    assert World(tmp_path / "quiet", trials=40, noise=0.02).study().notes == ()
