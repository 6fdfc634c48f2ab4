"""What a study and its trials are in MLflow: parameters, metrics and tags as plain dictionaries."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from autotuner.measure.outcome import Failure, FailureKind, Measurement
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import Interval, StudyResult
from autotuner.track.names import INACTIVE, MAX_TAG_LENGTH, flat_parameters, mlflow_name, parameter_value

TRIAL_TAG = "autotuner.trial"
STUDY_TAG = "study"
SIGNATURE_TAG = "pipeline_signature"
PARENT_TAG = "mlflow.parentRunId"
_NOTE_TAG = "mlflow.note.content"


@dataclass(frozen=True)
class RunEntries:
    """What one ``log_batch`` writes to one run."""

    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)


def trial_entries(study: StudyInfo, trial: TrialRecord) -> RunEntries:
    """One child run; every decision of the study is a parameter, because charts drop runs that lack one."""
    failure = _failure_tags(trial.outcome) if isinstance(trial.outcome, Failure) else {}
    state, _ = trial_state(trial)
    names = {**study.decisions, **trial.parameters}
    return RunEntries(
        parameters={
            mlflow_name(name): parameter_value(trial.parameters[name]) if name in trial.parameters else INACTIVE
            for name in names
        },
        metrics=_finite(_trial_metrics(trial)),
        tags=_cut(
            {
                "state": state,
                "role": trial.role,
                "structure": trial.outcome.structure,
                "machine_fingerprint": _fingerprint(study),
                **failure,
            }
        ),
    )


def trial_state(trial: TrialRecord) -> tuple[str, str]:
    """State of the trial and status of its run; ``PRUNED`` was ended early, or could never have been timed."""
    match trial.outcome:
        case Measurement(pruned=True):
            return "PRUNED", "KILLED"
        case Measurement():
            return "COMPLETE", "FINISHED"
        case Failure(kind=FailureKind.ILLEGAL):
            return "PRUNED", "KILLED"
        case _:
            return "FAILED", "FAILED"


def study_entries(study: StudyInfo) -> RunEntries:
    """The parent run, as soon as the study is known."""
    return RunEntries(
        parameters={
            "epochs": str(study.epochs),
            "steps_per_epoch": str(study.steps_per_epoch),
            "preset": parameter_value(study.preset),
            **flat_parameters(study.machine, "machine."),
        },
        tags=_cut(
            {
                STUDY_TAG: study.name,
                SIGNATURE_TAG: study.pipeline_signature,
                "machine_fingerprint": _fingerprint(study),
                "preset": study.preset,
                "dataset": study.dataset_target,
                "model": study.model_target,
                "folder": study.folder,
                _NOTE_TAG: _introduction(study),
            }
        ),
    )


def result_entries(study: StudyInfo, result: StudyResult) -> RunEntries:
    """What the parent run gains when the verdict is in."""
    counts = result.trials
    metrics: dict[str, float | None] = {
        **_interval("speedup", result.speedup),
        "ceiling_steps_per_second": result.steps_per_second.get("ceiling"),
        "trials_complete": counts.complete,
        "trials_pruned": counts.pruned,
        "trials_failed": counts.failed,
        "trials_not_equivalent": counts.not_equivalent,
        "wall_seconds": result.wall_seconds,
        "timed_seconds": result.timed_seconds,
    }
    conclusion = f"**{result.verdict}**: {result.reason}\n\n{_speedup_sentence(result)}".rstrip()
    note = f"{conclusion}\n\n{_introduction(study)}"
    return RunEntries(metrics=_finite(metrics), tags=_cut({"verdict": result.verdict.value, _NOTE_TAG: note}))


def _trial_metrics(trial: TrialRecord) -> dict[str, float | None]:
    outcome = trial.outcome
    if isinstance(outcome, Failure):
        return {"wall_seconds": outcome.wall_seconds, "peak_rss_bytes": outcome.peak_rss_bytes or None}
    return {
        "projected_seconds": outcome.projected_seconds,
        "steps_per_second": outcome.steps_per_second,
        "first_epoch_steps_per_second": outcome.first_epoch_steps_per_second,
        "later_epoch_steps_per_second": outcome.later_epoch_steps_per_second,
        "drift": trial.drift,
        "ratio_to_best_baseline": trial.ratio_to_best_baseline,
        "ratio_to_ceiling": trial.ratio_to_ceiling,
        "time_to_first_batch_seconds": outcome.time_to_first_batch_seconds,
        "peak_rss_bytes": outcome.peak_rss_bytes,
        "cpu_seconds_per_step": outcome.cpu_seconds_per_step,
        "stalls": outcome.stalls,
        "wall_seconds": outcome.wall_seconds,
    }


def _failure_tags(failure: Failure) -> dict[str, str]:
    return {
        "failure_kind": failure.kind.value,
        "failure_message": failure.message,
        "failure_traceback": failure.user_traceback,
    }


def _interval(name: str, interval: Interval | None) -> dict[str, float | None]:
    if interval is None:
        return {}
    return {name: interval.estimate, f"{name}_low": interval.low, f"{name}_high": interval.high}


def _speedup_sentence(result: StudyResult) -> str:
    if result.speedup is None:
        return ""
    return f"Speed-up over `{result.speedup_baseline}`: {result.speedup} (95 % interval)."


def _introduction(study: StudyInfo) -> str:
    return (
        f"Study `{study.name}` of `{study.dataset_target}` with the model of `{study.model_target}`: "
        f"preset {study.preset}, {len(study.decisions)} decisions, judged by {study.epochs} epochs of "
        f"{study.steps_per_epoch} steps. Files of the run: `{study.folder}`."
    )


def _fingerprint(study: StudyInfo) -> str:
    return str(study.machine.get("fingerprint", ""))


def _finite(metrics: Mapping[str, float | None]) -> dict[str, float]:
    return {name: float(value) for name, value in metrics.items() if value is not None and math.isfinite(value)}


def _cut(tags: Mapping[str, str]) -> dict[str, str]:
    """Tags that say something, within MLflow's limit; of a long traceback the end is kept, where the error is."""
    return {
        key: value[-MAX_TAG_LENGTH:] if key.endswith("traceback") else value[:MAX_TAG_LENGTH]
        for key, value in tags.items()
        if value
    }
