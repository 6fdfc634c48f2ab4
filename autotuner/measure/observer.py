"""The role of everything that watches a study: progress bars, MLflow, reports."""

from __future__ import annotations

from typing import Protocol

from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult


class Observer(Protocol):
    """Called by the study between timed windows, never inside one. Must not raise for its own troubles."""

    def phase_started(self, phase: str) -> None:
        """``prepare``, ``baselines``, ``search``, ``ablate``, ``confirm`` or ``emit`` begins."""
        ...

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        """The space is known; ``finished`` holds the trials of earlier runs of the same study."""
        ...

    def ceiling_measured(self, steps_per_second: float) -> None:
        """The model alone reaches this rate."""
        ...

    def trial_finished(self, trial: TrialRecord) -> None:
        """A trial ended, with a number or without."""
        ...

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        """One contestant was measured once more in a fresh process; counts are single measurements."""
        ...

    def message(self, text: str) -> None:
        """Something the user should know while the study goes on."""
        ...

    def study_finished(self, result: StudyResult) -> StudyResult:
        """The verdict is in and the code is written; returns the result, completed where this observer adds to it."""
        ...

    def close(self) -> None:
        """Always called last, also after an interrupt or an error."""
        ...
