"""Measures configurations, keeps their records, and never measures the same pipeline twice."""

from __future__ import annotations

import math
import time
from dataclasses import asdict, dataclass, field, replace

from autotuner.measure.messages import Timing
from autotuner.measure.observer import Observer
from autotuner.measure.outcome import Measurement, Outcome
from autotuner.measure.records import TrialRecord
from autotuner.measure.runner import Runner
from autotuner.pipeline import Configuration
from autotuner.rewrites import effective
from autotuner.search.baselines import BASELINES
from autotuner.search.budget import Budget
from autotuner.search.conclusion import Prepared
from autotuner.search.reference import Reference
from autotuner.search.store import StudyStore
from autotuner.space import SearchSpace


@dataclass
class Trials:
    """The trials of one study, those of earlier runs included."""

    runner: Runner
    store: StudyStore
    observer: Observer
    budget: Budget
    prepared: Prepared
    space: SearchSpace
    timing: Timing
    ceiling_steps_per_second: float = 0.0
    _earlier_timed_seconds: float = field(init=False)
    _by_signature: dict[str, TrialRecord] = field(init=False)
    _reference: Reference | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._earlier_timed_seconds = float(self.store.recall("timed_seconds") or 0.0)
        self._by_signature = {}
        for record in self.store.records():
            self._by_signature.setdefault(self.prepared.signature(record.configuration), record)

    def raise_ceiling(self, steps_per_second: float) -> None:
        """Takes in one more measurement of the ceiling; the highest counts, for a busy machine only lowers it."""
        if steps_per_second > self.ceiling_steps_per_second:
            self.ceiling_steps_per_second = steps_per_second
            self.store.remember("ceiling_steps_per_second", steps_per_second)
            self.observer.ceiling_measured(steps_per_second)

    def known(self, configuration: Configuration) -> TrialRecord | None:
        """The trial that measured the same effective pipeline."""
        return self._by_signature.get(self.prepared.signature(configuration))

    def make_the_same(self, left: Configuration, right: Configuration) -> bool:
        """Two configurations that make the same pipeline."""
        return self.prepared.signature(left) == self.prepared.signature(right)

    def measure(self, number: int, role: str, configuration: Configuration) -> TrialRecord:
        """Carries out one trial; the caller stores the record and then calls :meth:`finished`."""
        started = time.time()
        timing = self.timing if role in BASELINES else replace(self.timing, beat_seconds=self._beat_seconds())
        outcome, drift = self._outcome_and_drift(role, configuration, timing)
        return TrialRecord(
            number=number,
            role=role,
            configuration=effective(configuration, self.prepared.decisions),
            parameters=self.space.parameters(configuration),
            outcome=outcome,
            started_at_seconds=started,
            finished_at_seconds=time.time(),
            drift=drift,
            ratio_to_best_baseline=self._ratio_to_best_baseline(role, outcome, drift),
            ratio_to_ceiling=self._ratio_to_ceiling(outcome),
        )

    def finished(self, record: TrialRecord) -> None:
        """Makes a stored record known to observers and to :meth:`known`; looks at the reference when that is due."""
        self._by_signature.setdefault(self.prepared.signature(record.configuration), record)
        self.keep_time()
        self.observer.trial_finished(record)
        if record.role not in BASELINES and not self.reference.runs_beside:
            self._keep(self.reference.after_trial())
            if self.reference.is_due:
                self._look_at_reference()

    @property
    def timed_seconds(self) -> float:
        """Inside timed windows, earlier runs of the study included."""
        return self._earlier_timed_seconds + self.runner.timed_seconds

    def keep_time(self) -> None:
        """Stores how long the study has taken, for when it is resumed."""
        self.store.remember("elapsed_seconds", self.budget.elapsed_seconds)
        self.store.remember("timed_seconds", self.timed_seconds)

    @property
    def reference(self) -> Reference:
        """What is known of the machine's drift; starts with the best baseline's own trial."""
        if self._reference is None:
            stored = self.store.recall("reference")
            first = {"seconds": [self.baselines()[0].steady_seconds or math.nan]}
            self._reference = Reference(**{**(stored or first), "seconds": tuple((stored or first)["seconds"])})
        return self._reference

    def speed(self, configuration: Configuration, over: Configuration) -> float | None:
        """How many times as fast as ``over``, measured beside it; ``None`` where either fails. No trial."""
        outcomes = self.runner.measure_beside(configuration, over, _beside(self.timing))
        mine, other = (item.projected_seconds if isinstance(item, Measurement) else None for item in outcomes)
        return None if mine is None or other is None else other / mine

    def baselines(self) -> list[TrialRecord]:
        """Baselines that gave a measurement, fastest first."""
        return [record for record in self.measured() if record.role in BASELINES]

    def measured(self) -> list[TrialRecord]:
        """All trials that gave a measurement, fastest first."""
        found = [(record.steady_seconds, record.number, record)
                 for record in self.store.records() if record.steady_seconds]  # fmt: skip
        return [record for _, _, record in sorted(found, key=lambda item: item[:2])]

    def _outcome_and_drift(self, role: str, configuration: Configuration, timing: Timing) -> tuple[Outcome, float]:
        if role in BASELINES:
            return self.runner.measure(configuration, timing), 1.0
        if not self.reference.runs_beside:
            return self.runner.measure(configuration, timing), self.reference.drift
        outcome, look = self.runner.measure_beside(configuration, self.baselines()[0].configuration, _beside(timing))
        if not (isinstance(outcome, Measurement) and isinstance(look, Measurement)):
            return outcome, self.reference.drift
        drift = self.reference.drift_beside(look.projected_seconds)
        self._looked(look.projected_seconds)
        return outcome, drift

    def _look_at_reference(self) -> None:
        outcome = self.runner.measure(self.baselines()[0].configuration, self.timing)
        if isinstance(outcome, Measurement):
            self._looked(outcome.projected_seconds)

    def _looked(self, seconds: float) -> None:
        self._keep(self.reference.looked(seconds, takes_turns=self.runner.takes_turns))

    def _keep(self, reference: Reference) -> None:
        self._reference = reference
        self.store.remember("reference", asdict(reference))

    def _beat_seconds(self) -> float | None:
        """What the best trial would take on the machine as it is now."""
        best = next((record.steady_seconds for record in self.measured()), None)
        return None if best is None else best * self.reference.drift

    def _ratio_to_best_baseline(self, role: str, outcome: Outcome, drift: float) -> float | None:
        """Against the baselines measured so far; the first is compared with itself."""
        if not isinstance(outcome, Measurement):
            return None
        own = outcome.projected_seconds / drift
        best = [record.steady_seconds for record in self.baselines()[:1] if record.steady_seconds]
        reference = best[0] if best else own
        if role in BASELINES:
            reference = min(reference, own)
        return reference / own

    def _ratio_to_ceiling(self, outcome: Outcome) -> float | None:
        if not isinstance(outcome, Measurement):
            return None
        return outcome.steps_per_second / self.ceiling_steps_per_second


def _beside(timing: Timing) -> Timing:
    """What makes one window uneven makes the other one so: it is not worth a longer one."""
    return replace(timing, longest_seconds=timing.window_seconds)
