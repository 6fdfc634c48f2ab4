"""A study as one HTML page that needs nothing but itself."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import resources

from autotuner.measure.outcome import Failure
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import Interval, StudyResult, Verdict
from autotuner.pipeline import DecisionValue
from autotuner.track.charts import BASELINES, contestant_bars, trial_history
from autotuner.track.names import parameter_value

_MINUTE, _HOUR = 60.0, 3600.0
_GIB = 2**30
_LISTED = 12


@dataclass(frozen=True)
class _Contestant:
    name: str
    about: str
    steps_per_second: float
    projected_seconds: float | None
    gain: Interval | None


@dataclass(frozen=True)
class _Change:
    decision: str
    status_quo: DecisionValue
    chosen: DecisionValue
    undone_ratio: float | None


@dataclass(frozen=True)
class _FailureGroup:
    kind: str
    message: str
    traceback: str
    trials: str


_ABOUT = {
    "as_written": "your pipeline, unchanged",
    "autotune": "every knob tf.data.AUTOTUNE, and a final prefetch",
    "cores": "every parallelism = usable cores, and a final prefetch of 2",
    "tuned": "the pipeline this study found",
    "ceiling": "the model alone, fed one cached batch: no pipeline can beat it",
}


def report_html(
    study: StudyInfo,
    trials: Sequence[TrialRecord],
    result: StudyResult,
    code: str | None,
    ceiling_steps_per_second: float | None,
    *,
    ended: bool = True,
) -> str:
    """The report of one study; every string of the user's is escaped.

    Args:
        study: What was searched.
        trials: Every trial, those of earlier runs included, in any order.
        result: What was concluded.
        code: The emitted module; ``None`` where there is none.
        ceiling_steps_per_second: The model alone; ``None`` where it was not measured.
        ended: Nothing more will be measured.
    """
    from jinja2 import Environment, StrictUndefined

    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(duration=_duration, value=parameter_value, ratio=_ratio)
    template = environment.from_string(resources.files(__package__).joinpath("report.html.jinja").read_text("utf-8"))
    contestants = _contestants(result, ceiling_steps_per_second)
    return template.render(
        study=study,
        result=result,
        headline=headline(result) if ended else "This study has not ended: nothing is confirmed yet.",
        contestants=contestants,
        bars=contestant_bars({item.name: item.steps_per_second for item in contestants}),
        history=trial_history(trials, ceiling_steps_per_second),
        changes=_changes(study, result),
        dropped=[entry for entry in result.ablation if not entry.kept],
        failures=_failure_groups(trials),
        code=code,
        machine={key.removesuffix("_bytes"): _fact(key, value) for key, value in result.machine.items()},
    )


def headline(result: StudyResult) -> str:
    """The verdict as a sentence a person would say."""
    match result.verdict:
        case Verdict.IMPROVED if result.speedup:
            return f"Training runs {result.speedup.estimate:.2f}× as fast as with {_spoken(result.speedup_baseline)}."
        case Verdict.IMPROVED:
            return "Training runs faster with the tuned pipeline."
        case Verdict.KEEP_BASELINE:
            return f"Keep {_spoken(result.speedup_baseline)}: nothing that was tried is measurably faster."
        case _:
            return "Inconclusive: the measurements do not tell a winner apart from the noise."


def _spoken(baseline: str) -> str:
    return {
        "as_written": "your pipeline as written",
        "autotune": "the best baseline, AUTOTUNE everywhere",
        "cores": "the best baseline, parallelism = cores",
    }.get(baseline, baseline or "your pipeline")


def _contestants(result: StudyResult, ceiling: float | None) -> list[_Contestant]:
    rates = dict(result.steps_per_second)
    if ceiling is not None:
        rates["ceiling"] = ceiling
    known = [name for name in (*BASELINES, "tuned", "ceiling") if name in rates]
    others = [name for name in rates if name not in known]
    return [
        _Contestant(
            name, _ABOUT.get(name, ""), rates[name], result.projected_seconds.get(name), result.speedup_over.get(name)
        )
        for name in (*known, *others)
    ]


def _changes(study: StudyInfo, result: StudyResult) -> list[_Change]:
    undone = {entry.decision: entry.undone_ratio for entry in result.ablation}
    return [
        _Change(name, study.decisions.get(name), chosen, undone.get(name))
        for name, chosen in result.configuration.items()
    ]


def _failure_groups(trials: Sequence[TrialRecord]) -> list[_FailureGroup]:
    """Failures of one kind and message together, in the order of their first trial."""
    groups: defaultdict[tuple[str, str], list[tuple[TrialRecord, Failure]]] = defaultdict(list)
    for trial in sorted(trials, key=lambda trial: trial.number):
        if isinstance(trial.outcome, Failure):
            groups[trial.outcome.kind, trial.outcome.message].append((trial, trial.outcome))
    return [
        _FailureGroup(kind, message, members[0][1].user_traceback, _numbers([trial for trial, _ in members]))
        for (kind, message), members in groups.items()
    ]


def _numbers(trials: Sequence[TrialRecord]) -> str:
    listed = ", ".join(f"{trial.number}" for trial in trials[:_LISTED])
    return f"{listed} and {len(trials) - _LISTED} more" if len(trials) > _LISTED else listed


def _fact(name: str, value: object) -> str:
    if value is None:
        return "none"
    if name.endswith("_bytes") and isinstance(value, int):
        return f"{value / _GIB:.1f} GiB"
    return json.dumps(value, default=str) if isinstance(value, Mapping | list | tuple) else str(value)


def _ratio(interval: Interval) -> str:
    return f"{interval.estimate:.2f}× [{interval.low:.2f} – {interval.high:.2f}]"


def _duration(seconds: float) -> str:
    if seconds < _MINUTE:
        return f"{seconds:.1f} s"
    if seconds < _HOUR:
        return f"{seconds / _MINUTE:.1f} min"
    return f"{seconds / _HOUR:.1f} h"
