"""Runs the tuner itself on a workload and notes how soon it had found what it found."""

from __future__ import annotations

import sys
import time
from dataclasses import dataclass, field
from pathlib import Path

from autotuner import autotune
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult
from autotuner.pipeline import Configuration
from autotuner.search.baselines import BASELINES
from experiments.workload import Workload

_MOST_OF_THE_GAIN = 0.9


@dataclass(frozen=True)
class Tuned:
    """What the tuner gave, and what it took."""

    result: StudyResult
    configuration: Configuration
    search_seconds: float
    """From the call to the end of the last trial; what rivals get, too."""
    trials: int
    trials_to_most: int | None
    """Trials until nine tenths of the search's gain over the best baseline were found; ``None`` without a gain."""
    seconds_to_most: float | None


def tune(workload: Workload, timeout_seconds: float, folder: Path) -> Tuned:
    """``autotune`` with defaults, as a user calls it."""
    log = _Log()
    result = autotune(
        str(workload.target("dataset_fn")),
        str(workload.target("model_fn")),
        epochs=workload.epochs,
        timeout=timeout_seconds,
        out=folder,
        tracking_uri=f"sqlite:///{folder / 'mlflow.db'}",
        observers=[log],
    )
    trials, seconds = log.most_of_the_gain()
    return Tuned(
        result=result.summary,
        configuration=Configuration(result.configuration),
        search_seconds=log.search_seconds,
        trials=len(log.trials),
        trials_to_most=trials,
        seconds_to_most=seconds,
    )


@dataclass
class _Log:
    """Keeps every trial; shows what the tuner says on standard error."""

    started: float = field(default_factory=time.time)
    trials: list[TrialRecord] = field(default_factory=list)

    @property
    def search_seconds(self) -> float:
        return max((trial.finished_at_seconds for trial in self.trials), default=self.started) - self.started

    def most_of_the_gain(self) -> tuple[int | None, float | None]:
        """Trials and seconds until nine tenths of the final gain were found."""
        timed = [(trial, trial.measurement.steps_per_second) for trial in self.trials if trial.measurement]
        base = max((rate for trial, rate in timed if trial.role in BASELINES), default=0.0)
        final = max((rate for _, rate in timed), default=0.0)
        if final <= base:
            return None, None
        enough = base + _MOST_OF_THE_GAIN * (final - base)
        first = next(trial for trial, rate in timed if rate >= enough)
        return self.trials.index(first) + 1, first.finished_at_seconds - self.started

    def phase_started(self, phase: str) -> None:
        """Says so."""
        print(f"    {phase}", file=sys.stderr)

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        """The folder is new: nothing was finished before."""

    def ceiling_measured(self, steps_per_second: float) -> None:
        """The comparison measures its own."""

    def trial_finished(self, trial: TrialRecord) -> None:
        """Keeps it."""
        self.trials.append(trial)

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        """Only the verdict counts here."""

    def message(self, text: str) -> None:
        """Passes it on."""
        print(f"    {text}", file=sys.stderr)

    def study_finished(self, result: StudyResult) -> StudyResult:
        """Nothing to add."""
        return result

    def close(self) -> None:
        """Nothing is held."""
