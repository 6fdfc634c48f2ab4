from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.pipeline import (
    INFINITE,
    UNKNOWN,
    CallSite,
    Configuration,
    DecisionValue,
    Facts,
    FnRef,
    InputCardinality,
    Op,
    OpFacts,
    Pipeline,
    Upstream,
)
from autotuner.rewrites import Decision, Preserves, apply, find_sites
from autotuner.rewrites.order import ONE_TO_ONE, reshuffles
from tests.strategies import analysed

FN = FnRef("v", "f", digest="f")


def chain(*kinds: str | tuple[str, dict[str, Any]], facts: dict[str, OpFacts] | None = None) -> tuple[Pipeline, Facts]:
    """A trunk; labels are ``kind`` and the place in it, each op on the line of its place."""
    ops: list[Op] = []
    for index, item in enumerate(kinds):
        kind, arguments = item if isinstance(item, tuple) else (item, {})
        site = CallSite("/data/pipeline.py", index, index, 9)
        receiver = ops[-1].label if ops else None
        ops.append(Op(f"{kind}{index}", kind, receiver, tuple(arguments.items()), site))
    known = {op.label: OpFacts(cardinality=100) for op in ops}
    return Pipeline(tuple(ops)), Facts(known | (facts or {}))


def positions(found: tuple[Pipeline, Facts]) -> tuple[DecisionValue, ...]:
    return next((site.choices for site in find_sites(*found)[0] if site.name == "cache.after"), ())


def reasons(found: tuple[Pipeline, Facts]) -> str:
    return "\n".join(refusal.reason for refusal in find_sites(*found)[1] if refusal.name == "cache.after")


def kinds(pipeline: Pipeline) -> list[str]:
    return [op.kind for op in pipeline.trunk()]


@given(analysed(), st.data())
def test_no_cache_of_ours_stands_above_what_changes_between_epochs(
    found: tuple[Pipeline, Facts], data: st.DataObject
) -> None:
    pipeline, facts = found
    places = positions(found)
    if len(places) < 2:
        return
    changed = apply(pipeline, facts, Configuration({"cache.after": data.draw(st.sampled_from(places))}))
    for cache in (op for op in changed.ops if op.decision == "cache.after" and op.kind == "cache"):
        user_cached = [op.receiver for op in pipeline.ops if op.kind == "cache"]
        if cache.receiver in user_cached:
            continue
        for op in changed.upstream(str(cache.receiver)):
            assert facts[op.label].deterministic, op
            assert not reshuffles(op), op
            assert op.kind not in {"repeat", "from_generator", "opaque"}
            assert facts[op.label].cardinality != INFINITE


@given(analysed(), st.data())
def test_shuffles_keep_their_order_their_seed_and_at_least_their_buffer(
    found: tuple[Pipeline, Facts], data: st.DataObject
) -> None:
    pipeline, facts = found
    places = positions(found)
    if not places:
        return
    changed = apply(pipeline, facts, Configuration({"cache.after": data.draw(st.sampled_from(places))}))

    def shuffles(of: Pipeline) -> list[Op]:
        return [op for op in of.ops if op.kind == "shuffle" and op.label in pipeline]

    for before, after in zip(shuffles(pipeline), shuffles(changed), strict=True):
        assert after.label == before.label
        assert after.without_argument("buffer_size").arguments == before.without_argument("buffer_size").arguments
        assert after.argument("buffer_size") in {before.argument("buffer_size"), InputCardinality()}


@given(analysed(), st.data())
def test_only_a_shuffle_of_everything_passes_more_than_one_to_one_stages(
    found: tuple[Pipeline, Facts], data: st.DataObject
) -> None:
    pipeline, facts = found
    places = positions(found)
    if not places:
        return
    changed = apply(pipeline, facts, Configuration({"cache.after": data.draw(st.sampled_from(places))}))
    before, after = [op.label for op in pipeline.trunk()], [op.label for op in changed.trunk()]
    for op in pipeline.trunk():
        if op.kind == "shuffle":
            behind = set(before[before.index(op.label) :]) & set(after[: after.index(op.label)])
            passed = {pipeline[label].kind for label in behind} - ONE_TO_ONE - {"shuffle"}
            assert passed <= {"filter", "interleave"}
            assert not passed or changed[op.label].argument("buffer_size") == InputCardinality()


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (OpFacts(random=("RandomUniform",)), "random (RandomUniform), pipeline.py:1"),
        (OpFacts(python=("EagerPyFunc",)), "map1 calls Python (EagerPyFunc), which cannot be proven to repeat itself"),
        (OpFacts(stateful=("AssignVariableOp",)), "map1 has side effects (AssignVariableOp), pipeline.py:1"),
        (OpFacts(opaque_reason="why"), "map1 was not seen being built (why), pipeline.py:1"),
        (OpFacts(element_spec="DatasetSpec(...)"), "its elements are datasets"),
        (OpFacts(cardinality=INFINITE), "endless, pipeline.py:1"),
    ],
)
def test_a_refusal_names_the_op_the_reason_and_the_line(facts: OpFacts, reason: str) -> None:
    found = chain("range", ("map", {"map_func": FN}), facts={"map1": facts})
    assert positions(found) == ()
    assert f"cache cannot follow map1: {reason}" in reasons(found)


@pytest.mark.parametrize(
    ("between", "allowed"),
    [
        ((), True),
        (("prefetch",), True),
        (("map",), True),
        (("batch",), False),
        (("filter",), True),
        (("interleave", "filter"), True),
        (("take",), False),
    ],
)
def test_what_lies_between_decides_whether_a_shuffle_may_move(between: tuple[str, ...], *, allowed: bool) -> None:
    found = chain("range", ("shuffle", {"buffer_size": 8}), *between, "map")
    assert (f"map{len(between) + 2}" in positions(found)) is allowed
    if not allowed:
        assert "keeps the shuffle from moving" in reasons(found)


def test_a_shuffle_moves_right_behind_the_cache() -> None:
    found = chain("range", ("shuffle", {"buffer_size": 8, "seed": 3}), "map", "batch")
    changed = apply(*found, Configuration({"cache.after": "map2"}))
    assert kinds(changed) == ["range", "map", "cache", "shuffle", "batch"]
    assert changed["shuffle1"].arguments == (("buffer_size", 8), ("seed", 3))


def test_a_fixed_shuffle_behind_a_moved_one_moves_too() -> None:
    fixed = ("shuffle", {"buffer_size": 4, "reshuffle_each_iteration": False})
    found = chain("range", ("shuffle", {"buffer_size": 8}), fixed, "map")
    changed = apply(*found, Configuration({"cache.after": "map3"}))
    assert [op.label for op in changed.trunk()] == ["range0", "map3", "cache[tuned]", "shuffle1", "shuffle2"]


def test_a_fixed_shuffle_stays_under_the_cache() -> None:
    found = chain("range", ("shuffle", {"buffer_size": 4, "reshuffle_each_iteration": False}), "map")
    assert kinds(apply(*found, Configuration({"cache.after": "map2"}))) == ["range", "shuffle", "map", "cache"]


@pytest.mark.parametrize("seed", [None, 0, 7])
def test_list_files_shuffles_all_elements_behind_the_cache(seed: int | None) -> None:
    found = chain(("list_files", {} if seed is None else {"seed": seed}), "map")
    changed = apply(*found, Configuration({"cache.after": "map1"}))
    assert kinds(changed) == ["list_files", "map", "cache", "shuffle"]
    assert changed["list_files0"].arguments == (("shuffle", False),)
    expected = (("buffer_size", InputCardinality()),) + ((("seed", seed),) if seed is not None else ())
    assert changed.output.arguments == expected


@pytest.mark.parametrize("files", ["list_files", "from_tensor_slices"])
def test_a_shuffle_of_files_becomes_one_of_all_their_elements(files: str) -> None:
    shuffle: tuple[Any, ...] = () if files == "list_files" else (("shuffle", {"buffer_size": 8}),)
    found = chain(files, *shuffle, "interleave", "map", facts={"map3": OpFacts(cardinality=UNKNOWN)})
    changed = apply(*found, Configuration({"cache.after": found[0].output.label}))
    assert kinds(changed) == [files, "interleave", "map", "cache", "shuffle"]
    assert changed.output.arguments == (("buffer_size", InputCardinality()),)


def test_files_that_a_reader_is_given_are_shuffled_behind_the_cache_too() -> None:
    ops = (
        Op("list_files0", "list_files"),
        Op("TFRecordDataset1", "TFRecordDataset", None, (("filenames", Upstream("list_files0")),)),
        Op("map2", "map", "TFRecordDataset1"),
    )
    found = Pipeline(ops), Facts({op.label: OpFacts(cardinality=100) for op in ops})
    changed = apply(*found, Configuration({"cache.after": "map2"}))
    assert kinds(changed) == ["TFRecordDataset", "map", "cache", "shuffle"]
    assert changed["list_files0"].arguments == (("shuffle", False),)


@pytest.mark.parametrize(
    ("shuffle", "behind", "reason"),
    [
        ({"seed": 3}, "map", "with its seed it would draw another order behind interleave2"),
        ({}, "take", "take4 would choose among all elements instead of the first ones"),
    ],
)
def test_a_larger_buffer_is_refused_where_it_would_change_more_than_chance(
    shuffle: dict[str, Any], behind: str, reason: str
) -> None:
    found = chain("range", ("shuffle", {"buffer_size": 8} | shuffle), "interleave", "map", behind)
    assert "map3" not in positions(found)
    assert reason in reasons(found)


@pytest.mark.parametrize(("seed", "kept"), [(None, Preserves.MULTISET), (3, Preserves.SEQUENCE)])
def test_only_a_shuffle_without_seed_costs_the_sequence(seed: int | None, kept: Preserves) -> None:
    found = chain("range", ("shuffle", {"buffer_size": 8, "seed": seed}), "map")
    assert next(site for site in find_sites(*found)[0] if site.name == "cache.after").preserves is kept


def test_the_users_cache_moves_leaves_or_changes_its_medium() -> None:
    found = chain("range", "map", "cache", "map", "batch")
    assert positions(found) == (None, "map1", "map3", "batch4")
    assert kinds(apply(*found, Configuration({"cache.after": "batch4"}))) == ["range", "map", "map", "batch", "cache"]
    assert kinds(apply(*found, Configuration({"cache.after": None}))) == ["range", "map", "map", "batch"]
    in_a_file = apply(*found, Configuration({"cache.medium": "file"}))
    assert kinds(in_a_file) == kinds(found[0])
    assert in_a_file["cache[tuned]"].decision == "cache.medium"


def test_the_users_cache_may_stay_even_where_we_would_not_put_one() -> None:
    found = chain("range", ("repeat", {"count": 2}), "cache", "map")
    assert positions(found) == (None, "repeat1")
    changed = apply(*found, Configuration({"cache.medium": "file"}))
    assert kinds(changed) == ["range", "repeat", "cache", "map"]


@pytest.mark.parametrize(
    ("stages", "reason"),
    [
        ((("shuffle", {"buffer_size": 8}), "cache", "map"), "cache2 freezes what shuffle1 draws at random"),
        ((("map", {}), ("cache", {"filename": "/data/c"}), "map"), "a file of the user's choice, pipeline.py:2"),
        (("cache", "map", "cache"), "already has 2 caches"),
    ],
)
def test_a_users_cache_that_must_stay_is_refused_with_the_reason(stages: tuple[Any, ...], reason: str) -> None:
    found = chain("range", *stages)
    assert positions(found) == ()
    assert reason in reasons(found)


def test_an_empty_file_name_is_memory() -> None:
    assert positions(chain("range", "map", ("cache", {"filename": ""}), "map")) == (None, "map1", "map3")


def test_what_is_read_twice_gets_no_cache_and_keeps_its_shuffle() -> None:
    ops = (
        Op("range0", "range"),
        Op("shuffle1", "shuffle", "range0", (("buffer_size", 8),)),
        Op("map2", "map", "shuffle1"),
        Op("concatenate3", "concatenate", "map2", (("dataset", Upstream("shuffle1")),)),
    )
    pipeline = Pipeline(ops)
    found = pipeline, Facts({op.label: OpFacts(cardinality=100) for op in ops})
    assert positions(found) == ()
    assert "shuffle1 is read twice" in reasons(found)


def test_every_refusal_carries_its_place() -> None:
    found = chain("range", ("map", {"map_func": FN}), facts={"map1": OpFacts(random=("RandomUniform",))})
    refusals = [site for site in find_sites(*found)[1] if site.name == "cache.after"]
    assert [refusal.site for refusal in refusals] == [CallSite("/data/pipeline.py", 1, 1, 9)]


def test_the_medium_hangs_on_the_position() -> None:
    medium = next(site for site in find_sites(*chain("range", "map"))[0] if site.name == "cache.medium")
    assert isinstance(medium, Decision)
    assert medium.requires == "cache.after"
