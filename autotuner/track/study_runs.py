"""The parent run of a study and its child runs, as a tracking store holds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from autotuner.measure.outcome import Failure
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult
from autotuner.track.entries import (
    PARENT_TAG,
    SIGNATURE_TAG,
    STUDY_TAG,
    TRIAL_TAG,
    RunEntries,
    result_entries,
    study_entries,
    trial_entries,
    trial_state,
)

if TYPE_CHECKING:
    from mlflow import MlflowClient
    from mlflow.entities import Run

_SAME_START_MILLISECONDS = 1_000
_PAGE = 1_000


@dataclass(frozen=True)
class _Child:
    run_id: str
    number: int
    start_milliseconds: int
    ended: bool

    def is_of(self, trial: TrialRecord) -> bool:
        """Numbers begin anew when a folder is deleted and its study repeated, starting times do not."""
        apart = abs(self.start_milliseconds - _milliseconds(trial.started_at_seconds))
        return self.number == trial.number and apart <= _SAME_START_MILLISECONDS


class StudyRuns:
    """Sends each trial of one study exactly once, whatever was sent before; raises what MLflow raises."""

    def __init__(
        self, client: MlflowClient, experiment: str, study: StudyInfo, finished: tuple[TrialRecord, ...]
    ) -> None:
        self._client = client
        self._study = study
        self.experiment_id = _experiment_id(client, experiment)
        self._children: list[_Child] = []
        self.run_id = self._continued(finished) or self._created(finished)

    def send(self, trial: TrialRecord) -> str | None:
        """Write one child run; ``None`` if the store has it already. One that was cut short is completed."""
        known = next((child for child in self._children if child.is_of(trial)), None)
        if known and known.ended:
            return None
        start = _milliseconds(trial.started_at_seconds)
        end = _milliseconds(trial.finished_at_seconds)
        run_id = known.run_id if known else self._create_child(trial, start)
        self._log(run_id, trial_entries(self._study, trial), end)
        _, status = trial_state(trial)
        self._client.set_terminated(run_id, status, end_time=end)
        self._children.append(_Child(run_id, trial.number, start, ended=True))
        return run_id

    def log_ceiling(self, steps_per_second: float, at_seconds: float) -> None:
        """The model alone reaches this rate."""
        metrics = {"ceiling_steps_per_second": steps_per_second}
        self._log(self.run_id, RunEntries(metrics=metrics), _milliseconds(at_seconds))

    def finish(self, result: StudyResult, at_seconds: float) -> None:
        """The verdict is in."""
        self._log(self.run_id, result_entries(self._study, result), _milliseconds(at_seconds))
        self._client.set_terminated(self.run_id, "FINISHED", end_time=_milliseconds(at_seconds))

    def interrupt(self, at_seconds: float) -> None:
        """The study stops without a verdict; it may be resumed."""
        self._client.set_terminated(self.run_id, "KILLED", end_time=_milliseconds(at_seconds))

    def _continued(self, finished: tuple[TrialRecord, ...]) -> str | None:
        for parent in self._earlier_parents():
            children = list(self._children_of(parent.info.run_id))
            if children and not any(child.is_of(trial) for child in children for trial in finished):
                continue  # another study of the same name and pipeline, in a folder that is gone or elsewhere
            self._children = children
            self._client.update_run(parent.info.run_id, status="RUNNING")
            self._log_study(parent.info.run_id, already=parent.data.params)
            return str(parent.info.run_id)
        return None

    def _created(self, finished: tuple[TrialRecord, ...]) -> str:
        start = min((trial.started_at_seconds for trial in finished), default=None)
        run = self._client.create_run(
            self.experiment_id,
            start_time=None if start is None else _milliseconds(start),
            tags=dict(study_entries(self._study).tags),
            run_name=self._study.name,
        )
        self._log_study(run.info.run_id, already={})
        return str(run.info.run_id)

    def _log_study(self, run_id: str, already: dict[str, str]) -> None:
        """A parameter can be written once; what a resumed study was started with stays."""
        entries = study_entries(self._study)
        missing = {name: value for name, value in entries.parameters.items() if name not in already}
        self._log(run_id, RunEntries(parameters=missing, tags=entries.tags), 0)

    def _create_child(self, trial: TrialRecord, start: int) -> str:
        run = self._client.create_run(
            self.experiment_id,
            start_time=start,
            tags={PARENT_TAG: self.run_id, TRIAL_TAG: str(trial.number)},
            run_name=f"{trial.number} {trial.role}",
        )
        return str(run.info.run_id)

    def _log(self, run_id: str, entries: RunEntries, timestamp: int) -> None:
        from mlflow.entities import Metric, Param, RunTag

        self._client.log_batch(
            run_id,
            metrics=[Metric(key, value, timestamp, 0) for key, value in entries.metrics.items()],
            params=[Param(key, value) for key, value in entries.parameters.items()],
            tags=[RunTag(key, value) for key, value in entries.tags.items()],
        )

    def _earlier_parents(self) -> Iterator[Run]:
        for run in self._search(f"tags.{SIGNATURE_TAG} = '{self._study.pipeline_signature}'"):
            if run.data.tags.get(STUDY_TAG) == self._study.name:
                yield run

    def _children_of(self, parent_id: str) -> Iterator[_Child]:
        for run in self._search(f"tags.`{PARENT_TAG}` = '{parent_id}'"):
            number = run.data.tags.get(TRIAL_TAG, "")
            if number.isdecimal():
                ended = run.info.status != "RUNNING"
                yield _Child(run.info.run_id, int(number), run.info.start_time, ended)

    def _search(self, condition: str) -> Iterator[Run]:
        token = None
        while True:
            page = self._client.search_runs([self.experiment_id], condition, max_results=_PAGE, page_token=token)
            yield from page
            if not (token := page.token):
                return


def failure_text(failure: Failure) -> str:
    """What is kept of a failure as a file."""
    return f"{failure.kind}: {failure.message}\n\n{failure.user_traceback}".rstrip() + "\n"


def _experiment_id(client: MlflowClient, name: str) -> str:
    from mlflow.exceptions import MlflowException

    if found := client.get_experiment_by_name(name):
        return str(found.experiment_id)
    try:
        return str(client.create_experiment(name))
    except MlflowException:
        if found := client.get_experiment_by_name(name):  # another study made it in between
            return str(found.experiment_id)
        raise


def _milliseconds(seconds: float) -> int:
    return round(seconds * 1_000)
