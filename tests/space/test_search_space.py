from __future__ import annotations

import math
import random
import warnings
from dataclasses import replace

import optuna
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.machine import Machine
from autotuner.pipeline import AUTOTUNE, Configuration, DecisionValue
from autotuner.rewrites.base import Decision, Preserves
from autotuner.space import SearchSpace, Trial
from autotuner.space.domain import Extent, is_number, same
from tests.space.offers import (
    PRESET,
    RecordingTrial,
    decision,
    draws,
    effective_parameters,
    of,
    offers,
    preset_of,
    quiet_study,
    spaces,
)


@given(spaces)
def test_the_pipeline_as_it_is_is_always_in_the_space(space: SearchSpace) -> None:
    assert space.contains(Configuration())
    assert space.size >= 1
    for name, value in space.parameters(Configuration()).items():
        assert any(same(value, allowed) for allowed in space.domains[name])


@given(offers(), st.sampled_from(Preserves))
def test_every_decision_is_searched_or_left_out_for_a_reason(decisions: list[Decision], preserve: Preserves) -> None:
    space = of(decisions, PRESET, preserve)
    assert space.domains.keys() | space.left_out.keys() == {one.name for one in decisions}
    assert not space.domains.keys() & space.left_out.keys()
    assert all(space.left_out.values())
    assert all(one.preserves.at_least(preserve) for one in space.decisions)
    assert tuple(space.domains) == tuple(one.name for one in space.decisions)
    positions = {one.name: index for index, one in enumerate(space.decisions)}
    governed = [one for one in space.decisions if one.governed_by in positions]
    assert all(positions[str(one.governed_by)] < positions[one.name] for one in governed)


@given(spaces, draws)
def test_what_is_suggested_is_contained_and_comes_back_from_its_parameters(
    space: SearchSpace, draw: random.Random
) -> None:
    trial = RecordingTrial(draw)
    configuration = space.suggest(trial)
    assert space.parameters(configuration) == trial.params
    assert space.contains(configuration)
    assert space.suggest(optuna.trial.FixedTrial(trial.params)) == configuration
    status_quo = {one.name: one.status_quo for one in space.decisions}
    assert not any(same(value, status_quo[name]) for name, value in configuration.items())


@settings(deadline=None)
@given(spaces)
def test_size_counts_the_configurations(space: SearchSpace) -> None:
    if space.size > 500:
        return
    every = list(effective_parameters(space))
    assert len(every) == space.size
    suggested = {space.suggest(optuna.trial.FixedTrial(parameters)) for parameters in every}
    assert len(suggested) == space.size


@settings(max_examples=25, deadline=None)
@given(spaces, st.integers(0, 2**32 - 1))
def test_a_real_study_asks_the_same_and_takes_enqueued_configurations(space: SearchSpace, seed: int) -> None:
    study = quiet_study(optuna.samplers.RandomSampler(seed=seed))
    wanted = space.suggest(RecordingTrial(random.Random(seed)))  # noqa: S311 - no secret
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        study.enqueue_trial(space.parameters(wanted))
        first, second = study.ask(), study.ask()
        assert space.suggest(first) == wanted
        drawn = space.suggest(second)
    assert first.params == space.parameters(wanted)
    assert second.params == space.parameters(drawn)
    assert space.contains(drawn)


def test_brute_force_with_optuna_visits_every_configuration_once() -> None:
    space = of(
        [
            decision("medium", ["memory", "file"], requires="cache"),
            decision("cache", [None, "map[a]", "map[b]"]),
            decision("fusion", [None, True, False]),
        ],
        preset_of("s"),
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        study = quiet_study(optuna.samplers.BruteForceSampler(seed=0))
    seen: list[Configuration] = []

    def objective(trial: optuna.Trial) -> float:
        seen.append(space.suggest(trial))
        return 0.0

    study.optimize(objective)
    assert len(seen) == len(set(seen)) == space.size == 15


def test_numbers_follow_the_machine() -> None:
    calls = Decision("map[f].num_parallel_calls", "map.num_parallel_calls", None, Preserves.SEQUENCE)
    preset = preset_of(**{calls.setting: Extent(unit="cores", low=1, high=4, log=True)})
    small, large = (SearchSpace.of([calls], preset, Machine(n, 1), Preserves.SEQUENCE) for n in (1, 16))
    assert small.domains == {calls.name: (1, 2, 4, None)}
    assert large.domains == {calls.name: (16, 32, 64, None)}


def test_reasons_and_notes_say_what_the_user_needs() -> None:
    weak = replace(decision("weak", [True, False]), preserves=Preserves.MULTISET)
    absent = replace(decision("absent", [1, 2]), setting="other")
    single = decision("single", ["only"])
    dependent = decision("dependent", ["x", "y"], requires="absent decision")
    space = of([weak, absent, single, dependent], preset_of("s", "cache.after"), Preserves.SEQUENCE)
    assert space.left_out == {
        "weak": "it keeps only MULTISET, and SEQUENCE is asked for",
        "absent": "the preset test does not search other",
        "single": "the preset test allows only its present value here",
        "dependent": "it has an effect only with absent decision, which is not searched",
    }
    assert space.notes == ("cache.after: this pipeline has no place for it",)


def test_a_decision_that_needs_one_left_at_work_is_searched() -> None:
    space = of(
        [
            replace(decision("cache", ["map[a]", None]), setting="other"),
            decision("medium", ["memory", "file"], requires="cache"),
        ],
        preset_of("s"),
    )
    assert space.domains == {"medium": ("memory", "file")}
    assert space.parameters(Configuration()) == {"medium": "memory"}


def test_a_chain_that_ends_in_what_is_not_searched_is_left_out() -> None:
    last = replace(decision("last", [None, 1]), setting="other")
    between = replace(decision("between", ["on", None], requires="last"), setting="other")
    space = of([decision("first", [1, 2], requires="between"), between, last], preset_of("s"))
    assert space.left_out["first"] == "it has an effect only with last, which is not searched"


BESIDE = replace(decision("micro_batch", [None, 64]), yields_to="vectorize")


def test_what_yields_to_another_decision_is_asked_for_only_while_that_one_is_off() -> None:
    space = of([BESIDE, decision("vectorize", [False, True])], preset_of("s"))
    assert space.size == 3
    assert space.parameters(Configuration({"vectorize": True})) == {"vectorize": True}
    assert space.parameters(Configuration({"micro_batch": 64})) == {"vectorize": False, "micro_batch": 64}
    assert not space.contains(Configuration({"vectorize": True, "micro_batch": 64}))


def test_what_yields_to_a_decision_that_is_not_there_is_searched() -> None:
    assert of([BESIDE], preset_of("s")).domains == {"micro_batch": (None, 64)}


def test_what_yields_to_an_inactive_decision_is_counted() -> None:
    inactive = replace(decision("vectorize", [True, False], requires="not offered"), setting="other")
    assert of([BESIDE, inactive], preset_of("s")).size == 2


def test_what_yields_to_a_decision_that_stays_on_is_left_out() -> None:
    always = replace(decision("vectorize", [True, False]), setting="other")
    assert of([BESIDE, always], preset_of("s")).left_out["micro_batch"] == (
        "it has no effect beside vectorize, which stays as it is"
    )


CACHE = of(
    [decision("cache", [None, "map[a]"]), decision("medium", ["memory", "file"], requires="cache")], preset_of("s")
)


@pytest.mark.parametrize(
    ("values", "contained"),
    [
        ({}, True),
        ({"cache": "map[a]", "medium": "file"}, True),
        ({"cache": "map[a]"}, True),
        ({"cache": None}, True),
        ({"medium": "file"}, False),
        ({"cache": "map[z]"}, False),
        ({"unknown": 1}, False),
    ],
)
def test_contains(values: dict[str, DecisionValue], contained: bool) -> None:  # noqa: FBT001
    assert CACHE.contains(Configuration(values)) is contained


def test_a_truth_value_is_not_the_number_equal_to_it() -> None:
    space = of([decision("number", [0, 1])], preset_of("s"))
    assert space.contains(Configuration({"number": 1}))
    assert not space.contains(Configuration({"number": True}))
    assert space.nearest("number", wanted=True) is None


@pytest.mark.parametrize(
    ("wanted", "nearest"),
    [
        (1, 1),
        (3, 4),
        (5, 4),
        (6, 8),
        (1000, 16),
        (0, 0),
        (-3, 0),
        (0.6, 1),
        (AUTOTUNE, AUTOTUNE),
        ("auto", None),
        (None, None),
    ],
)
def test_nearest(wanted: DecisionValue, nearest: DecisionValue) -> None:
    buffers = Decision("prefetch[end].buffer_size", "p", 0, Preserves.SEQUENCE)
    space = of([buffers], preset_of(p=Extent(low=0, high=16, log=True, special=(AUTOTUNE,))))
    assert space.nearest(buffers.name, wanted) == nearest
    assert space.nearest("unknown", wanted) is None


@given(spaces, st.integers(1, 10_000))
def test_nothing_is_nearer_than_the_nearest(space: SearchSpace, wanted: int) -> None:
    for name, domain in space.domains.items():
        numbers = [value for value in domain if is_number(value) and value > 0]
        if numbers:
            found = space.nearest(name, wanted)
            assert is_number(found)
            best = min(abs(math.log(number / wanted)) for number in numbers)
            assert found == 0 or abs(math.log(found / wanted)) == pytest.approx(best)


@pytest.mark.parametrize(
    ("decisions", "message"),
    [
        ([decision("a", [1, 2]), decision("a", [1, 2])], "same name"),
        (
            [decision("a", [1, 2], requires="b"), decision("b", [1, 2], requires="a")],
            "is governed, in the end, by itself",
        ),
    ],
)
def test_impossible_decisions_are_refused(decisions: list[Decision], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        of(decisions, preset_of("s"))


def test_optuna_trials_are_trials() -> None:
    trials: list[Trial] = [
        optuna.trial.FixedTrial({"cache": "map[a]", "medium": "file"}),
        quiet_study(optuna.samplers.RandomSampler(0)).ask(),
    ]
    assert CACHE.suggest(trials[0]) == Configuration({"cache": "map[a]", "medium": "file"})
    assert CACHE.contains(CACHE.suggest(trials[1]))
