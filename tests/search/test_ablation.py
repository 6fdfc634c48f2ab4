from __future__ import annotations

import math
import random
from collections.abc import Callable
from pathlib import Path

import pytest

from autotuner.measure.result import Verdict
from autotuner.pipeline import Configuration
from autotuner.search.ablation import Ablation, Speed, ablate, ablate_from, measurements, with_free
from tests.search.world import World

WINNER = Configuration({"cache": True, "pool": 4, "prefetch": 8, "order": False})


def law(rate: Callable[[Configuration], float | None], noise: float = 0.0) -> Speed:
    rng = random.Random(2)  # noqa: S311 - noise, not secrets

    def speed(configuration: Configuration, over: Configuration) -> float | None:
        mine, other = rate(configuration), rate(over)
        return None if mine is None or other is None else mine / other * rng.lognormvariate(0.0, noise)

    return speed


def run(speed: Speed) -> Ablation:
    return ablate(WINNER, speed, lambda left, right: left == right, lambda: True)


def kept(ablation: Ablation) -> set[str]:
    assert {entry.decision for entry in ablation.entries if entry.kept} == set(ablation.reduced)
    return set(ablation.reduced)


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_what_buys_nothing_is_dropped_and_what_pays_is_kept_with_its_worth(noise: float) -> None:
    ablation = run(law(lambda item: (2.0 if item.get("cache") else 1.0) * (1.3 if item.get("pool") else 1.0), noise))
    assert kept(ablation) == {"cache", "pool"}
    worth = {entry.decision: entry.undone_ratio for entry in ablation.entries}
    assert worth["cache"] == pytest.approx(0.5, rel=0.1)
    assert worth["pool"] == pytest.approx(1 / 1.3, rel=0.1)
    assert worth["order"] == pytest.approx(1.0, rel=0.1)


def test_a_decision_that_harms_is_dropped() -> None:
    assert kept(run(law(lambda item: 1.0 if item.get("pool") else 1.2))) == set()


def test_of_two_that_stand_in_for_each_other_one_is_kept() -> None:
    found = kept(run(law(lambda item: 2.0 if item.get("pool") or item.get("prefetch") else 1.0)))
    assert len(found & {"pool", "prefetch"}) == 1


def test_what_the_pipeline_does_not_run_without_is_kept() -> None:
    ablation = run(law(lambda item: 1.0 if item.get("cache") else None))
    assert kept(ablation) == {"cache"}
    assert {entry.undone_ratio for entry in ablation.entries if entry.kept} == {0.0}


def test_a_winner_that_cannot_be_measured_is_left_whole() -> None:
    assert kept(run(law(lambda item: None if item == WINNER else 1.0))) == set(WINNER)


def test_what_makes_no_difference_to_the_pipeline_is_not_measured() -> None:
    speed, asked = counted(lambda item: 2.0 if item.get("cache") else 1.0)

    def same(left: Configuration, right: Configuration) -> bool:
        return left.without("order") == right.without("order")

    ablation = ablate(WINNER, speed, same, lambda: False)
    assert WINNER.without("order") not in asked
    assert "order" not in ablation.reduced
    assert asked.count(WINNER.without("cache")) == 2  # no time to spare: two rounds, no more


def counted(rate: Callable[[Configuration], float]) -> tuple[Speed, list[Configuration]]:
    """The law, and what was asked of it; every answer takes two measurements."""
    asked: list[Configuration] = []

    def speed(configuration: Configuration, over: Configuration) -> float:
        asked.append(configuration)
        return rate(configuration) / rate(over)

    return speed, asked


def same(left: Configuration, right: Configuration) -> bool:
    return left == right


def test_what_other_fast_trials_do_without_is_undone_together() -> None:
    speed, asked = counted(lambda item: 2.0 if item.get("cache") else 1.0)
    ablation = ablate_from(Configuration({"cache": True}), WINNER, speed, same, lambda: False)
    assert kept(ablation) == {"cache"}
    assert ablation.of == WINNER
    assert {entry.decision: entry.undone_ratio for entry in ablation.entries} == pytest.approx(
        {"cache": 0.5, "pool": 1.0, "prefetch": 1.0, "order": 1.0}
    )
    assert 2 * len(asked) < measurements(len(WINNER))


def test_a_core_that_is_slower_than_the_winner_is_not_taken_for_it() -> None:
    speed, _ = counted(lambda item: (2.0 if item.get("cache") else 1.0) * (1.3 if item.get("pool") else 1.0))
    ablation = ablate_from(Configuration({"cache": True}), WINNER, speed, same, lambda: False)
    assert kept(ablation) == {"cache", "pool"}


def test_without_a_core_there_is_one_round_and_the_check_of_what_is_left() -> None:
    speed, asked = counted(lambda item: 2.0 if item.get("cache") else 1.0)
    ablation = ablate_from(WINNER, WINNER, speed, same, lambda: False)
    assert kept(ablation) == {"cache"}
    assert len(asked) == len(WINNER) + 2


def test_an_ablation_makes_as_many_measurements_as_are_planned_for() -> None:
    speed, asked = counted(lambda item: 2.0 if item.get("cache") else 1.0)
    ablation = ablate(WINNER, speed, same, lambda: False)
    with_free(ablation, FREE, speed, same, lambda: len(asked) < measurements(len(WINNER)) / 2)
    assert 2 * len(asked) == measurements(len(WINNER))


FREE = Configuration({"tuning": False})


@pytest.mark.parametrize(("cost", "taken"), [(1.0, True), (0.99, True), (0.9, False), (None, False)])
def test_what_costs_nothing_is_taken_in_and_what_costs_is_not(
    cost: float | None,
    taken: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    def rate(item: Configuration) -> float | None:
        own = 2.0 if item.get("cache") else 1.0
        return own if "tuning" not in item else None if cost is None else own * cost

    ablation = run(law(rate))
    free = with_free(ablation, FREE, law(rate), same, lambda: True)
    if not taken:
        assert free == ablation
        return
    assert dict(free.reduced) == {"cache": True, "tuning": False}
    assert free.entries[:-1] == ablation.entries
    assert free.entries[-1].kept
    assert free.entries[-1].undone_ratio == pytest.approx(1 / cost if cost else 0.0)


def test_without_time_or_with_nothing_to_take_in_nothing_is_measured() -> None:
    speed, asked = counted(lambda item: 2.0 if item.get("cache") else 1.0)
    ablation = ablate(WINNER, speed, same, lambda: False)
    asked.clear()
    assert with_free(ablation, FREE, speed, same, lambda: False) == ablation
    assert with_free(ablation, Configuration(), speed, same, lambda: True) == ablation
    assert with_free(ablation, Configuration({"cache": True}), speed, same, lambda: True) == ablation
    assert not asked


def test_an_ablation_is_the_same_after_storing() -> None:
    ablation = run(law(lambda item: 2.0 if item.get("cache") else 1.0))
    assert Ablation.from_json(ablation.to_json()) == ablation


def test_only_changes_that_pay_are_confirmed_and_claimed(tmp_path: Path) -> None:
    conclusion = World(tmp_path, noise=0.01, trials=30).study()
    assert conclusion.verdict is Verdict.IMPROVED
    assert dict(conclusion.winner) == {"cache.after": "map[decode]", "options.autotune": False}
    entry, free = [entry for entry in conclusion.ablation if entry.kept]
    assert entry.decision == "cache.after"
    assert free.undone_ratio == pytest.approx(1.0, rel=0.05)
    assert math.isclose(entry.undone_ratio, 1 / 2.0, rel_tol=0.1) or math.isclose(
        entry.undone_ratio, 1.4 / 2, rel_tol=0.1
    )
