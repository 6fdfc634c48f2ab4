"""What is tried first: few configurations, of different shapes, none of which depends on a random map on batches."""

from __future__ import annotations

from dataclasses import replace

from autotuner.pipeline import AUTOTUNE, Configuration, Facts, FnRef, Op, OpFacts, Pipeline, Value
from autotuner.rewrites import apply, find_sites, natural_preserve
from autotuner.search.baselines import expert_guesses
from autotuner.space import SearchSpace, load_preset
from tests.search.world import MACHINE

KNOWN = OpFacts(cardinality=800, element_bytes=1e4, element_spec="(TensorSpec(shape=(8,)), TensorSpec(shape=()))")
RANDOM = replace(KNOWN, random=("RandomUniform",), vectorizes="vectorized_map")
BATCHABLE = replace(KNOWN, vectorizes="native", jit_compiles=True)


def line(*maps: tuple[str, OpFacts]) -> tuple[Pipeline, Facts]:
    """Files read in turn, shuffled, mapped and put into batches."""
    files: Value = ["a", "b", "c"]
    ops = [Op("TFRecordDataset[0]", "TFRecordDataset", None, (("filenames", files),))]
    ops.append(Op("shuffle[0]", "shuffle", ops[-1].label, (("buffer_size", 100),)))
    for name, _ in maps:
        function = FnRef(name, name, digest=name)
        ops.append(Op(f"map[{name}]", "map", ops[-1].label, (("map_func", function),)))
    ops.append(Op("batch[0]", "batch", ops[-1].label, (("batch_size", 16),)))
    known = dict.fromkeys((op.label for op in ops), KNOWN)
    return Pipeline(tuple(ops)), Facts(known | {f"map[{name}]": found for name, found in maps})


def guesses(pipeline: Pipeline, facts: Facts) -> list[Configuration]:
    decisions, _ = find_sites(pipeline, facts)
    space = SearchSpace.of(decisions, load_preset("default"), MACHINE, natural_preserve(pipeline))
    return list(expert_guesses(space, decisions, facts, MACHINE.cores))


def shape(guess: Configuration) -> dict[str, object]:
    words = (".after", ".vectorize", ".micro_batch", ".before", ".jit_compile")
    return {name: value for name, value in guess.items() if name.endswith(words)}


SEGMENTATION = line(("decode", KNOWN), ("augment", RANDOM))
TABULAR = line(("parse", BATCHABLE), ("to_row", BATCHABLE))
CONTRAST = line(("decode", KNOWN), ("augment", replace(RANDOM, vectorizes="")))


def test_where_a_random_map_would_work_on_batches_the_cache_alone_comes_second() -> None:
    first, second, *rest = guesses(*SEGMENTATION)
    assert shape(first) == {"map[augment].vectorize": True, "materialise.after": "map[decode]"}
    assert shape(second) == {"cache.after": "map[decode]"}
    assert any("map[augment].vectorize" in guess for guess in rest)


def test_everything_on_batches_out_of_kept_tensors_comes_first() -> None:
    first, second, *rest = guesses(*TABULAR)
    assert shape(first) == {
        "map[parse].micro_batch": 256,
        "map[to_row].micro_batch": 256,
        "materialise.after": "map[to_row]",
    }
    assert shape(second) == {"cache.after": "map[to_row]"}
    assert any({"map[parse].vectorize", "materialise.after"} <= shape(guess).keys() for guess in rest)


def test_a_repeat_is_out_of_the_way_of_what_is_kept_as_tensors() -> None:
    pipeline, facts = TABULAR
    repeated = pipeline.insert_after("map[to_row]", Op("repeat[0]", "repeat"))
    first, *_ = guesses(repeated, Facts({**facts.by_path, "repeat[0]": KNOWN}))
    assert shape(first).items() >= {"materialise.after": "map[to_row]", "repeat[0].after": "batch[0]"}.items()


def test_what_cannot_work_on_batches_is_cached_first() -> None:
    assert shape(guesses(*CONTRAST)[0]) == {"cache.after": "map[decode]"}


def test_they_are_few_and_make_different_pipelines() -> None:
    for pipeline, facts in (SEGMENTATION, TABULAR, CONTRAST):
        found = guesses(pipeline, facts)
        made = {apply(pipeline, facts, guess).signature() for guess in found}
        assert len(made) == len(found) <= 10
        assert len({str(shape(guess)) for guess in found[:4]}) >= 2


def test_slow_storage_and_xla_are_thought_of() -> None:
    found = guesses(*TABULAR)
    assert any(guess.get("TFRecordDataset[0].num_parallel_reads") == 16 for guess in found)
    assert any(guess.get("map[parse].jit_compile") for guess in found)
    assert any(guess.get("batch[0].num_parallel_calls") == AUTOTUNE for guess in found)
