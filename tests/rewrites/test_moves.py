"""Stages that change places or become one: what is offered, what is refused and why, and what applying gives."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.pipeline import CallSite, Configuration, Derived, Facts, FnRef, Op, OpFacts, Pipeline
from autotuner.pipeline.counts import rescaled
from autotuner.rewrites import Decision, Preserves, apply, find_sites
from autotuner.rewrites.neighbours import does_nothing
from tests.strategies import analysed, configurations

SITE = CallSite("/data/train.py", 31, 31, 12)
PLAIN = OpFacts(cardinality=100, element_bytes=8.0, element_spec="TensorSpec()")
RANDOM = replace(PLAIN, random=("RandomUniform",))
BOUND = {
    "seeded": (replace(RANDOM, seeded=("RandomUniform",)), "draws of its seed"),
    "python": (replace(PLAIN, python=("EagerPyFunc",)), "EagerPyFunc"),
    "stateful": (replace(PLAIN, stateful=("PrintV2",)), "PrintV2"),
    "pinned": (replace(PLAIN, pinned=True), "kept"),
}


def function(name: str) -> FnRef:
    return FnRef(key=name, name=name, digest=name)


def line(*ops: Op, **known: OpFacts) -> tuple[Pipeline, Facts]:
    """The ops in a row behind a source."""
    placed = [Op("range[0]", "range")]
    for op in ops:
        placed.append(replace(op, receiver=placed[-1].label, call_site=SITE))
    facts = {op.label: PLAIN for op in placed}
    return Pipeline(tuple(placed)), Facts(facts | {f"map[{name}]": found for name, found in known.items()})


def mapped(name: str, **arguments: int) -> Op:
    return Op(f"map[{name}]", "map", None, (("map_func", function(name)), *arguments.items()))


def op(kind: str, number: int = 0, /, **arguments: int | None) -> Op:
    return Op(f"{kind}[{number}]", kind, None, tuple(arguments.items()))


FILTER = Op("filter[keep]", "filter", None, (("predicate", function("keep")),))
SHUFFLE = op("shuffle", buffer_size=50)


def decision(found: tuple[Pipeline, Facts], name: str) -> Decision | None:
    return next((one for one in find_sites(*found)[0] if one.name == name), None)


def refusal(found: tuple[Pipeline, Facts], name: str) -> str:
    return " ".join(one.reason for one in find_sites(*found)[1] if one.name == name)


def order(found: tuple[Pipeline, Facts], **values: bool | str) -> list[str]:
    names = {name.replace("__", "[").replace("_in_", "]."): value for name, value in values.items()}
    return [op.label for op in apply(*found, Configuration(names)).trunk()[1:]]


def test_a_shuffle_stands_ahead_of_maps_with_the_same_draws() -> None:
    found = line(mapped("read"), op("prefetch", buffer_size=2), mapped("decode"), SHUFFLE, decode=RANDOM)
    offered = decision(found, "shuffle[0].before")
    assert offered is not None
    assert offered.choices == (None, "map[decode]", "map[read]")
    assert offered.preserves is Preserves.MULTISET
    assert order(found, shuffle__0_in_before="map[decode]")[-2:] == ["shuffle[0]", "map[decode]"]
    changed = apply(*found, Configuration({"shuffle[0].before": "map[read]"}))
    assert [item.label for item in changed.trunk()[:2]] == ["range[0]", "shuffle[0]"]
    assert changed["shuffle[0]"].arguments == SHUFFLE.arguments


def test_a_shuffle_with_a_seed_keeps_the_sequence() -> None:
    offered = decision(line(mapped("read"), op("shuffle", buffer_size=9, seed=1)), "shuffle[0].before")
    assert offered is not None
    assert offered.preserves is Preserves.SEQUENCE


@pytest.mark.parametrize("kind", BOUND)
def test_a_map_that_would_notice_another_order_holds_the_shuffle_back(kind: str) -> None:
    facts, reason = BOUND[kind]
    found = line(mapped("read"), SHUFFLE, read=facts)
    assert decision(found, "shuffle[0].before") is None
    assert reason in refusal(found, "shuffle[0].before")
    assert "train.py:31" in refusal(found, "shuffle[0].before")


@pytest.mark.parametrize(
    ("between", "reason"),
    [
        (FILTER, "fewer of the elements"),
        (op("batch", batch_size=2), "instead of batches"),
        (op("cache"), "freeze"),
        (op("repeat", count=2), "mix"),
        (op("take", count=5), "other elements"),
        (op("skip", count=5), "other elements"),
        (op("shard", num_shards=2, index=0), "other elements"),
        (op("shuffle", 1, buffer_size=5), "two shuffles"),
        (op("flat_map"), "one element for each"),
    ],
)
def test_a_shuffle_crosses_nothing_that_counts_or_chooses(between: Op, reason: str) -> None:
    found = line(mapped("read"), between, SHUFFLE, read=RANDOM)
    assert reason in refusal(found, "shuffle[0].before")
    assert decision(found, "shuffle[0].before") is None


def test_a_shuffle_follows_a_filter_that_moves_out_of_its_way() -> None:
    found = line(mapped("read"), FILTER, mapped("decode"), SHUFFLE)
    assert order(found, shuffle__0_in_before="map[read]") == [
        "map[read]", "filter[keep]", "shuffle[0]", "map[decode]",
    ]  # fmt: skip
    both = order(found, shuffle__0_in_before="map[read]", filter__keep_in_before="map[read]")
    assert both == ["filter[keep]", "shuffle[0]", "map[read]", "map[decode]"]


def test_a_map_stands_behind_what_leaves_elements_out() -> None:
    thin = (op("skip", count=3), op("shard", num_shards=2, index=0), op("take", count=9))
    found = line(mapped("read"), *thin, op("repeat", count=2), read=RANDOM)
    offered = decision(found, "map[read].after")
    assert offered is not None
    assert offered.choices == (None, "skip[0]", "shard[0]", "take[0]")
    assert order(found, map__read_in_after="shard[0]")[:3] == ["skip[0]", "shard[0]", "map[read]"]


def test_of_two_maps_the_first_follows_the_second() -> None:
    found = line(mapped("read"), mapped("decode"), op("skip", count=3))
    assert order(found, map__read_in_after="skip[0]") == ["map[read]", "map[decode]", "skip[0]"]
    both = order(found, map__read_in_after="skip[0]", map__decode_in_after="skip[0]")
    assert both == ["skip[0]", "map[read]", "map[decode]"]


@pytest.mark.parametrize("kind", BOUND)
def test_a_map_that_would_notice_missing_elements_stays(kind: str) -> None:
    facts, reason = BOUND[kind]
    found = line(mapped("read"), op("skip", count=3), read=facts)
    assert decision(found, "map[read].after") is None
    assert reason in refusal(found, "map[read].after")


@pytest.mark.parametrize("between", [FILTER, op("batch", batch_size=2), op("cache"), op("take_while")])
def test_a_map_crosses_nothing_that_looks_at_its_elements_or_keeps_them(between: Op) -> None:
    found = line(mapped("read"), between, op("skip", count=3))
    assert decision(found, "map[read].after") is None


def test_a_moved_map_makes_elements_of_the_size_it_made() -> None:
    pipeline, facts = line(mapped("read"), op("skip", count=3), read=replace(PLAIN, element_bytes=700.0))
    moved = apply(pipeline, facts, Configuration({"map[read].after": "skip[0]"}))
    assert rescaled(facts, moved)["map[read]"].element_bytes == 700.0


FUSES = replace(PLAIN, fuses_with="map[decode]")


def test_two_maps_become_one_with_the_parallelism_of_the_first() -> None:
    found = line(
        mapped("read", num_parallel_calls=3), op("prefetch", buffer_size=2), mapped("decode"), op("batch"), read=FUSES
    )
    changed = apply(*found, Configuration({"map[read].fuse": True}))
    assert [item.label for item in changed.trunk()] == ["range[0]", "map[decode]", "batch[0]"]
    made = changed["map[decode]"]
    assert made.argument("map_func") == Derived("chain", (function("read"), function("decode")))
    assert made.argument("num_parallel_calls") == 3
    both = apply(*found, Configuration({"map[read].fuse": True, "map[read].num_parallel_calls": 8}))
    assert both["map[decode]"].argument("num_parallel_calls") == 8


def test_three_maps_become_one() -> None:
    second = replace(PLAIN, fuses_with="map[c]")
    found = line(mapped("a"), mapped("b"), mapped("c"), a=replace(PLAIN, fuses_with="map[b]"), b=second)
    changed = apply(*found, Configuration({"map[a].fuse": True, "map[b].fuse": True}))
    inner = Derived("chain", (function("a"), function("b")))
    assert changed["map[c]"].argument("map_func") == Derived("chain", (inner, function("c")))
    assert len(changed.ops) == 2


def test_maps_that_were_parted_stay_two() -> None:
    found = line(mapped("read"), mapped("decode"), read=FUSES)
    changed = apply(*found, Configuration({"map[read].fuse": True, "cache.after": "map[read]"}))
    assert [item.kind for item in changed.trunk()] == ["range", "map", "cache", "map"]


@pytest.mark.parametrize("kind", ["python", "stateful", "pinned", "seeded"])
@pytest.mark.parametrize("which", ["read", "decode"])
def test_what_does_more_than_compute_is_not_fused(kind: str, which: str) -> None:
    known = {"read": FUSES, "decode": PLAIN} | {which: replace(BOUND[kind][0], fuses_with="map[decode]")}
    found = line(mapped("read"), mapped("decode"), **known)
    assert decision(found, "map[read].fuse") is None
    assert BOUND[kind][1] in refusal(found, "map[read].fuse")


def test_what_is_another_function_when_traced_as_one_is_not_fused() -> None:
    assert "do not compute the same" in refusal(line(mapped("read"), mapped("decode")), "map[read].fuse")


IDLE = (
    op("shuffle", buffer_size=1),
    op("repeat", count=1),
    op("take", count=-1),
    op("skip", count=0),
    op("shard", num_shards=1, index=0),
)
BUSY = (
    op("shuffle", buffer_size=2),
    op("repeat", count=None),
    op("take", count=1),
    op("skip", count=1),
    op("shard", num_shards=2, index=0),
    op("batch", batch_size=1),
)


@pytest.mark.parametrize("idle", IDLE, ids=lambda item: item.kind)
def test_what_does_nothing_is_left_out_and_in_nobodys_way(idle: Op) -> None:
    found = line(mapped("read"), idle, op("shuffle", 7, buffer_size=5))
    assert apply(*found, Configuration({f"{idle.label}.drop": True})).trunk()[2].label == "shuffle[7]"
    assert decision(found, "shuffle[7].before") is not None


@pytest.mark.parametrize("busy", BUSY, ids=lambda item: item.kind)
def test_what_does_something_is_not_left_out(busy: Op) -> None:
    assert decision(line(mapped("read"), busy), f"{busy.label}.drop") is None


def test_the_second_of_two_caches_in_memory_is_left_out() -> None:
    found = line(mapped("read"), op("cache"), op("prefetch", buffer_size=1), op("cache", 1))
    assert decision(found, "cache[0].drop") is None
    assert order(found, cache__1_in_drop=True) == ["map[read]", "cache[0]", "prefetch[0]"]
    in_file = Op("cache[1]", "cache", None, (("filename", "/data/kept"),))
    assert decision(line(mapped("read"), op("cache"), in_file), "cache[1].drop") is None


@given(analysed(), st.data())
def test_no_configuration_moves_a_shuffle_past_what_counts_or_chooses(
    found: tuple[Pipeline, Facts], data: st.DataObject
) -> None:
    pipeline, facts = found
    decisions = tuple(
        one for one in find_sites(pipeline, facts)[0] if one.setting in {"shuffle.before", "map.after", "map.fuse"}
    )
    changed = apply(pipeline, facts, data.draw(configurations(decisions)))

    def fixed(made: Pipeline) -> list[str]:
        return [item.label for item in made.trunk() if item.kind not in {"map", "prefetch"} and not does_nothing(item)]

    assert fixed(changed) == fixed(pipeline)


def test_a_shuffle_that_draws_once_stays_before_what_keeps_by_place() -> None:
    once = op("shuffle", buffer_size=50).with_argument("reshuffle_each_iteration", value=False)
    found = line(mapped("read"), once, op("skip", count=5))
    assert decision(found, "shuffle[0].before") is None
    assert "skip[0] keeps elements by their place, train.py:31" in refusal(found, "shuffle[0].before")
