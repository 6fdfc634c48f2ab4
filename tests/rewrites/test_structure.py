"""Rewrites that change the shape: maps on batches, filters first, XLA, and stages the user keeps."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autotuner.errors import IllegalConfigurationError
from autotuner.pipeline import CallSite, Configuration, Derived, Facts, FnRef, Op, OpFacts, Pipeline
from autotuner.rewrites import apply, find_sites

DECODE, KEEP, AUGMENT = (FnRef(key=name, name=name, digest=name) for name in ("decode", "keep", "augment"))
SITE = CallSite("/data/train.py", 31, 31, 12)
PIPELINE = Pipeline(
    (
        Op("TFRecordDataset[0]", "TFRecordDataset", None, (("filenames", "a"),)),
        Op("map[decode]", "map", "TFRecordDataset[0]", (("map_func", DECODE),), SITE),
        Op("filter[keep]", "filter", "map[decode]", (("predicate", KEEP),), SITE),
        Op("map[augment]", "map", "filter[keep]", (("map_func", AUGMENT),), SITE),
        Op("shuffle[0]", "shuffle", "map[augment]", (("buffer_size", 100),)),
        Op("batch[0]", "batch", "shuffle[0]", (("batch_size", 32),)),
    )
)
PLAIN = OpFacts(cardinality=1000, element_spec="(TensorSpec(), TensorSpec())")
BATCHABLE = replace(PLAIN, vectorizes="vectorized_map")


def facts(**by_label: OpFacts) -> Facts:
    known = {op.label: PLAIN for op in PIPELINE.ops}
    known |= {"map[decode]": BATCHABLE, "map[augment]": BATCHABLE}
    return Facts(known | {label.replace("__", "[") + "]": found for label, found in by_label.items()})


def names(found: Facts) -> set[str]:
    return {decision.name for decision in find_sites(PIPELINE, found)[0]}


def reasons(found: Facts) -> str:
    return "\n".join(refusal.reason for refusal in find_sites(PIPELINE, found)[1])


def order(pipeline: Pipeline) -> list[str]:
    return [op.label for op in pipeline.trunk()]


def test_a_vectorised_map_stands_behind_the_batch_in_the_form_that_was_tried() -> None:
    changed = apply(PIPELINE, facts(), Configuration({"map[augment].vectorize": True}))
    assert order(changed)[-2:] == ["batch[0]", "map[augment]"]
    assert changed["map[augment]"].argument("map_func") == Derived("vectorized_map", (AUGMENT,))


def test_a_native_map_keeps_its_function() -> None:
    found = facts(map__augment=replace(PLAIN, vectorizes="native"))
    changed = apply(PIPELINE, found, Configuration({"map[augment].vectorize": True}))
    assert changed["map[augment]"].argument("map_func") == AUGMENT


PADDED = Pipeline(
    (
        *PIPELINE.ops[:2],
        Op(
            "padded_batch[0]",
            "padded_batch",
            "map[decode]",
            (("batch_size", 32), ("padded_shapes", [3]), ("drop_remainder", True)),
        ),
    )
)


def test_a_padded_batch_that_pads_nothing_is_a_batch_once_a_map_has_crossed_it() -> None:
    found = facts(padded_batch__0=replace(PLAIN, pads_nothing=True))
    changed = apply(PADDED, found, Configuration({"map[decode].vectorize": True}))
    assert order(changed) == ["TFRecordDataset[0]", "padded_batch[0]", "map[decode]"]
    assert changed["padded_batch[0]"].kind == "batch"
    assert changed["padded_batch[0]"].arguments == (("batch_size", 32), ("drop_remainder", True))


@pytest.mark.parametrize(
    ("known", "why"),
    [(PLAIN, "would see the padding"), (replace(PLAIN, pads_nothing=True, pinned=True), "is kept as it is")],
)
def test_no_map_crosses_a_padded_batch_that_pads_or_is_kept(known: OpFacts, why: str) -> None:
    decisions, refusals = find_sites(PADDED, facts(padded_batch__0=known))
    assert "map[decode].vectorize" not in {decision.name for decision in decisions}
    [reason] = [refusal.reason for refusal in refusals if refusal.name == "map[decode].vectorize"]
    assert why in reason
    assert "train.py:31" in reason


def test_a_map_behind_which_a_filter_stands_goes_with_the_filter_or_stays() -> None:
    wanted = {"map[decode].vectorize": True, "map[augment].vectorize": True}
    held_back = apply(PIPELINE, facts(), Configuration(wanted))
    assert order(held_back) == [
        "TFRecordDataset[0]", "map[decode]", "filter[keep]", "shuffle[0]", "batch[0]", "map[augment]",
    ]  # fmt: skip
    free = apply(PIPELINE, facts(), Configuration(wanted | {"filter[keep].before": "map[decode]"}))
    assert order(free) == [
        "TFRecordDataset[0]", "filter[keep]", "shuffle[0]", "batch[0]", "map[decode]", "map[augment]",
    ]  # fmt: skip


def test_what_has_no_effect_is_the_same_pipeline() -> None:
    alone = Configuration({"map[decode].vectorize": True})
    assert apply(PIPELINE, facts(), alone).signature() == PIPELINE.signature()


def test_a_filter_ahead_of_a_map_looks_at_what_the_map_would_make() -> None:
    changed = apply(PIPELINE, facts(), Configuration({"filter[keep].before": "map[decode]"}))
    assert order(changed)[:3] == ["TFRecordDataset[0]", "filter[keep]", "map[decode]"]
    assert changed["filter[keep]"].argument("predicate") == Derived("chain_tuple", (DECODE, KEEP))


def test_a_single_output_is_handed_on_as_it_is() -> None:
    found = facts(map__decode=replace(BATCHABLE, element_spec="TensorSpec()"))
    changed = apply(PIPELINE, found, Configuration({"filter[keep].before": "map[decode]"}))
    assert changed["filter[keep]"].argument("predicate") == Derived("chain", (DECODE, KEEP))


@pytest.mark.parametrize(
    "blemish",
    [replace(BATCHABLE, random=("RandomUniform",)), replace(BATCHABLE, python=("EagerPyFunc",))],
    ids=["random", "python"],
)
def test_no_filter_stands_ahead_of_what_is_not_deterministic(blemish: OpFacts) -> None:
    found = facts(map__decode=blemish)
    assert "filter[keep].before" not in names(found)
    assert "filter[keep] cannot stand ahead of map[decode]" in reasons(found)
    assert "train.py:31" in reasons(found)
    with pytest.raises(IllegalConfigurationError, match="does not offer"):
        apply(PIPELINE, found, Configuration({"filter[keep].before": "map[decode]"}))


UNSEEN = replace(PLAIN, unaffected_by=("map[decode]",))


def test_a_filter_stands_as_it_is_ahead_of_a_random_map_that_it_sees_nothing_of() -> None:
    found = facts(map__decode=replace(BATCHABLE, random=("RandomUniform",)), filter__keep=UNSEEN)
    changed = apply(PIPELINE, found, Configuration({"filter[keep].before": "map[decode]"}))
    assert order(changed)[:3] == ["TFRecordDataset[0]", "filter[keep]", "map[decode]"]
    assert changed["filter[keep]"].argument("predicate") == KEEP


@pytest.mark.parametrize(
    "blemish",
    [
        replace(BATCHABLE, random=("RandomUniform",), seeded=("RandomUniform",)),
        replace(BATCHABLE, python=("EagerPyFunc",)),
        replace(BATCHABLE, stateful=("PrintV2",)),
    ],
    ids=["seeded", "python", "stateful"],
)
def test_what_would_notice_the_missing_elements_keeps_its_filter_behind(blemish: OpFacts) -> None:
    found = facts(map__decode=blemish, filter__keep=UNSEEN)
    assert "filter[keep].before" not in names(found)
    assert "filter[keep] cannot stand ahead of map[decode]" in reasons(found)


def test_a_map_that_does_not_work_on_batches_is_refused_and_holds_back_those_above_it() -> None:
    found = facts(map__augment=replace(PLAIN, vectorize_refusal="a batch gives other values"))
    assert not {"map[augment].vectorize", "map[decode].vectorize"} & names(found)
    assert "map[augment] cannot work on batches: a batch gives other values, train.py:31" in reasons(found)
    assert "map[augment] behind it works on single elements" in reasons(found)


def test_xla_wraps_the_function_in_the_form_it_has() -> None:
    found = facts(map__augment=replace(BATCHABLE, jit_compiles=True))
    wanted = Configuration({"map[augment].vectorize": True, "map[augment].jit_compile": True})
    function = apply(PIPELINE, found, wanted)["map[augment]"].argument("map_func")
    assert function == Derived("jit_compile", (Derived("vectorized_map", (AUGMENT,)),))


def test_a_kept_stage_is_not_touched_and_nothing_changes_places_with_it() -> None:
    found = facts(map__augment=replace(BATCHABLE, jit_compiles=True, pinned=True))
    offered = names(found)
    assert not any(name.startswith("map[augment].") for name in offered)
    assert "map[decode].vectorize" not in offered
    assert "map[augment] is kept as it is" in reasons(found)
    behind = {
        choice for item in find_sites(PIPELINE, found)[0] if item.name == "cache.after" for choice in item.choices
    }
    assert "map[decode]" in behind
    assert not behind & {"map[augment]", "batch[0]"}


def test_a_cache_goes_to_the_nearest_place_that_is_legal_when_its_stage_has_moved() -> None:
    wanted = Configuration({"map[augment].vectorize": True, "cache.after": "map[augment]"})
    changed = apply(PIPELINE, facts(), wanted)
    assert order(changed)[:4] == ["TFRecordDataset[0]", "map[decode]", "filter[keep]", "cache[tuned]"]
    assert order(changed)[4:] == ["shuffle[0]", "batch[0]", "map[augment]"]
