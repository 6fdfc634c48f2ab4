"""How functions work on batches, found by trying: what is right is taken, what is subtly wrong is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from autotuner.barriers import barrier
from autotuner.errors import UserCodeError
from autotuner.pipeline import Configuration, OpFacts
from autotuner.rewrites import apply, find_sites
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.build import build
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.pinned import with_pinned
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier

IMAGES = np.random.default_rng(0).random((40, 8, 8, 3), dtype=np.float32)
FLIP = keras.layers.RandomFlip("horizontal")
SPEC = {"x": tf.io.FixedLenFeature([3], tf.float32), "y": tf.io.FixedLenFeature([], tf.int64)}


def halve(image: Any) -> Any:
    return image / 2.0


def normalise(image: Any) -> Any:
    return image / tf.reduce_max(image)


def standardise(image: Any) -> Any:
    return tf.image.per_image_standardization(image)


def resize(image: Any) -> Any:
    return tf.image.resize(image, [4, 4])


def brighten(image: Any) -> Any:
    return tf.image.random_brightness(image, 0.5)


def flip(image: Any) -> Any:
    return tf.image.random_flip_left_right(image)


def contrast(image: Any) -> Any:
    return tf.image.random_contrast(tf.image.random_flip_left_right(image), 0.5, 1.5)


def keras_flip(image: Any) -> Any:
    return FLIP(image, training=True)


def through_python(image: Any) -> Any:
    return tf.ensure_shape(tf.py_function(lambda x: x, [image], tf.float32), [8, 8, 3])


def first_row(image: Any) -> Any:
    return image[0]


def mean_of_all(image: Any) -> Any:
    return image - tf.reduce_mean(image)


def found(function: Callable[..., Any], rows: Any = IMAGES) -> tuple[Recorded, OpFacts]:
    recorded = checked(record(lambda: tf.data.Dataset.from_tensor_slices(rows).map(function).shuffle(9).batch(8)))
    facts = with_batching(recorded, analyse(recorded))
    return recorded, facts[next(label for label in facts.by_path if label.startswith("map"))]


@pytest.mark.parametrize(
    ("function", "form"),
    [
        (halve, "native"),
        (standardise, "native"),
        (resize, "native"),
        (normalise, "vectorized_map"),
        (mean_of_all, "vectorized_map"),
        (first_row, "vectorized_map"),
        (brighten, "vectorized_map"),
        (flip, "vectorized_map"),
        (contrast, "vectorized_adjust"),
    ],
)
def test_the_cheapest_right_form_is_found(function: Callable[..., Any], form: str) -> None:
    _, facts = found(function)
    assert facts.vectorizes == form, facts.vectorize_refusal


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (keras_flip, "once for a whole batch"),
        (through_python, "calls Python"),
        (lambda image: tf.image.random_hue(image, 0.2), "expected to be loop invariant"),
        (lambda image: tf.image.random_contrast(tf.cast(image, tf.uint8), 0.5, 1.5), "only, not of uint8"),
    ],
)
def test_what_would_be_wrong_or_cannot_be_proven_is_refused(function: Callable[..., Any], why: str) -> None:
    _, facts = found(function)
    assert facts.vectorizes == ""
    assert why in facts.vectorize_refusal


def test_a_random_function_never_works_on_the_batch_as_it_is() -> None:
    _, facts = found(brighten)
    assert facts.random
    assert facts.vectorizes == "vectorized_map"
    assert not facts.jit_compiles


def records() -> list[bytes]:
    def example(row: int) -> bytes:
        features = {
            "x": tf.train.Feature(float_list=tf.train.FloatList(value=[row, row * 2.0, -row])),
            "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[row % 3])),
        }
        return tf.train.Example(features=tf.train.Features(feature=features)).SerializeToString()

    return [example(row) for row in range(40)]


def parse(record: Any) -> Any:
    features = tf.io.parse_single_example(record, SPEC)
    label = features.pop("y")
    return features["x"] * 2.0, label


def parse_and_sum(record: Any) -> Any:
    features = tf.io.parse_single_example(record, SPEC)
    return tf.reduce_sum(features["x"]), features["y"]


def test_parsing_is_exchanged_for_its_batched_twin() -> None:
    _, facts = found(parse, records())
    assert facts.vectorizes == "parse_example"


def test_parsing_with_arithmetic_over_the_record_goes_row_by_row() -> None:
    _, facts = found(parse_and_sum, records())
    assert facts.vectorizes == "vectorized_map"


@pytest.mark.parametrize("function", [parse, parse_and_sum, halve, normalise, flip, contrast])
def test_what_was_found_passes_verification(function: Callable[..., Any]) -> None:
    rows = records() if function in {parse, parse_and_sum} else IMAGES
    recorded, _ = found(function, rows)
    facts = with_batching(recorded, analyse(recorded))
    name = f"map[{function.__name__}].vectorize"
    changed = apply(recorded.pipeline, facts, Configuration({name: True}))
    assert [op.kind for op in changed.trunk()][-2:] == ["batch", "map"]
    assert Verifier(recorded).check(changed) == ""
    assert build(recorded, changed).element_spec == build(recorded).element_spec


def test_elements_without_a_fixed_shape_are_not_batched() -> None:
    recorded = checked(record(lambda: tf.data.Dataset.range(1, 9).map(tf.range).map(tf.reduce_sum).batch(2)))
    facts = with_batching(recorded, analyse(recorded))
    assert "no fixed shape" in facts["map[reduce_sum]"].vectorize_refusal


def predicate(_: Any, label: Any) -> Any:
    return label < 2


def test_a_filter_may_stand_first_and_gives_the_same_data() -> None:
    rows = (IMAGES, np.arange(40) % 4)
    recorded = checked(
        record(
            lambda: tf.data.Dataset.from_tensor_slices(rows).map(lambda x, y: (x / 3.0, y)).filter(predicate).batch(4)
        )
    )
    facts = analyse(recorded)
    changed = apply(recorded.pipeline, facts, Configuration({"filter[predicate].before": "map[0]"}))
    assert [op.kind for op in changed.trunk()] == ["from_tensor_slices", "filter", "map", "batch"]
    assert Verifier(recorded).check(changed) == ""


@pytest.mark.parametrize("drop_remainder", [False, True])
@pytest.mark.parametrize(
    ("padding", "moves"),
    [
        ({}, True),
        ({"padded_shapes": [8, 8, 3], "padding_values": 5.0}, True),
        ({"padded_shapes": [None, None, 3]}, False),
        ({"padded_shapes": [9, 8, 3]}, False),
    ],
    ids=["own shape", "same shape", "open shape", "larger shape"],
)
def test_a_map_crosses_a_padded_batch_only_where_nothing_is_padded(
    padding: dict[str, Any],
    moves: bool,  # noqa: FBT001
    drop_remainder: bool,  # noqa: FBT001
) -> None:
    def dataset_fn() -> tf.data.Dataset:
        rows = tf.data.Dataset.from_tensor_slices(IMAGES[:30]).map(mean_of_all).shuffle(9)
        return rows.padded_batch(8, drop_remainder=drop_remainder, **padding)

    recorded = checked(record(dataset_fn))
    facts = with_batching(recorded, analyse(recorded))
    decisions, refusals = find_sites(recorded.pipeline, facts)
    assert ("map[mean_of_all].vectorize" in {decision.name for decision in decisions}) is moves
    if not moves:
        assert any("would see the padding" in refusal.reason for refusal in refusals)
        return
    changed = apply(recorded.pipeline, facts, Configuration({"map[mean_of_all].vectorize": True}))
    assert [op.kind for op in changed.trunk()][-2:] == ["batch", "map"]
    assert Verifier(recorded).check(changed) == ""
    assert build(recorded, changed).cardinality() == dataset_fn().cardinality()


def test_no_map_crosses_a_padded_batch_of_sequences() -> None:
    recorded = checked(record(lambda: tf.data.Dataset.range(1, 9).map(tf.range).map(lambda x: x + 1).padded_batch(2)))
    facts = with_batching(recorded, analyse(recorded))
    decisions, refusals = find_sites(recorded.pipeline, facts)
    assert not [decision for decision in decisions if decision.setting in {"map.vectorize", "map.micro_batch"}]
    assert any("no fixed shape" in refusal.reason for refusal in refusals)


@barrier
def kept(image: Any) -> Any:
    return image + 1.0


def test_a_barrier_and_keep_pin_a_stage() -> None:
    recorded = checked(record(lambda: tf.data.Dataset.from_tensor_slices(IMAGES).map(kept).map(halve).batch(4)))
    facts = with_pinned(recorded, analyse(recorded), ["map[halve]"])
    assert facts["map[kept]"].pinned
    assert facts["map[halve]"].pinned
    assert not facts["batch[0]"].pinned


def test_keeping_what_is_not_there_is_a_mistake() -> None:
    recorded = checked(record(lambda: tf.data.Dataset.range(4).batch(2)))
    with pytest.raises(UserCodeError, match=r"map\[no\]") as caught:
        with_pinned(recorded, analyse(recorded), ["map[no]"])
    assert "batch[0]" in caught.value.hint


TABLE = tf.lookup.StaticVocabularyTable(
    tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([0, 1], tf.int64)), num_oov_buckets=1
)


def looked_up(word: Any) -> Any:
    return TABLE.lookup(word)


def shouted(word: Any) -> Any:
    return word + "!"


@pytest.mark.parametrize("function", [tf.strings.length, looked_up, shouted])
def test_strings_are_kept_from_xla_which_would_end_the_process(function: Callable[..., Any]) -> None:
    _, facts = found(function, ["a", "b", "c", "a"] * 4)
    assert facts.vectorizes == "native"
    assert not facts.jit_compiles


def on_batches(function: Callable[..., Any]) -> tuple[Recorded, OpFacts]:
    recorded = checked(record(lambda: tf.data.Dataset.from_tensor_slices(IMAGES).batch(8).map(function)))
    [label] = [op.label for op in recorded.pipeline.ops if op.kind == "map"]
    return recorded, with_batching(recorded, analyse(recorded))[label]


def test_a_map_of_batches_is_only_tried_under_xla() -> None:
    for function, compiles in ((halve, True), (through_python, False), (brighten, False)):
        _, facts = on_batches(function)
        assert not facts.vectorizes
        assert facts.jit_compiles == compiles


def test_a_map_of_batches_under_xla_gives_the_same_data() -> None:
    recorded, _ = on_batches(mean_of_all)
    facts = with_batching(recorded, analyse(recorded))
    [decision] = [item for item in find_sites(recorded.pipeline, facts)[0] if item.setting == "map.jit_compile"]
    rewritten = apply(recorded.pipeline, facts, Configuration({decision.name: True}))
    assert Verifier(recorded).check(rewritten) == ""


def seeded_flip(image: Any) -> Any:
    return tf.image.random_flip_left_right(image, seed=7)


def test_a_function_that_draws_from_a_seed_keeps_its_draws() -> None:
    recorded, facts = found(seeded_flip)
    assert not facts.vectorizes
    assert "draws of its seed" in facts.vectorize_refusal
    decisions, _ = find_sites(recorded.pipeline, with_batching(recorded, analyse(recorded)))
    offered = {decision.setting for decision in decisions}
    assert not offered & {"map.vectorize", "map.micro_batch"}
