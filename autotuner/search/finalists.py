"""Who is confirmed: the fastest trials of the search, the first of them reduced to what pays, and the baselines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable

from autotuner.measure.records import TrialRecord, mean_wall_seconds
from autotuner.pipeline import Configuration
from autotuner.rewrites.runtime import TUNES_ITSELF
from autotuner.search.ablation import Ablation, ablate, ablate_from, measurements, with_free
from autotuner.search.baselines import BASELINES
from autotuner.search.budget import Budget
from autotuner.search.confirmation import AS_WRITTEN, Contestant
from autotuner.search.trials import Trials

FINALISTS = 3
_NEAR = 0.85
"""A trial slower than this share of the best one's speed is no finalist."""
_AS_FAST = 0.9
"""What a trial at this share of the winner's speed does without is hardly what makes the winner fast."""
_SCREENINGS = 2
_ABLATION = "ablation"


def fastest_trials(trials: Trials) -> list[TrialRecord]:
    """At most three trials that beat the best baseline and are close to the best of all, fastest first."""
    measured = trials.measured()
    best = measured.index(trials.baselines()[0])
    faster = [record for record in measured[:best] if record.role not in BASELINES]
    return [record for record in faster if _speed(record) >= _NEAR * _speed(faster[0])][:FINALISTS]


def screened(trials: Trials, finalists: list[TrialRecord], may_go_on: Callable[[], bool]) -> list[TrialRecord]:
    """The finalists in the order of new measurements beside the best baseline: one lucky window makes no winner."""
    logs: dict[int, list[float]] = {record.number: [] for record in finalists}
    baseline = trials.baselines()[0].configuration
    for _ in range(_SCREENINGS if len(finalists) > 1 else 0):
        if not may_go_on():
            return finalists
        for record in finalists:
            speed = trials.speed(record.configuration, baseline)
            logs[record.number].append(math.inf if speed is None else -math.log(speed))
    if not all(logs.values()):
        return finalists
    return sorted(finalists, key=lambda record: statistics.fmean(logs[record.number]))


def stored_ablation(trials: Trials, winner: TrialRecord, budget: Budget) -> Ablation:
    """The ablation of ``winner``, done once and kept for when the study is resumed."""
    known = trials.store.recall(_ABLATION)
    if known is not None and Ablation.from_json(known).of == winner.configuration:
        return Ablation.from_json(known)
    whole, core = winner.configuration, _core(trials, winner)
    needed_seconds = measurements(len(whole)) * mean_wall_seconds(trials.store.records())
    if needed_seconds < budget.spare_seconds:
        ablation = ablate(whole, trials.speed, trials.make_the_same, budget.has_time_to_spare)
    else:
        ablation = ablate_from(core, whole, trials.speed, trials.make_the_same, budget.has_time_to_spare)
    ablation = with_free(ablation, _free(trials), trials.speed, trials.make_the_same, budget.has_time_to_spare)
    trials.store.remember(_ABLATION, ablation.to_json())
    return ablation


def _free(trials: Trials) -> Configuration:
    """tf.data's own tuning switched off: while it is on, epochs may end with a wait for it that no number holds."""
    offered = False in trials.space.domains.get(TUNES_ITSELF, ())
    return Configuration({TUNES_ITSELF: False} if offered else {})


def _core(trials: Trials, winner: TrialRecord) -> Configuration:
    """What ``winner`` has in common with every trial that was about as fast, and not so in another way altogether."""
    core = winner.configuration
    for record in trials.measured():
        shared = Configuration({name: value for name, value in core.items() if record.configuration.get(name) == value})
        if shared and _speed(record) >= _AS_FAST * _speed(winner):
            core = shared
    return core


def contestants(trials: Trials, finalists: list[TrialRecord], ablation: Ablation) -> list[Contestant]:
    """The pipeline as written, the best baseline if it is another one, then the finalists, the reduced winner first."""
    best = trials.baselines()[0]
    as_written = next(record for record in trials.baselines() if record.role == AS_WRITTEN)
    baselines = [as_written]
    if not trials.make_the_same(best.configuration, as_written.configuration):
        baselines.append(best)
    winner, *others = finalists
    first = Contestant(f"trial {winner.number}", winner.configuration, finalist=True)
    known = [winner, *baselines]
    if not any(trials.make_the_same(ablation.reduced, record.configuration) for record in known):
        first = Contestant(f"{first.name}, reduced", ablation.reduced, finalist=True)
    return [
        *(Contestant(record.role, record.configuration, finalist=False) for record in baselines),
        first,
        *(Contestant(f"trial {record.number}", record.configuration, finalist=True) for record in others),
    ]


def affordable(field: list[Contestant], left_seconds: float, seconds_each: float) -> list[Contestant]:
    """``field`` without its last finalists where there is no time to confirm them; the first one always stays."""
    baselines = [item for item in field if not item.finalist]
    finalists = [item for item in field if item.finalist]
    if left_seconds < len(field) * seconds_each:
        finalists = finalists[: max(1, int(left_seconds / seconds_each) - len(baselines))]
    return [*baselines, *finalists]


def _speed(record: TrialRecord) -> float:
    return 1.0 / (record.steady_seconds or math.inf)
