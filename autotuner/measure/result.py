"""What a study concludes: the content of ``result.json``."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from autotuner.pipeline import DecisionValue


class Verdict(StrEnum):
    """What the confirmation decided."""

    IMPROVED = "IMPROVED"
    KEEP_BASELINE = "KEEP_BASELINE"
    INCONCLUSIVE = "INCONCLUSIVE"


@dataclass(frozen=True)
class Interval:
    """A ratio with its 95 % confidence interval."""

    low: float
    estimate: float
    high: float

    def __str__(self) -> str:
        return f"{self.estimate:.2f}x [{self.low:.2f}, {self.high:.2f}]"


@dataclass(frozen=True)
class AblationEntry:
    """What one decision of the winner is worth: the ratio of speeds with it undone to with it.

    Zero where the pipeline does not run without it. Decisions that were dropped together have the ratio of all of them.
    """

    decision: str
    undone_ratio: float
    kept: bool


@dataclass(frozen=True)
class TrialCounts:
    """How the trials of a study ended."""

    complete: int = 0
    pruned: int = 0
    failed: int = 0
    not_equivalent: int = 0


@dataclass(frozen=True)
class StudyResult:
    """The honest statement: what was gained, over what, with which certainty, on which machine."""

    study: str
    verdict: Verdict
    reason: str
    speedup: Interval | None
    """Ratio of projected training speed to ``speedup_baseline``; ``None`` when nothing was confirmed."""
    speedup_baseline: str
    speedup_over: Mapping[str, Interval]
    steps_per_second: Mapping[str, float]
    """Over the whole projected training: baselines, ``tuned`` and ``ceiling``."""
    epochs: int
    projected_seconds: Mapping[str, float]
    trials: TrialCounts
    wall_seconds: float
    timed_seconds: float
    configuration: Mapping[str, DecisionValue]
    machine: Mapping[str, Any]
    ablation: tuple[AblationEntry, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    mlflow: Mapping[str, str] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    """What the user should know besides: why no module could be written, a tracking server out of reach, …"""

    def to_json(self) -> dict[str, Any]:
        """The object of ``result.json``, schema 1."""
        data = asdict(self)
        baseline = data.pop("speedup_baseline")
        if self.speedup is not None:
            data["speedup"]["over"] = baseline
        return {"schema": 1, **data}

    def dumps(self) -> str:
        """``result.json`` as text."""
        return json.dumps(self.to_json(), indent=2)

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> StudyResult:
        """The result that :meth:`to_json` wrote."""
        body = {key: value for key, value in data.items() if key != "schema"}
        speedup = body["speedup"]
        body["speedup_baseline"] = speedup.pop("over") if speedup else ""
        body["speedup"] = Interval(**speedup) if speedup else None
        body["speedup_over"] = {name: Interval(**item) for name, item in body["speedup_over"].items()}
        body["verdict"] = Verdict(body["verdict"])
        body["trials"] = TrialCounts(**body["trials"])
        body["ablation"] = tuple(AblationEntry(**item) for item in body["ablation"])
        body["notes"] = tuple(body["notes"])
        return StudyResult(**body)
