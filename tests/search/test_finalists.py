from __future__ import annotations

import math
from pathlib import Path

import pytest

from autotuner.measure.messages import Timing
from autotuner.measure.records import TrialRecord
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.pipeline import Configuration, DecisionValue
from autotuner.rewrites import Preserves
from autotuner.search.budget import Budget
from autotuner.search.conclusion import Prepared
from autotuner.search.confirmation import Contestant
from autotuner.search.finalists import affordable, stored_ablation
from autotuner.search.trials import Trials
from autotuner.space import SearchSpace, load_preset
from tests.search.world import MACHINE, OPENED, Heard, World, measurement, real_gain

FIELD = [
    Contestant("as_written", Configuration(), finalist=False),
    Contestant("cores", Configuration({"cores": 2}), finalist=False),
    *(Contestant(f"trial {number}", Configuration({"n": number}), finalist=True) for number in range(3)),
]


def names(left_seconds: float) -> list[str]:
    return [item.name for item in affordable(FIELD, left_seconds, 20.0)]


def test_the_last_finalists_are_left_out_where_time_is_short_but_never_the_first() -> None:
    assert names(math.inf) == names(100.0) == [item.name for item in FIELD]
    assert names(85.0) == ["as_written", "cores", "trial 0", "trial 1"]
    assert names(10.0) == ["as_written", "cores", "trial 0"]


Changes = dict[str, DecisionValue]

CACHE: Changes = {"cache.after": "map[decode]"}
CALLS: Changes = {"batch[0].num_parallel_calls": 2}
BUFFER: Changes = {"prefetch[end].buffer_size": 4}
FREE: Changes = {"options.autotune": False}


def tried(world: World, budget: Budget) -> tuple[Trials, ReplayRunner]:
    """As written, and three trials of which two are as fast as each other: what they share is the cache."""
    prepared = Prepared.of(OPENED)
    space = SearchSpace.of(prepared.decisions, load_preset("default"), MACHINE, Preserves.MULTISET)
    runner = world.runner()
    trials = Trials(runner, world.store(), Heard(), budget, prepared, space, Timing())
    roles: dict[str, Changes] = {
        "as_written": {},
        "first": CACHE | CALLS | BUFFER,
        "second": CACHE | BUFFER,
        "third": CALLS,
    }
    for number, (role, changes) in enumerate(roles.items()):
        outcome = measurement(real_gain(Configuration(changes)))
        trials.store.add(TrialRecord(number, role, Configuration(changes), {}, outcome, 0.0, 2.0), space)
    return trials, runner


@pytest.mark.parametrize(("timeout_seconds", "undone_alone"), [(1000.0, 3), (10.0, 2)])
def test_without_time_only_what_all_fast_trials_share_is_undone_alone(
    tmp_path: Path, timeout_seconds: float, undone_alone: int
) -> None:
    trials, runner = tried(World(tmp_path), Budget(timeout_seconds, None, clock=lambda: 0.0))
    winner = trials.measured()[0]
    ablation = stored_ablation(trials, winner, trials.budget)
    assert dict(ablation.reduced) == CACHE | FREE
    paying = ablation.reduced.without(*FREE)
    whole = winner.configuration
    asked = {configuration for _, configuration in runner.asked}
    alone = [name for name in whole if whole.without(name) in asked or paying.without(name) in asked]
    assert len(alone) == undone_alone
    assert stored_ablation(trials, winner, trials.budget) == ablation
