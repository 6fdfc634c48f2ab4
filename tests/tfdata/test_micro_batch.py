"""Micro-batches on real elements: the same sequence, spec and length, whatever the elements are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from autotuner.emit.module import EmittedModule, emit_module
from autotuner.pipeline import Configuration, DecisionValue, Facts, InputCardinality, Pipeline
from autotuner.pipeline.counts import rescaled
from autotuner.rewrites import apply, find_sites
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.build import build
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier
from autotuner.worker.twin import twin

COUNT = 150
"""Two full micro-batches of 64 and a part of one."""
FLOATS = np.random.default_rng(0).random((COUNT, 4, 3), dtype=np.float32)
IMAGES = np.random.default_rng(1).random((COUNT, 4, 4, 3), dtype=np.float32)
BYTES = (FLOATS * 255).astype(np.uint8)
NUMBERS = np.arange(COUNT)
WORDS = np.array([f"word {n}" * (n % 4) for n in range(COUNT)])
FLIP = keras.layers.RandomFlip("horizontal")


def halve(x: Any) -> Any:
    return x / 2.0


def centre(x: Any) -> Any:
    return x - tf.reduce_mean(x)


def jitter(x: Any) -> Any:
    return x + tf.random.uniform([])


def keras_flip(x: Any) -> Any:
    return FLIP(x, training=True)


def inverted(x: Any) -> Any:
    return 255 - x


def upper(word: Any) -> Any:
    return tf.strings.upper(word), tf.strings.length(word)


def shouted(path: Any) -> Any:
    return tf.strings.upper(path)


def length(path: Any) -> Any:
    return tf.strings.length(path)


def of_dict(element: Any) -> Any:
    inside = element["meta"]
    return {"x": centre(element["x"]), "meta": (inside["word"], inside["number"] % 7)}


def of_pair(x: Any, number: Any) -> Any:
    return {"image": tf.cast(x, tf.float32) / 255.0, "label": number % 10}


def open_shape(number: Any) -> Any:
    return tf.repeat(number, tf.cast(number % 3, tf.int32))


def slices(rows: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(rows)


def recorded(dataset_fn: Callable[[], tf.data.Dataset]) -> tuple[Recorded, Facts]:
    found = checked(record(dataset_fn))
    return found, with_batching(found, analyse(found))


def elements(dataset: tf.data.Dataset) -> list[Any]:
    return [tf.nest.map_structure(lambda leaf: np.asarray(leaf).tolist(), element) for element in dataset]


def micro_batched(found: Recorded, facts: Facts, size: int = 64) -> Configuration:
    decisions = [one for one in find_sites(found.pipeline, facts)[0] if one.setting == "map.micro_batch"]
    assert decisions, [one.reason for one in find_sites(found.pipeline, facts)[1]]
    return Configuration({one.name: size for one in decisions})


def verified(found: Recorded, changed: Pipeline) -> tf.data.Dataset:
    """The dataset of ``changed``, which passes, as does that of the code written for it."""
    verifier = Verifier(found)
    assert verifier.check(changed) == ""
    made = emit_module(
        changed, function_name="dataset_fn", signature="", header=("Tuned.",), effects={}, folder=Path("/nowhere")
    )
    assert isinstance(made, EmittedModule), made
    dataset = build(found, changed)
    space: dict[str, Any] = {"__file__": "/nowhere/tuned.py", "__name__": __name__}
    exec(compile(made.text, "/nowhere/tuned.py", "exec"), space)  # noqa: S102 - what was emitted
    assert CanonicalGraph.of(space["dataset_fn"]()).digest == CanonicalGraph.of(dataset).digest
    assert verifier.check_other(record(space["dataset_fn"]), same_graph=True) == ""
    return dataset


@pytest.mark.parametrize(
    ("function", "rows", "size"),
    [
        (halve, FLOATS, 64),
        (halve, FLOATS, 256),
        (centre, FLOATS, 64),
        (inverted, BYTES, 64),
        (upper, WORDS, 64),
        (of_dict, {"x": FLOATS, "meta": {"word": WORDS, "number": NUMBERS}}, 64),
        (of_pair, (BYTES, NUMBERS), 64),
    ],
    ids=["native", "one that is not filled", "row by row", "uint8", "strings", "nested", "pair"],
)
def test_the_sequence_the_spec_and_the_length_stay(function: Callable[..., Any], rows: Any, size: int) -> None:
    def dataset_fn() -> tf.data.Dataset:
        return slices(rows).map(function).cache().shuffle(9, seed=1).batch(8)

    found, facts = recorded(dataset_fn)
    changed = apply(found.pipeline, facts, micro_batched(found, facts, size))
    theirs = verified(found, changed)
    assert "unbatch" in [op.kind for op in changed.ops]
    assert theirs.element_spec == dataset_fn().element_spec
    assert theirs.cardinality() == dataset_fn().cardinality()
    assert len(elements(theirs)) == len(elements(dataset_fn()))


@pytest.mark.parametrize(
    "behind",
    [lambda ds: ds, lambda ds: ds.batch(8), lambda ds: ds.shuffle(50).batch(8)],
    ids=["alone", "batched", "shuffled"],
)
def test_a_random_map_still_draws_for_every_example(behind: Callable[[tf.data.Dataset], tf.data.Dataset]) -> None:
    found, facts = recorded(lambda: behind(slices(FLOATS).map(jitter).filter(lambda x: x[0, 0] > -1.0)))
    assert facts["map[jitter]"].random
    changed = apply(found.pipeline, facts, micro_batched(found, facts))
    assert Verifier(found).check(changed) == ""


def test_a_layer_that_draws_once_for_a_batch_is_refused() -> None:
    found, facts = recorded(lambda: slices(IMAGES).map(keras_flip).shuffle(50).batch(8))
    decisions, refusals = find_sites(found.pipeline, facts)
    names = {"map[keras_flip].micro_batch", "map[keras_flip].vectorize"}
    assert not names & {decision.name for decision in decisions}
    told = {refusal.name: refusal.reason for refusal in refusals}
    assert all("once for a whole batch" in told[name] and "test_micro_batch.py:" in told[name] for name in names)


def test_a_layer_that_draws_once_for_a_batch_would_be_caught() -> None:
    found, facts = recorded(lambda: slices(IMAGES).map(keras_flip).shuffle(50).batch(8))
    known = replace(facts["map[keras_flip]"], vectorizes="vectorized_map")
    forced = Facts({**facts.by_path, "map[keras_flip]": known})
    changed = apply(found.pipeline, forced, micro_batched(found, forced))
    assert "once for a whole batch" in Verifier(found).check(changed)


def test_elements_of_open_shape_are_not_batched() -> None:
    found, facts = recorded(lambda: slices(NUMBERS).map(open_shape).map(tf.reduce_sum))
    decisions, _ = find_sites(found.pipeline, facts)
    assert not [one for one in decisions if one.setting == "map.micro_batch"]


def test_neighbours_share_one_batch() -> None:
    found, facts = recorded(lambda: slices(FLOATS).map(halve).map(centre).cache().batch(8))
    changed = apply(found.pipeline, facts, micro_batched(found, facts))
    assert [op.kind for op in changed.trunk()] == [
        "from_tensor_slices", "batch", "map", "map", "unbatch", "apply", "cache", "batch",
    ]  # fmt: skip
    assert Verifier(found).check(changed) == ""


@pytest.mark.parametrize("after", [{"cache.after": "map[length]"}, {"materialise.after": "map[shouted]"}])
def test_what_is_kept_behind_micro_batches_knows_its_count(after: dict[str, DecisionValue], tmp_path: Path) -> None:
    for number in range(9):
        tmp_path.joinpath("x" * (number + 1)).touch()

    def dataset_fn() -> tf.data.Dataset:
        return tf.data.Dataset.list_files(str(tmp_path / "*")).map(shouted).map(length).shuffle(4).batch(2)

    found, facts = recorded(dataset_fn)
    wanted = Configuration({"map[shouted].micro_batch": 64, **after})
    if "materialise.after" in after:
        wanted = wanted.with_value("map[length].vectorize", value=True)
    changed = apply(found.pipeline, facts, wanted)
    assert {"unbatch", "cache"} <= {op.kind for op in changed.ops}
    assert any(isinstance(leaf, InputCardinality) for op in changed.ops for _, leaf in op.arguments)
    lengths = sorted(n for batch in elements(verified(found, changed)) for n in batch)
    assert np.diff(lengths).tolist() == [1] * 8


def test_the_timed_twin_ends_where_it_is_cut() -> None:
    found, facts = recorded(lambda: slices(FLOATS).map(halve).cache().shuffle(9).batch(8))
    changed = apply(found.pipeline, facts, micro_batched(found, facts))
    shorter = twin(changed, rescaled(facts, changed), steps=5, steps_per_epoch=18)
    assert shorter is not None
    assert len(elements(build(found, shorter))) == 5


def test_a_count_the_user_asserts_does_not_stop_a_check_over_fewer_elements() -> None:
    def dataset_fn() -> tf.data.Dataset:
        kept = tf.data.Dataset.range(1000).filter(lambda x: x >= 0)
        return kept.apply(tf.data.experimental.assert_cardinality(1000)).map(lambda x: x * 2).cache().batch(8)

    found, facts = recorded(dataset_fn)
    changed = apply(found.pipeline, facts, micro_batched(found, facts))
    theirs = verified(found, changed)
    assert theirs.cardinality() == 125
    assert elements(theirs) == elements(dataset_fn())
