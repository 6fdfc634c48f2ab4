"""Several observers as one."""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.measure.observer import Observer
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult


class Observers:
    """Passes every event on, in order; see :class:`autotuner.measure.observer.Observer`."""

    def __init__(self, observers: Sequence[Observer]) -> None:
        self._observers = list(observers)

    def add(self, observer: Observer) -> None:
        """Appends one."""
        self._observers.append(observer)

    def phase_started(self, phase: str) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.phase_started(phase)

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.study_started(study, finished)

    def ceiling_measured(self, steps_per_second: float) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.ceiling_measured(steps_per_second)

    def trial_finished(self, trial: TrialRecord) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.trial_finished(trial)

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.confirmation_round_finished(done, planned)

    def message(self, text: str) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.message(text)

    def study_finished(self, result: StudyResult) -> StudyResult:
        """Each may complete the result the one before it returned."""
        for observer in self._observers:
            result = observer.study_finished(result)
        return result

    def close(self) -> None:
        """Passed on."""
        for observer in self._observers:
            observer.close()
