"""What a study is asked for, what it works on, and what it concludes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from autotuner.machine import Machine
from autotuner.measure.messages import Opened, Timing
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import AblationEntry, TrialCounts, Verdict
from autotuner.pipeline import Configuration, Facts, Pipeline
from autotuner.rewrites import Decision, Preserves, Refusal, apply, find_sites
from autotuner.search.confirmation import Confirmation, Decided
from autotuner.space import Preset


@dataclass(frozen=True)
class StudyPlan:
    """What the user asked for."""

    name: str
    folder: str
    dataset_target: str
    model_target: str
    epochs: int
    preserve: Preserves | None
    preset: Preset
    machine: Machine
    cold: bool = False
    timing: Timing = field(default_factory=Timing)


@dataclass(frozen=True)
class Prepared:
    """The pipeline, its facts and what can be decided about it."""

    opened: Opened
    pipeline: Pipeline
    facts: Facts
    decisions: tuple[Decision, ...]
    refusals: tuple[Refusal, ...]

    @staticmethod
    def of(opened: Opened) -> Prepared:
        """Finds the sites of what a runner opened."""
        pipeline, facts = Pipeline.from_json(opened.pipeline), Facts.from_json(opened.facts)
        decisions, refusals = find_sites(pipeline, facts)
        return Prepared(opened, pipeline, facts, decisions, refusals)

    def signature(self, configuration: Configuration) -> str:
        """Equal for configurations that make the same pipeline."""
        return apply(self.pipeline, self.facts, configuration).signature()


@dataclass(frozen=True)
class Conclusion:
    """What a study found, before any code is written."""

    info: StudyInfo
    prepared: Prepared
    records: tuple[TrialRecord, ...]
    ceiling_steps_per_second: float
    best_baseline: str
    verdict: Verdict
    reason: str
    decided: Decided
    confirmation: Confirmation
    wall_seconds: float
    timed_seconds: float
    """Of them, inside timed windows: of every trial, ceiling, look at the machine, ablation and confirmation."""
    notes: tuple[str, ...] = ()
    """What the user should know besides."""
    ablation: tuple[AblationEntry, ...] = ()
    """What each decision of the best trial is worth; empty where another one won."""

    @property
    def winner(self) -> Configuration:
        """The confirmed configuration; the status quo unless the verdict is IMPROVED."""
        found = self.decided.winner
        return found.configuration if found and self.verdict is Verdict.IMPROVED else Configuration()

    @property
    def counts(self) -> TrialCounts:
        """How the trials ended."""
        return counts_of(self.records)


def counts_of(records: Sequence[TrialRecord]) -> TrialCounts:
    """How ``records`` ended; pruned are those ended early and those refused before they were built."""
    stopped = sum(record.measurement is not None and record.measurement.pruned for record in records)
    kinds = [record.outcome.kind for record in records if isinstance(record.outcome, Failure)]
    illegal = kinds.count(FailureKind.ILLEGAL)
    different = kinds.count(FailureKind.NOT_EQUIVALENT)
    return TrialCounts(
        complete=len(records) - len(kinds) - stopped,
        pruned=illegal + stopped,
        failed=len(kinds) - illegal - different,
        not_equivalent=different,
    )
