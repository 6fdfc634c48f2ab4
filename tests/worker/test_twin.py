from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from autotuner.pipeline import UNKNOWN, Configuration, Facts, Op, OpFacts, Pipeline
from autotuner.rewrites import apply
from autotuner.worker.twin import cache_bytes, twin

RANGE = Op("range[0]", "range")
MAP = Op("map[f]", "map", "range[0]")
BATCH = Op("batch[0]", "batch", "map[f]", (("batch_size", 10),))
PIPELINE = Pipeline((RANGE, MAP, BATCH))


def facts(**changes: OpFacts) -> Facts:
    known = {"range[0]": OpFacts(cardinality=1000, element_bytes=8.0, elements_per_step=10.0)}
    known["map[f]"] = OpFacts(cardinality=1000, element_bytes=100.0, elements_per_step=10.0)
    known["batch[0]"] = OpFacts(cardinality=100, element_bytes=1000.0, elements_per_step=1.0)
    return Facts(known | {{"map": "map[f]", "range": "range[0]"}[key]: value for key, value in changes.items()})


def cached(known: Facts, pipeline: Pipeline = PIPELINE, /, **more: Any) -> Pipeline:
    return apply(pipeline, known, Configuration({"cache.after": "map[f]", **more}))


def taken(pipeline: Pipeline | None) -> list[tuple[str | None, Any]]:
    assert pipeline is not None
    return [(op.receiver, op.argument("count")) for op in pipeline.ops if op.kind == "take"]


def test_the_cache_is_fed_what_the_steps_take() -> None:
    assert taken(twin(cached(facts()), facts(), steps=8, steps_per_epoch=100)) == [("map[f]", 80)]


def test_a_share_of_the_elements_where_a_step_takes_an_unknown_number() -> None:
    known = facts(map=OpFacts(cardinality=1000))
    assert taken(twin(cached(known), known, steps=8, steps_per_epoch=100)) == [("map[f]", 80)]


def test_a_share_of_the_source_where_nothing_is_known_of_what_is_cached() -> None:
    known = facts(map=OpFacts(cardinality=UNKNOWN), range=OpFacts(cardinality=400))
    assert taken(twin(cached(known), known, steps=8, steps_per_epoch=100)) == [("range[0]", 32)]


def test_no_twin_where_nothing_is_known() -> None:
    known = facts(map=OpFacts(cardinality=UNKNOWN), range=OpFacts(cardinality=UNKNOWN))
    assert twin(cached(known), known, steps=8, steps_per_epoch=100) is None


def test_a_prefetch_below_the_cache_hides_nothing() -> None:
    both = cached(facts(), **{"prefetch[map[f]].buffer_size": 4})
    assert both["cache[tuned]"].receiver == "prefetch[map[f]]"
    assert taken(twin(both, facts(), steps=8, steps_per_epoch=100)) == [("map[f]", 80)]
    assert cache_bytes(both, facts(), 100) == (100_000.0, 0.0)


def test_what_is_stacked_is_there_twice() -> None:
    known = replace(facts()["map[f]"], element_spec="TensorSpec(shape=(25,), dtype=tf.float32)")
    stacked = apply(PIPELINE, facts(map=known), Configuration({"materialise.after": "map[f]"}))
    assert cache_bytes(stacked, facts(map=known), 100) == (200_000.0, 0.0)


def test_a_shuffle_shares_the_tensors_of_a_cache_in_memory() -> None:
    pipeline = Pipeline((RANGE, Op("shuffle[0]", "shuffle", "range[0]", (("buffer_size", 50),)), *_behind_a_shuffle()))
    known = Facts({**facts().by_path, "shuffle[0]": OpFacts(cardinality=1000, element_bytes=8.0)})
    assert cache_bytes(cached(known, pipeline), known, 100) == (100_000.0, 0.0)


def _behind_a_shuffle() -> tuple[Op, Op]:
    return Op("map[f]", "map", "shuffle[0]"), BATCH


@pytest.mark.parametrize(("medium", "expected"), [("memory", (100_000.0, 0.0)), ("file", (0.0, 100_000.0))])
def test_a_cache_takes_room_where_it_is(medium: str, expected: tuple[float, float]) -> None:
    assert cache_bytes(cached(facts(), **{"cache.medium": medium}), facts(), 100) == expected


def test_a_shuffle_behind_the_cache_holds_what_the_cache_holds() -> None:
    shuffle = Op("shuffle[0]", "shuffle", "range[0]", (("buffer_size", 50),))
    pipeline = Pipeline((RANGE, shuffle, Op("map[f]", "map", "shuffle[0]"), BATCH))
    known = Facts({**facts().by_path, "shuffle[0]": OpFacts(cardinality=1000, element_bytes=8.0)})
    tuned = cached(known, pipeline, **{"cache.medium": "file"})
    assert cache_bytes(tuned, known, 100) == (5_000.0, 100_000.0)
    files = Op("list_files[0]", "list_files")
    pipeline = Pipeline((files, Op("map[f]", "map", "list_files[0]"), BATCH))
    known = Facts({**facts().by_path, "list_files[0]": OpFacts(cardinality=1000)})
    assert cache_bytes(cached(known, pipeline, **{"cache.medium": "file"}), known, 100) == (100_000.0, 100_000.0)


def test_what_is_dropped_below_the_cache_counts_at_most() -> None:
    keep = Op("filter[k]", "filter", "map[f]")
    pipeline = Pipeline((RANGE, MAP, keep, Op("batch[0]", "batch", "filter[k]")))
    known = Facts({**facts().by_path, "filter[k]": OpFacts(cardinality=UNKNOWN, element_bytes=100.0)})
    tuned = apply(pipeline, known, Configuration({"cache.after": "filter[k]"}))
    assert cache_bytes(tuned, known, 100) == (100_000.0, 0.0)
