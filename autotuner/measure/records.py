"""What a study is and what became of each trial: the plain data that observers and the ledger share."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.measure.outcome import Measurement, Outcome
from autotuner.pipeline import Configuration, DecisionValue


@dataclass(frozen=True)
class StudyInfo:
    """What is fixed when a study starts."""

    name: str
    folder: str
    """Absolute path of the run's folder."""
    dataset_target: str
    model_target: str
    preset: str
    epochs: int
    steps_per_epoch: int
    decisions: Mapping[str, DecisionValue]
    """Name → status quo of every decision in the search space, in order."""
    machine: Mapping[str, Any]
    """JSON form of the machine, with its ``fingerprint``."""
    pipeline_signature: str


@dataclass(frozen=True)
class TrialRecord:
    """One finished trial."""

    number: int
    role: str
    """``as_written``, ``autotune``, ``cores``, ``guess`` or ``search``."""
    configuration: Configuration
    """The effective one: only decisions that change something."""
    parameters: Mapping[str, DecisionValue]
    """Every decision of the space that was active; what is missing was inactive."""
    outcome: Outcome
    started_at_seconds: float
    """Unix time."""
    finished_at_seconds: float
    drift: float = 1.0
    """How many times as long as at first the reference took when this trial was measured."""
    ratio_to_best_baseline: float | None = None
    """Projected seconds of the best baseline so far, divided by this trial's, the drift taken out."""
    ratio_to_ceiling: float | None = None
    """This trial's steps per second over the whole training, divided by the ceiling's."""

    @property
    def measurement(self) -> Measurement | None:
        """The measurement, where the trial gave one."""
        return self.outcome if isinstance(self.outcome, Measurement) else None

    @property
    def steady_seconds(self) -> float | None:
        """Projected seconds on a machine as fast as it was at first: what trials are compared by."""
        return self.measurement.projected_seconds / self.drift if self.measurement else None


def mean_wall_seconds(records: Sequence[TrialRecord]) -> float:
    """Of one measurement: a trial beside another pipeline makes two."""
    return statistics.fmean(record.outcome.wall_seconds for record in records)
