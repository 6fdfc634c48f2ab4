"""Every trial of a study in MLflow, while a tracking server that is out of reach never stops the study."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from autotuner.errors import AutotunerError
from autotuner.measure.outcome import Failure
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult
from autotuner.track.connection import connect, connection_errors, quiet_and_impatient, reason, shown, tracking_uri
from autotuner.track.study_runs import StudyRuns, failure_text

if TYPE_CHECKING:
    from mlflow import MlflowClient

ARTIFACTS = (
    "tuned_pipeline.py", "tuned_dataset_fn.py", "tuned.patch", "configuration.json", "result.json", "report.html",
)  # fmt: skip


class MlflowObserver:
    """One parent run for the study, one child run per trial, written with explicit run ids only.

    The first time the tracking store does not answer, ``notify`` is told once and nothing more is tried until
    the same study is repeated; then the trials the store lacks are sent, each exactly once.

    Args:
        notify: Called with a sentence the user should read.
        uri: Where to log; ``None`` means ``MLFLOW_TRACKING_URI``, else MLflow's default in the current folder.
        experiment: Name of the MLflow experiment; made when there is none.
    """

    def __init__(self, notify: Callable[[str], None], uri: str | None = None, experiment: str = "autotuner") -> None:
        self._notify = notify
        self._argument = uri
        self._experiment = experiment
        self._uri = ""
        self._client: MlflowClient | None = None
        self._runs: StudyRuns | None = None
        self._ceiling: float | None = None
        self._lost = ""
        self._artifacts_lost = False
        self._ended = False

    @property
    def uri(self) -> str:
        """Where this observer logs to, without a password; empty until the study has begun."""
        return shown(self._uri)

    def phase_started(self, phase: str) -> None:
        """Reach the store, and migrate its database, before anything is timed."""
        del phase
        self._attempt(self._connect)

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        """Open or continue the parent run and send what earlier runs of the study could not."""

        def start() -> None:
            self._runs = StudyRuns(self._connect(), self._experiment, study, finished)
            if self._ceiling is not None:
                self._runs.log_ceiling(self._ceiling, time.time())

        self._attempt(start)
        for trial in finished:
            self.trial_finished(trial)

    def ceiling_measured(self, steps_per_second: float) -> None:
        """Log the ceiling with the study, now or as soon as its run exists."""
        self._ceiling = steps_per_second
        self._with_runs(lambda runs: runs.log_ceiling(steps_per_second, time.time()))

    def trial_finished(self, trial: TrialRecord) -> None:
        """Write the trial's run, unless the store has it."""

        def send(runs: StudyRuns) -> None:
            run_id = runs.send(trial)
            if run_id and isinstance(trial.outcome, Failure):
                self._attach_failure(run_id, trial.outcome)

        self._with_runs(send)

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        """Nothing to log: the result has the intervals."""

    def message(self, text: str) -> None:
        """Nothing to log: the notes of the result have what matters later."""

    def study_finished(self, result: StudyResult) -> StudyResult:
        """Log the verdict; the result gains the address of its run, or a note that MLflow was out of reach."""
        self._ended = True
        self._with_runs(lambda runs: runs.finish(result, time.time()))
        address = self._address()
        notes = (*result.notes, self._lost) if self._lost else result.notes
        return replace(result, mlflow=address or result.mlflow, notes=notes)

    def log_artifacts(self, folder: Path) -> None:
        """Attach the files of the run's folder to the parent run; call it after they are written."""
        for path in (folder / name for name in ARTIFACTS):
            if path.is_file():
                self._attach_file(path)

    def close(self) -> None:
        """A study that ends without a verdict leaves its run ``KILLED``; resuming it continues that run."""
        if not self._ended:
            self._ended = True
            self._with_runs(lambda runs: runs.interrupt(time.time()))

    def _connect(self) -> MlflowClient:
        if self._client is None:
            self._uri = tracking_uri(self._argument)
            self._client = connect(self._uri)
        return self._client

    def _address(self) -> dict[str, str]:
        if self._runs is None:
            return {}
        return {"tracking_uri": self.uri, "experiment_id": self._runs.experiment_id, "run_id": self._runs.run_id}

    def _with_runs(self, action: Callable[[StudyRuns], None]) -> None:
        if runs := self._runs:
            self._attempt(lambda: action(runs))

    def _attempt(self, action: Callable[[], object]) -> None:
        if self._lost:
            return
        with quiet_and_impatient():
            try:
                action()
            except AutotunerError as error:
                self._lose(str(error))
            except connection_errors() as error:
                self._lose(
                    f"MLflow at {self.uri} cannot be used ({reason(error, self._uri)}); the study goes on without it. "
                    "Repeat the same command when it answers again, and the missing trials are sent."
                )

    def _lose(self, text: str) -> None:
        self._lost = text
        self._notify(text)

    def _attach_file(self, path: Path) -> None:
        self._attach(lambda client, parent: client.log_artifact(parent, str(path)))

    def _attach_failure(self, run_id: str, failure: Failure) -> None:
        self._attach(lambda client, _: client.log_text(run_id, failure_text(failure), "failure.txt"))

    def _attach(self, action: Callable[[MlflowClient, str], None]) -> None:
        if self._lost or self._artifacts_lost or self._client is None or self._runs is None:
            return
        with quiet_and_impatient():
            try:
                action(self._client, self._runs.run_id)
            except Exception as error:  # noqa: BLE001 - each cloud's artifact store raises its own kinds
                self._artifacts_lost = True
                self._notify(f"MLflow has the numbers but not the files ({reason(error, self._uri)}).")
