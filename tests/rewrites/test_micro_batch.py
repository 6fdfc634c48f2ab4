"""Maps on micro-batches: where they are offered, what stands around them, what the counts make of it."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autotuner.pipeline import (
    INFINITE,
    UNKNOWN,
    AssertBatches,
    CallSite,
    Configuration,
    Derived,
    Facts,
    FnRef,
    Op,
    OpFacts,
    Pipeline,
    Upstream,
)
from autotuner.pipeline.cardinality import asserts_cardinality
from autotuner.pipeline.counts import elements_per_step, rescaled
from autotuner.rewrites import Decision, apply, effective, find_sites
from autotuner.worker.twin import cache_bytes, twin

PARSE, SCALE, KEEP = (FnRef(key=name, name=name, digest=name) for name in ("parse", "scale", "keep"))
SITE = CallSite("/data/train.py", 31, 31, 12)
SPEC = "TensorSpec(shape=(3,), dtype=tf.float32, name=None)"
PLAIN = OpFacts(cardinality=1000, element_spec=SPEC, element_bytes=12.0, elements_per_step=32.0)
BATCHABLE = replace(PLAIN, vectorizes="native")
RANGE = Op("range[0]", "range")
PARSED = Op("map[parse]", "map", "range[0]", (("map_func", PARSE),), SITE)
SCALED = Op("map[scale]", "map", "map[parse]", (("map_func", SCALE),), SITE)
SHUFFLED = Op("shuffle[0]", "shuffle", "map[scale]", (("buffer_size", 100),))
BATCHED = Op("batch[0]", "batch", "shuffle[0]", (("batch_size", 32),))
PIPELINE = Pipeline((RANGE, PARSED, SCALED, SHUFFLED, BATCHED))


def facts(pipeline: Pipeline = PIPELINE, **by_function: OpFacts) -> Facts:
    known = {op.label: BATCHABLE if op.kind == "map" else PLAIN for op in pipeline.ops}
    known["batch[0]"] = replace(PLAIN, elements_per_step=1.0)
    return Facts(known | {f"map[{name}]": found for name, found in by_function.items()})


def offered(pipeline: Pipeline = PIPELINE, found: Facts | None = None) -> dict[str, Decision]:
    decisions, _ = find_sites(pipeline, found or facts(pipeline))
    return {decision.name: decision for decision in decisions if decision.setting == "map.micro_batch"}


def reasons(found: Facts, pipeline: Pipeline = PIPELINE) -> str:
    refusals = find_sites(pipeline, found)[1]
    return "\n".join(refusal.reason for refusal in refusals if refusal.name.endswith(".micro_batch"))


def labels(pipeline: Pipeline) -> list[str]:
    return [op.label for op in pipeline.trunk()]


def tuned(values: dict[str, bool | int | str | None], found: Facts | None = None) -> Pipeline:
    return apply(PIPELINE, found or facts(), Configuration(values))


def test_a_map_stands_between_a_batch_and_an_unbatch_that_says_the_count_again() -> None:
    changed = tuned({"map[parse].micro_batch": 64}, facts(parse=replace(BATCHABLE, vectorizes="parse_example")))
    assert labels(changed) == [
        "range[0]", "batch[map[parse]]", "map[parse]", "unbatch[map[parse]]", "apply[unbatch[map[parse]]]",
        "map[scale]", "shuffle[0]", "batch[0]",
    ]  # fmt: skip
    assert changed["batch[map[parse]]"].arguments == (("batch_size", 64),)
    assert changed["map[parse]"].argument("map_func") == Derived("parse_example", (PARSE,))
    said = changed["apply[unbatch[map[parse]]]"].argument("transformation_func")
    assert said == AssertBatches("batch[map[parse]]", 1, drop_remainder=False)
    assert {op.decision for op in changed.ops if op not in PIPELINE.ops} == {"map[parse].micro_batch", None}


def test_neighbours_of_one_size_share_the_pair() -> None:
    changed = tuned({"map[scale].micro_batch": 64, "map[parse].micro_batch": 64})
    assert labels(changed)[1:5] == ["batch[map[parse]]", "map[parse]", "map[scale]", "unbatch[map[scale]]"]
    assert changed["unbatch[map[scale]]"].decision == "map[parse].micro_batch, map[scale].micro_batch"


def test_neighbours_of_different_sizes_do_not() -> None:
    changed = tuned({"map[parse].micro_batch": 64, "map[scale].micro_batch": 256})
    assert [op.argument("batch_size") for op in changed.ops if op.kind == "batch"] == [64, 256, 32]


def test_a_map_that_is_read_twice_shares_with_nobody_and_both_read_single_elements() -> None:
    other = Op("map[other]", "map", "map[parse]", (("map_func", KEEP),))
    pipeline = Pipeline((RANGE, PARSED, SCALED, other))
    values = {f"map[{name}].micro_batch": 64 for name in ("parse", "scale")}
    changed = apply(pipeline, facts(pipeline), Configuration(values))
    assert changed["map[other]"].receiver == changed["batch[map[scale]]"].receiver == "apply[unbatch[map[parse]]]"


def test_it_has_no_effect_beside_vectorize() -> None:
    both = Configuration({"map[scale].vectorize": True, "map[scale].micro_batch": 64})
    alone = both.without("map[scale].micro_batch")
    assert apply(PIPELINE, facts(), both) == apply(PIPELINE, facts(), alone)
    assert effective(both, find_sites(PIPELINE, facts())[0]) == alone
    off = both.with_value("map[scale].vectorize", value=False)
    assert "unbatch[map[scale]]" in apply(PIPELINE, facts(), off)


def test_it_is_not_offered_where_the_map_can_move_right_behind_its_batch_nor_on_batches() -> None:
    behind = Op("map[keep]", "map", "batch[0]", (("map_func", KEEP),))
    pipeline = Pipeline(
        (RANGE, PARSED, replace(SCALED, receiver="map[parse]"), replace(BATCHED, receiver="map[scale]"))
    )
    pipeline = pipeline.insert_after("batch[0]", behind)
    assert not offered(pipeline)
    assert not reasons(facts(pipeline), pipeline)
    single = pipeline.insert_after("batch[0]", Op("unbatch[0]", "unbatch"))
    assert offered(single).keys() == {"map[keep].micro_batch"}


def test_it_is_offered_beside_a_batch_where_its_rows_can_be_kept_and_shuffled_anew() -> None:
    shuffled = replace(SHUFFLED, receiver="range[0]")
    pipeline = Pipeline(
        (RANGE, shuffled, replace(PARSED, receiver="shuffle[0]"), SCALED, replace(BATCHED, receiver="map[scale]"))
    )
    assert offered(pipeline).keys() == {"map[parse].micro_batch", "map[scale].micro_batch"}
    rows = {f"map[{name}].micro_batch": 64 for name in ("parse", "scale")}
    changed = apply(pipeline, facts(pipeline), Configuration({**rows, "materialise.after": "map[scale]"}))
    made = labels(changed)
    assert made[:5] == ["range[0]", "batch[map[parse]]", "map[parse]", "map[scale]", "unbatch[map[scale]]"]
    assert made.index("batch[0]") < made.index("cache[materialised]")
    random = facts(pipeline, scale=replace(BATCHABLE, random=("RandomUniform",)))
    assert offered(pipeline, random).keys() == {"map[parse].micro_batch"}


def test_a_map_of_a_branch_is_offered_it_too() -> None:
    zipped = Op("zip[0]", "zip", None, (("args", (Upstream("map[parse]"), Upstream("range[1]"))),))
    pipeline = Pipeline((RANGE, PARSED, Op("range[1]", "range"), zipped))
    assert offered(pipeline).keys() == {"map[parse].micro_batch"}


@pytest.mark.parametrize(
    ("blemish", "why"),
    [
        (replace(PLAIN, vectorize_refusal="RandomUniform would draw once for a whole batch"), "once for a whole batch"),
        (replace(BATCHABLE, pinned=True), "kept as it is"),
        (replace(BATCHABLE, element_spec="TensorSpec(shape=(None,), dtype=tf.int64, name=None)"), "no fixed shape"),
        (replace(BATCHABLE, element_spec="RaggedTensorSpec(TensorShape([2]))"), "no fixed shape"),
        (replace(BATCHABLE, element_bytes=1e6), "so large"),
    ],
)
def test_a_refusal_says_why_and_where(blemish: OpFacts, why: str) -> None:
    found = facts(scale=blemish)
    assert offered(found=found).keys() == {"map[parse].micro_batch"}
    assert why in reasons(found)
    assert why == "kept as it is" or "map[scale] cannot work on micro-batches" in reasons(found)
    assert why == "kept as it is" or "train.py:31" in reasons(found)


@pytest.mark.parametrize(("size", "choices"), [(None, (None, 64, 256)), (12.0, (None, 64, 256)), (5e4, (None, 64))])
def test_micro_batches_stay_small(size: float | None, choices: tuple[int | None, ...]) -> None:
    known = facts(parse=replace(BATCHABLE, element_bytes=size), scale=replace(BATCHABLE, element_bytes=size))
    assert offered(found=known)["map[scale].micro_batch"].choices == choices


def test_what_makes_elements_small_is_judged_by_what_it_is_given() -> None:
    known = facts(parse=replace(BATCHABLE, element_bytes=1e6))
    assert "map[scale].micro_batch" not in offered(found=known)


def test_a_count_that_is_not_known_is_not_said() -> None:
    unknown = Facts({**facts().by_path, "range[0]": replace(PLAIN, cardinality=UNKNOWN)})
    assert not any(map(asserts_cardinality, tuned({"map[parse].micro_batch": 64}, unknown).ops))


def test_a_count_that_stays_known_behind_what_a_map_was_moved_behind_is_said() -> None:
    taken = Op("take[0]", "take", "map[parse]", (("count", 50),))
    pipeline = Pipeline((RANGE, PARSED, taken, Op("shuffle[0]", "shuffle", "take[0]", (("buffer_size", 9),))))
    known = Facts({**facts(pipeline).by_path, "range[0]": replace(PLAIN, cardinality=INFINITE)})
    wanted = Configuration({"map[parse].micro_batch": 64, "map[parse].after": "take[0]"})
    changed = apply(pipeline, known, wanted)
    assert labels(changed) == [
        "range[0]", "take[0]", "batch[map[parse]]", "map[parse]", "unbatch[map[parse]]",
        "apply[unbatch[map[parse]]]", "shuffle[0]",
    ]  # fmt: skip


def test_a_count_that_another_rewrite_changes_is_not_said() -> None:
    kept = Op("filter[keep]", "filter", "map[parse]", (("predicate", KEEP),))
    pipeline = Pipeline((RANGE, PARSED, kept))
    wanted = Configuration({"map[parse].micro_batch": 64})
    known = Facts({**facts(pipeline).by_path, "filter[keep]": replace(PLAIN, cardinality=UNKNOWN)})
    assert any(map(asserts_cardinality, apply(pipeline, known, wanted).ops))
    moved = apply(pipeline, known, wanted.with_value("filter[keep].before", "map[parse]"))
    assert labels(moved)[:3] == ["range[0]", "filter[keep]", "batch[map[parse]]"]
    assert not any(map(asserts_cardinality, moved.ops))


def test_a_cache_and_its_shuffle_stand_behind_the_unbatch() -> None:
    changed = tuned({"map[scale].micro_batch": 64, "cache.after": "map[scale]"})
    assert labels(changed)[-4:] == ["apply[unbatch[map[scale]]]", "cache[tuned]", "shuffle[0]", "batch[0]"]


def test_xla_runs_the_batched_form() -> None:
    found = facts(parse=replace(BATCHABLE, vectorizes="vectorized_map", jit_compiles=True))
    changed = tuned({"map[parse].micro_batch": 64, "map[parse].jit_compile": True}, found)
    assert changed["map[parse]"].argument("map_func") == Derived("jit_compile", (Derived("vectorized_map", (PARSE,)),))


def test_counts_see_through_micro_batches() -> None:
    changed = tuned({"map[parse].micro_batch": 64, "map[scale].micro_batch": 64, "prefetch[map[scale]].buffer_size": 2})
    counts = elements_per_step(changed)
    assert counts["range[0]"] == counts["unbatch[map[scale]]"] == counts["shuffle[0]"] == 32.0
    assert counts["map[parse]"] == counts["prefetch[map[scale]]"] == 0.5


@pytest.mark.parametrize("count", [1000, UNKNOWN])
def test_a_cache_behind_micro_batches_is_projected_and_shortened_by_single_elements(count: int) -> None:
    counted = facts().by_path.items()
    known = Facts({label: replace(item, cardinality=count) for label, item in counted})
    changed = tuned({"map[scale].micro_batch": 64, "cache.after": "map[scale]"}, known)
    there = rescaled(known, changed)
    held = count if count > 0 else 31 * 32
    assert cache_bytes(changed, there, steps_per_epoch=31) == (held * 12.0, 0.0)
    shorter = twin(changed, there, steps=3, steps_per_epoch=31)
    assert shorter is not None
    take = shorter["take[cache[tuned]]"]
    assert take.argument("count") == 96
    assert take.receiver == ("apply[unbatch[map[scale]]]" if count > 0 else "unbatch[map[scale]]")


def test_a_twin_keeps_the_users_count_unless_it_stands_behind_what_is_cut() -> None:
    own = Derived("assert_cardinality", (), (1000,))
    first, last = (Op(f"apply[{n}]", "apply", None, (("transformation_func", own),)) for n in (0, 1))
    pipeline = PIPELINE.insert_after("range[0]", first).insert_after("map[scale]", Op("cache[0]", "cache"))
    pipeline = pipeline.insert_after("shuffle[0]", last)
    shorter = twin(pipeline, facts(pipeline), steps=3, steps_per_epoch=31)
    assert shorter is not None
    assert "apply[0]" in shorter
    assert "apply[1]" not in shorter
