"""The Optuna study of a run: trials 0 to 2 are the baselines, every trial carries its full outcome, all can resume."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Mapping
from typing import Any

import optuna
import sqlalchemy.exc
from optuna.distributions import CategoricalDistribution
from optuna.trial import FrozenTrial, TrialState, create_trial

from autotuner.errors import StudyError, UsageError
from autotuner.measure.messages import outcome_from_json, outcome_to_json
from autotuner.measure.outcome import Outcome
from autotuner.measure.records import TrialRecord
from autotuner.pipeline import Configuration, DecisionValue
from autotuner.space import SearchSpace

_RECORD = "record"
_DUPLICATE = "duplicate_of"
_REQUEUED = "requeued"
_HEARTBEAT_SECONDS = 60
_FINISHED = (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL)

Objective = Callable[[optuna.Trial, Configuration], TrialRecord | int]
"""Gives a finished record, or the number of the trial that measured the same configuration before."""


class StudyStore:
    """Keeps a study in an RDB; opening it again continues it."""

    def __init__(self, url: str, name: str, seed: int | None = None) -> None:
        optuna.logging.set_verbosity(optuna.logging.ERROR)
        sampler = _sampler(seed)
        with _storage_errors(url, opening=True), warnings.catch_warnings():
            warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
            storage = _rdb_storage(url)
            self._study = optuna.create_study(
                storage=storage, study_name=name, sampler=sampler, direction="minimize", load_if_exists=True
            )
        self._url = url
        self._records: dict[int, TrialRecord] = {}
        self._listed: tuple[TrialRecord, ...] | None = None
        """All of them, until a trial is added: asking the database takes milliseconds, and a trial asks many times."""

    def claim(self, identity: Mapping[str, Any]) -> None:
        """Marks a new study with ``identity``, or checks that a stored one has the same.

        Raises:
            StudyError: the stored study is of another pipeline, machine, preset or number of epochs.
        """
        with _storage_errors(self._url):
            stored = self._study.user_attrs.get("identity")
            if stored is None:
                self._study.set_user_attr("identity", dict(identity))
                return
        differing = [key for key, value in identity.items() if stored.get(key) != value]
        if differing:
            raise StudyError(
                f"the study stored in this folder was made with another {' and another '.join(differing)}",
                "choose another folder with --out, or remove this one",
            )

    def close_interrupted(self) -> None:
        """Ends trials that a dead controller left without an outcome; what they had queued is queued again."""
        self._listed = None
        with _storage_errors(self._url):
            seen = set(self.recall(_REQUEUED) or ())
            for trial in self._study.get_trials(deepcopy=False, states=(TrialState.RUNNING, TrialState.FAIL)):
                if trial.number in seen or _DUPLICATE in trial.user_attrs:
                    continue
                record = _record(trial)
                if trial.state is TrialState.RUNNING:
                    self._end(trial, record)
                if record is None:
                    seen.add(trial.number)
                    self._queue_again(trial)
            self.remember(_REQUEUED, sorted(seen))

    def _end(self, trial: FrozenTrial, record: TrialRecord | None) -> None:
        """A pruned trial keeps what it reported before; without a report it is one that failed."""
        if record is None or record.measurement is None:
            self._study.tell(trial.number, state=TrialState.FAIL)
        elif record.measurement.pruned:
            self._study.tell(trial.number, state=TrialState.PRUNED)
        else:
            self._study.tell(trial.number, record.steady_seconds)

    def _queue_again(self, trial: FrozenTrial) -> None:
        if fixed := trial.system_attrs.get("fixed_params"):
            self._study.enqueue_trial(fixed, user_attrs=dict(trial.user_attrs))

    def records(self) -> tuple[TrialRecord, ...]:
        """Every trial that was measured or failed, by number."""
        if self._listed is None:
            with _storage_errors(self._url):
                trials = self._study.get_trials(deepcopy=False, states=_FINISHED)
            for trial in trials:
                if trial.number not in self._records and (record := _record(trial)) is not None:
                    self._records[trial.number] = record  # what is finished does not change
            self._listed = tuple(self._records[trial.number] for trial in trials if trial.number in self._records)
        return self._listed

    def add(self, record: TrialRecord, space: SearchSpace) -> None:
        """Stores a baseline: a trial Optuna did not suggest, with those parameters its space has."""
        self._listed = None
        parameters = {name: value for name, value in record.parameters.items() if value in space.domains.get(name, ())}
        with _storage_errors(self._url):
            self._study.add_trial(
                create_trial(
                    state=TrialState.COMPLETE if record.measurement else TrialState.FAIL,
                    value=record.steady_seconds,
                    params=parameters,
                    distributions={name: CategoricalDistribution(space.domains[name]) for name in parameters},
                    user_attrs={_RECORD: _to_json(record)},
                )
            )

    def enqueue(self, configuration: Configuration, space: SearchSpace) -> None:
        """Queues a guess; the sampler's own trials come after it."""
        with _storage_errors(self._url):
            self._study.enqueue_trial(
                space.parameters(configuration), user_attrs={"role": "guess"}, skip_if_exists=True
            )

    def run_one(self, space: SearchSpace, objective: Objective) -> TrialRecord | None:
        """Lets Optuna suggest one configuration and carries it out; gives its record unless it was a repetition."""
        finished: list[TrialRecord] = []

        def evaluate(trial: optuna.Trial) -> float:
            answer = objective(trial, space.suggest(trial))
            if isinstance(answer, int):
                trial.set_user_attr(_DUPLICATE, answer)
                return _told(trial, next(record for record in self.records() if record.number == answer))
            trial.set_user_attr(_RECORD, _to_json(answer))
            finished.append(answer)
            return _told(trial, answer)

        try:
            with _storage_errors(self._url), warnings.catch_warnings():
                warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
                self._study.optimize(evaluate, n_trials=1, catch=(_TrialFailedError,))
        finally:
            self._listed = None
        return finished[0] if finished else None

    def remember(self, key: str, value: Any) -> None:  # noqa: ANN401 - any JSON
        """Stores a fact about the whole study."""
        with _storage_errors(self._url):
            self._study.set_user_attr(key, value)

    def recall(self, key: str) -> Any:  # noqa: ANN401 - any JSON
        """What :meth:`remember` stored, or ``None``."""
        with _storage_errors(self._url):
            return self._study.user_attrs.get(key)


class _TrialFailedError(Exception):
    """Tells Optuna that a trial failed; the failure itself is in the trial's record."""


def _told(trial: optuna.Trial, record: TrialRecord) -> float:
    if record.measurement is None or record.steady_seconds is None:
        raise _TrialFailedError
    if record.measurement.pruned:
        trial.report(record.steady_seconds, step=0)
        raise optuna.TrialPruned
    return record.steady_seconds


def role_of(trial: optuna.Trial) -> str:
    """``guess`` for a queued trial, else ``search``."""
    return str(trial.user_attrs.get("role", "search"))


def _rdb_storage(url: str) -> optuna.storages.RDBStorage:
    try:
        return optuna.storages.RDBStorage(url, heartbeat_interval=_HEARTBEAT_SECONDS)
    except (sqlalchemy.exc.ArgumentError, ImportError) as error:
        raise UsageError(
            f"Optuna cannot use this storage: {str(error.__cause__ or error).splitlines()[0]}",
            "give an RDB URL such as sqlite:///study.db, and install the driver of its database",
        ) from error


def _sampler(seed: int | None) -> optuna.samplers.BaseSampler:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        return optuna.samplers.TPESampler(seed=seed, group=True, multivariate=True)


def _to_json(record: TrialRecord) -> dict[str, Any]:
    return {
        "role": record.role,
        "configuration": dict(record.configuration),
        "parameters": dict(record.parameters),
        "outcome": outcome_to_json(record.outcome),
        "started_at_seconds": record.started_at_seconds,
        "finished_at_seconds": record.finished_at_seconds,
        "drift": record.drift,
        "ratio_to_best_baseline": record.ratio_to_best_baseline,
        "ratio_to_ceiling": record.ratio_to_ceiling,
    }


def _record(trial: FrozenTrial) -> TrialRecord | None:
    data = trial.user_attrs.get(_RECORD)
    if data is None:
        return None
    values: dict[str, DecisionValue] = data["configuration"]
    outcome: Outcome = outcome_from_json(data["outcome"])
    rest = {key: item for key, item in data.items() if key not in {"configuration", "outcome"}}
    return TrialRecord(number=trial.number, configuration=Configuration(values), outcome=outcome, **rest)


class _storage_errors:  # noqa: N801 - reads as a statement
    """Turns what a database says into what a user can act on."""

    def __init__(self, url: str, *, opening: bool = False) -> None:
        self._url = url
        # While it is opened, Optuna says with a RuntimeError that the tables are of another version.
        self._damage = (sqlalchemy.exc.DatabaseError, json.JSONDecodeError, *((RuntimeError,) if opening else ()))

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, sqlalchemy.exc.OperationalError | optuna.exceptions.StorageInternalError):
            reason = str(error.__cause__ or error).splitlines()[0]
            raise StudyError(
                f"the study database cannot be used: {reason}",
                "another process may hold it; wait for that one, or choose another folder with --out",
            ) from error
        if isinstance(error, self._damage):
            raise StudyError(
                f"the study database is damaged or not ours: {str(error).splitlines()[0]}",
                f"move {self._url.removeprefix('sqlite:///')} away to start again",
            ) from error
