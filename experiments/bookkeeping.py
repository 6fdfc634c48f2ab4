"""What a study costs beside its measuring: a search whose trials are answered at once, kept and logged for real."""

from __future__ import annotations

import time
import zlib
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Ceiling, Open, Opened
from autotuner.measure.outcome import Measurement
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.measure.result import StudyResult
from autotuner.pipeline import Configuration
from autotuner.search.budget import Budget
from autotuner.search.conclusion import StudyPlan
from autotuner.search.observers import Observers
from autotuner.search.store import StudyStore
from autotuner.search.study import Study
from autotuner.space import load_preset
from autotuner.track import MlflowObserver
from experiments.workload import Workload

_SEED = 1
_AS_WRITTEN_RATE = 50.0
_OUT_OF_REACH = 1e6
"""Steps per second of a ceiling that ends no search early."""
Answer = TypeVar("Answer")


@dataclass(frozen=True)
class Cost:
    """Of one study without any measuring."""

    trials: int
    """Measured ones; suggestions that repeat one of them cost too, and are not counted here."""
    wall_seconds: float
    """Everything: Optuna, its database, MLflow, and the study's own work on pipelines."""
    mlflow_seconds: float
    cpu_seconds: float
    """Of this process; on a busy machine less than the wall time."""


def opened(workload: Workload, folder: Path) -> Opened:
    """The pipeline as written, recorded by a real worker; there is no model to build."""
    request = Open(workload.target("dataset_fn"), None, search_path(), workload.epochs)
    with closing(LocalRunner(request, folder / "worker.log", Limits())) as runner:
        return runner.open()


def cost(pipeline: Opened, epochs: int, trials: int, folder: Path) -> Cost:
    """Searches ``trials`` configurations whose speeds are made up."""
    mlflow = _TimedMlflow(f"sqlite:///{folder / 'mlflow.db'}")
    runner = ReplayRunner(pipeline, lambda asked: _made_up(asked, epochs, pipeline), ceiling=Ceiling(_OUT_OF_REACH, 0))
    started, busy = time.perf_counter(), time.process_time()
    with closing(Observers([mlflow])) as watching:
        store = StudyStore(f"sqlite:///{folder / 'study.db'}", "bookkeeping", _SEED)
        Study(runner, store, _plan(epochs, folder), Budget(None, trials), watching).run()
    wall, cpu = time.perf_counter() - started, time.process_time() - busy
    return Cost(mlflow.trials, wall, mlflow.seconds, cpu)


def _plan(epochs: int, folder: Path) -> StudyPlan:
    return StudyPlan(
        name="bookkeeping",
        folder=str(folder),
        dataset_target="replayed",
        model_target="replayed",
        epochs=epochs,
        preserve=None,
        preset=load_preset("thorough"),
        machine=Machine.detect(),
    )


def _made_up(configuration: Configuration, epochs: int, pipeline: Opened) -> Measurement:
    """A speed with something to find in it: every decision's value has its own factor, the same each time."""
    rate = _AS_WRITTEN_RATE
    for decision, value in configuration.items():
        rate *= 0.9 + 0.4 * (zlib.crc32(f"{decision}={value}".encode()) / 2**32)
    steps = pipeline.calibrated.steps_per_epoch
    return Measurement(
        projected_seconds=steps * epochs / rate,
        steps_per_second=rate,
        time_to_first_batch_seconds=0.1,
        first_epoch_steps_per_second=rate,
        later_epoch_steps_per_second=rate,
        epoch_start_seconds=0.01,
        timed_steps=100,
        timed_seconds=0.0,
        stalls=0,
        peak_rss_bytes=1 << 30,
        cpu_seconds_per_step=0.01,
        wall_seconds=0.0,
        structure="made up",
    )


class _TimedMlflow:
    """The tracker of every study, with the time spent in it."""

    def __init__(self, uri: str) -> None:
        self.seconds = 0.0
        self.trials = 0
        self._tracker = MlflowObserver(notify=self.message, uri=uri)

    def phase_started(self, phase: str) -> None:
        """Timed."""
        self._timed(lambda: self._tracker.phase_started(phase))

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        """Timed."""
        self._timed(lambda: self._tracker.study_started(study, finished))

    def ceiling_measured(self, steps_per_second: float) -> None:
        """Timed."""
        self._timed(lambda: self._tracker.ceiling_measured(steps_per_second))

    def trial_finished(self, trial: TrialRecord) -> None:
        """Timed and counted."""
        self.trials += 1
        self._timed(lambda: self._tracker.trial_finished(trial))

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        """Nothing is logged then."""

    def message(self, text: str) -> None:
        """A store that is not used costs nothing, and that must not look good."""
        raise RuntimeError(text)

    def study_finished(self, result: StudyResult) -> StudyResult:
        """Timed."""
        return self._timed(lambda: self._tracker.study_finished(result))

    def close(self) -> None:
        """Timed."""
        self._timed(self._tracker.close)

    def _timed(self, action: Callable[[], Answer]) -> Answer:
        started = time.perf_counter()
        try:
            return action()
        finally:
            self.seconds += time.perf_counter() - started
