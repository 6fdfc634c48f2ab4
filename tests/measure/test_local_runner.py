from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psutil
import pytest

from autotuner.errors import UserCodeError
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.messages import CheckModule, Opened
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from tests.contracts import SHORT, RunnerContract, fresh_outcome, measured
from tests.measure.user_code import GOOD, MODEL, MOODY, runner_of, write

STATUS_QUO = Configuration()
LIMITS = Limits(trial_seconds=4.0, open_seconds=60.0, memory_bytes=1_500_000_000)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalRunner]:
    """One runner for all: what each test opens is a worker of its own."""
    runner = runner_of(write(tmp_path_factory.mktemp("user"), MODEL, GOOD))
    yield runner
    runner.close()


class TestLocalRunner(RunnerContract):
    @pytest.fixture
    def runner(self, shared: LocalRunner) -> LocalRunner:
        return shared

    @pytest.fixture
    def closable(self, tmp_path: Path) -> LocalRunner:
        return runner_of(write(tmp_path, MODEL, GOOD))

    def test_opening_tells_the_length_the_shapes_and_the_parameters(self, runner: LocalRunner) -> None:
        opened = runner.open()
        assert opened.calibrated.steps_per_epoch == 7
        assert opened.calibrated.batch_rows == [16, 4]
        assert opened.calibrated.model_steps_per_second
        assert opened.parameters == "batch=16"

    def test_a_trial_adds_little_to_its_window(self, runner: LocalRunner) -> None:
        runner.open()
        extra = []
        for size in (1, 2, 3):
            outcome = measured(runner.measure(Configuration({"prefetch[end].buffer_size": size}), SHORT))
            extra.append(outcome.wall_seconds - outcome.timed_seconds)
        assert min(extra) < 0.5

    def test_a_cache_is_measured_in_memory_and_in_a_file_and_leaves_nothing(self, runner: LocalRunner) -> None:
        runner.open()
        for medium in ("memory", "file"):
            chosen = Configuration({"cache.after": "map[double]", "cache.medium": medium})
            measured(runner.measure(chosen, SHORT))
            measured(fresh_outcome(runner, chosen))
        assert [path.name for path in runner._scratch.iterdir()] == ["generated"]

    def test_a_module_of_emitted_code_is_compared(self, runner: LocalRunner, tmp_path: Path) -> None:
        runner.open()
        same = write(tmp_path, MODEL, GOOD, name="same.py")
        other = write(tmp_path, MODEL, GOOD.replace("batch(batch)", "batch(20)"), name="other.py")
        assert getattr(runner.check(CheckModule(str(same), {})), "reason", None) == ""
        assert getattr(runner.check(CheckModule(str(other), {})), "reason", "")


def test_nothing_is_left_in_the_systems_temporary_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    temporary = tmp_path / "temporary"
    temporary.mkdir()
    monkeypatch.setenv("TMPDIR", str(temporary))
    with closing(runner_of(write(tmp_path, MODEL, GOOD))) as runner:
        runner.open()
        measured(runner.measure(STATUS_QUO, SHORT))
        measured(fresh_outcome(runner, STATUS_QUO))
        assert any(Path(runner._scratch, "generated").iterdir())
        assert list(temporary.iterdir()) == []
    assert not runner._scratch.exists()


class Moody:
    """A pipeline that does what ``mood.txt`` says."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.set("good")
        self.runner = runner_of(write(folder, MODEL, MOODY), limits=LIMITS)
        self.opened: Opened = self.runner.open()

    def set(self, mood: str) -> None:
        self.folder.joinpath("mood.txt").write_text(mood)

    def fails(self, mood: str) -> Failure:
        """The failure of one bad trial, after which a good one must work."""
        self.set(mood)
        outcome = self.runner.measure(STATUS_QUO, SHORT)
        self.set("good")
        assert isinstance(outcome, Failure), outcome
        measured(self.runner.measure(STATUS_QUO, SHORT))
        return outcome


@pytest.fixture(scope="module")
def moody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Moody]:
    made = Moody(tmp_path_factory.mktemp("moody"))
    yield made
    made.runner.close()


def test_an_exception_is_shown_from_the_users_frame_on(moody: Moody) -> None:
    failure = moody.fails("raise")
    assert failure.kind is FailureKind.ERROR
    assert "my own mistake" in failure.message + failure.user_traceback
    assert "in moody" in failure.user_traceback


def test_a_map_that_never_returns_ends_with_the_limit(moody: Moody) -> None:
    started = time.monotonic()
    failure = moody.fails("hang")
    assert failure.kind is FailureKind.TIMEOUT
    assert "4 s" in failure.message
    assert LIMITS.trial_seconds <= failure.wall_seconds < LIMITS.trial_seconds + 2
    assert time.monotonic() - started < 15


@pytest.mark.parametrize(
    ("mood", "kind", "message"),
    [
        ("kill", FailureKind.OUT_OF_MEMORY, "the system killed the worker"),
        ("segv", FailureKind.CRASH, "SIGSEGV"),
        ("exit", FailureKind.CRASH, "exit code 3"),
    ],
)
def test_a_worker_that_dies_fails_its_trial_alone(moody: Moody, mood: str, kind: FailureKind, message: str) -> None:
    failure = moody.fails(mood)
    assert failure.kind is kind
    assert message in failure.message


def test_memory_is_limited(moody: Moody, monkeypatch: pytest.MonkeyPatch) -> None:
    # A busy machine gives a gigabyte slowly: here it is to be the memory that ends first.
    monkeypatch.setattr(moody.runner, "limits", replace(LIMITS, trial_seconds=60.0))
    failure = moody.fails("hoard")
    assert failure.kind is FailureKind.OUT_OF_MEMORY
    assert "1.5 GB" in failure.message
    assert LIMITS.memory_bytes < failure.peak_rss_bytes < 1.5 * LIMITS.memory_bytes


def test_what_a_worker_started_ends_with_it(moody: Moody) -> None:
    assert moody.fails("child").kind is FailureKind.TIMEOUT
    child = int(moody.folder.joinpath("child.txt").read_text())
    assert gone({child})


def test_a_loss_that_is_not_a_number_is_still_a_time(moody: Moody) -> None:
    moody.set("nan")
    measured(moody.runner.measure(STATUS_QUO, SHORT))
    moody.set("good")


def test_a_pipeline_that_no_longer_opens_is_a_failure_not_an_exception(moody: Moody) -> None:
    moody.set("raise while building")
    fresh = fresh_outcome(moody.runner, STATUS_QUO)
    assert isinstance(fresh, Failure)
    assert fresh.user_traceback.splitlines()[1].strip().startswith(f'File "{moody.folder}/user.py"')
    assert "no such column" in fresh.message
    moody.set("good")


def test_fresh_processes_fail_alone(moody: Moody) -> None:
    moody.set("segv")
    outcome = fresh_outcome(moody.runner, STATUS_QUO)
    moody.set("good")
    assert isinstance(outcome, Failure)
    measured(moody.runner.measure(STATUS_QUO, SHORT))


def test_nothing_is_left_on_disk(moody: Moody) -> None:
    assert [path.name for path in moody.runner._scratch.iterdir()] == ["generated"]


def gone(pids: set[int], patience_seconds: float = 5.0) -> bool:
    """The processes have ended."""
    deadline = time.monotonic() + patience_seconds
    while time.monotonic() < deadline:
        if not any(psutil.pid_exists(pid) and psutil.Process(pid).status() != "zombie" for pid in pids):
            return True
        time.sleep(0.05)
    return False


BROKEN: dict[str, tuple[tuple[str, ...], str, str]] = {
    "empty": (
        (MODEL, "def dataset_fn(): return tf.data.Dataset.from_tensor_slices((X[:0], Y[:0])).batch(4)"),
        "the dataset is empty",
        "",
    ),
    "not a dataset": ((MODEL, "def dataset_fn(): return [1, 2]"), "returned list, not a tf.data.Dataset", ""),
    "parameter": ((MODEL, "def dataset_fn(folder): return None"), "needs an argument for 'folder'", ""),
    "model parameter": (
        (MODEL.replace("def model_fn()", "def model_fn(size)"), GOOD),
        "needs an argument for 'size'",
        "",
    ),
    "not a model": ((MODEL, GOOD, "def model_fn(): return 5"), "returned int, not a Keras model", ""),
    "uncompiled": (
        (MODEL, GOOD, "def model_fn(): return keras.Sequential([keras.layers.Dense(1)])"),
        "a model that is not compiled",
        "",
    ),
    "misfit": (
        (MODEL, GOOD, "X = np.zeros((10, 3), 'float32'); Y = np.zeros((10, 1), 'float32')"),
        "received input with shape (None, 3)",
        "",
    ),
    "import": ((MODEL, "def table(): raise OSError('no disk')", "table()", GOOD), "OSError: no disk", "in table"),
    "exit": ((MODEL, "raise SystemExit(2)"), "SystemExit: 2", "user.py"),
    "missing name": ((MODEL, "def datasets(): pass"), "has no dataset_fn", ""),
    "not a function": ((MODEL, "dataset_fn = 5"), "is int, not a function", ""),
    "memory": (
        (
            MODEL,
            "def big(i): return tf.ones((10_000_000,)) * tf.cast(i, tf.float32)",
            "def dataset_fn(): return tf.data.Dataset.range(1000).map(big).shuffle(1000).batch(1)",
        ),
        "used more than the allowed 1.5 GB",
        "",
    ),
}


@pytest.fixture(scope="module")
def opening(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[Path], LocalRunner]]:
    """Opens any file in a worker of one shared runner."""
    runner = runner_of(tmp_path_factory.mktemp("none") / "user.py", limits=LIMITS)

    def of(file: Path) -> LocalRunner:
        target = Target("file", str(file), "dataset_fn")
        runner._request = replace(runner._request, dataset=target, model=replace(target, name="model_fn"))
        return runner

    yield of
    runner.close()


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_opened_is_told_in_the_users_words(
    opening: Callable[[Path], LocalRunner], tmp_path: Path, case: str
) -> None:
    parts, message, frame = BROKEN[case]
    with pytest.raises(UserCodeError) as raised:
        opening(write(tmp_path, *parts)).open()
    assert message in raised.value.message
    assert frame in raised.value.user_traceback
    assert "autotuner/worker" not in raised.value.user_traceback
