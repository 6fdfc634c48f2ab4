"""What is found out about each op, by kind of function."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import INFINITE, UNKNOWN, Facts, OpFacts
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.analyse import facts_of as facts_unread
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from tests.tfdata.conftest import Recording
from tests.tfdata.zoo import BY_NAME

IMAGE = tf.zeros([6, 6, 3])
Function = Callable[[tf.Tensor], object]


def looped(x: tf.Tensor) -> tf.Tensor:
    total = tf.cast(x, tf.float32)
    while total < 10.0:
        total += 1.0 + tf.random.uniform([])
    return total


def asserting(x: tf.Tensor) -> tf.Tensor:
    tf.debugging.assert_non_negative(x)
    return x


def helper(x: tf.Tensor) -> tf.Tensor:
    return tf.function(lambda y: tf.cast(y, tf.float32) + tf.random.normal([]))(x)


RANDOM: dict[str, tuple[Function, str]] = {
    "flip": (lambda _: tf.image.random_flip_left_right(IMAGE), "RandomUniform"),
    "brightness": (lambda _: tf.image.random_brightness(IMAGE, 0.2), "RandomUniform"),
    "crop": (lambda _: tf.image.random_crop(IMAGE, [2, 2, 3]), "RandomUniformInt"),
    "jpeg quality": (lambda _: tf.image.random_jpeg_quality(IMAGE, 20, 90), "RandomUniformInt"),
    "cond": (lambda x: tf.cond(x > 1, lambda: tf.random.uniform([]), lambda: 0.0), "RandomUniform"),
    "map_fn": (lambda _: tf.map_fn(lambda y: y + tf.random.uniform([]), tf.zeros([2])), "RandomUniform"),
    "while": (looped, "RandomUniform"),
    "function": (helper, "RandomStandardNormal"),
    "shuffle": (lambda _: tf.random.shuffle(tf.range(3)), "RandomShuffle"),
    "categorical": (lambda _: tf.random.categorical([[0.0, 1.0]], 2), "Multinomial"),
}
STATELESS: dict[str, Function] = {
    "constant seed": lambda _: tf.image.stateless_random_brightness(IMAGE, 0.3, seed=(1, 2)),
    "seed from the element": lambda x: tf.image.stateless_random_flip_left_right(IMAGE, seed=[x, 0]),
    "no randomness": lambda x: x + 1,
    "read_file": lambda _: tf.io.read_file(__file__),
    "assert": asserting,
}


def stage(function: Function) -> OpFacts:
    recorded = checked(record(lambda: tf.data.Dataset.range(3).map(function)))
    return analyse(recorded)[recorded.pipeline.output.label]


def facts_of(dataset_fn: Callable[[], tf.data.Dataset]) -> Facts:
    return analyse(checked(record(dataset_fn)))


@pytest.mark.parametrize("name", RANDOM)
def test_random_functions(name: str) -> None:
    function, kind = RANDOM[name]
    known = stage(function)
    assert kind in known.random
    assert not known.python
    assert not known.stateful


@pytest.mark.parametrize("name", STATELESS)
def test_deterministic_functions(name: str) -> None:
    assert stage(STATELESS[name]).deterministic


def test_generators_and_layers_are_random() -> None:
    generator = tf.random.Generator.from_seed(1)
    assert "RngReadAndSkip" in stage(lambda _: generator.normal([])).random
    for layer in (keras.layers.RandomFlip(), keras.layers.RandomRotation(0.2), keras.layers.RandomContrast(0.2)):
        known = stage(lambda _, layer=layer: layer(IMAGE[None], training=True))  # type: ignore[misc]
        assert known.random
        assert not known.stateful


def test_draws_that_a_counter_seeds_are_deterministic(recording: Recording) -> None:
    assert analyse(recording(BY_NAME["seeded_statelessly"]))["map[0]"].deterministic


@pytest.mark.parametrize("name", ["lookup_table", "string_lookup", "text_vectorization", "layer_adapted_here"])
def test_tables_and_adapted_layers_are_harmless(name: str, recording: Recording) -> None:
    recorded = recording(BY_NAME[name])
    found = analyse(recorded)
    mapped = [op.label for op in recorded.pipeline.ops if op.kind == "map"]
    assert mapped
    assert all(found[label].deterministic for label in mapped)


def test_prints_and_writes_are_side_effects() -> None:
    counter = tf.Variable(0, dtype=tf.int64)

    def printing(x: tf.Tensor) -> tf.Tensor:
        tf.print(x)
        return x

    assert stage(printing).stateful == ("PrintV2",)
    assert stage(counter.assign_add).stateful == ("AssignAddVariableOp",)


def test_python_is_found_in_functions_and_sources(recording: Recording) -> None:
    assert stage(lambda x: tf.py_function(lambda y: y, [x], tf.int64)).python == ("EagerPyFunc",)
    assert stage(lambda x: tf.numpy_function(lambda y: y, [x], tf.int64)).python == ("PyFunc",)
    assert analyse(recording(BY_NAME["generator"]))["from_generator[numbers]"].python


def test_what_happens_inside_nested_datasets_is_found() -> None:
    def draws() -> tf.data.Dataset:
        return tf.data.Dataset.range(2).interleave(
            lambda x: tf.data.Dataset.range(3).map(lambda y: tf.cast(x + y, tf.float32) + tf.random.uniform([]))
        )

    def shuffles() -> tf.data.Dataset:
        return tf.data.Dataset.range(2).flat_map(lambda _: tf.data.Dataset.range(3).shuffle(3))

    def calls() -> tf.data.Dataset:
        return tf.data.Dataset.range(2).flat_map(
            lambda x: tf.data.Dataset.from_tensors(x).map(lambda y: tf.numpy_function(lambda z: z, [y], tf.int64))
        )

    assert facts_of(draws)["interleave[0]"].random == ("RandomUniform",)
    assert facts_of(shuffles)["flat_map[0]"].random == ("ShuffleDatasetV3",)
    assert facts_of(calls)["flat_map[0]"].python == ("PyFunc",)


def test_a_shuffle_that_a_function_captures_is_random() -> None:
    def captured() -> tf.data.Dataset:
        outer = tf.data.Dataset.range(5).shuffle(5)
        return tf.data.Dataset.range(2).flat_map(lambda _: outer)

    assert facts_of(captured)["flat_map[0]"].random == ("ShuffleDatasetV3",)


def test_only_the_op_that_draws_is_random(recording: Recording) -> None:
    found = analyse(recording(BY_NAME["photographs"]))
    drawing = {label for label, known in found.by_path.items() if known.random}
    assert drawing == {"map[augment]"}


def test_cardinalities(recording: Recording) -> None:
    assert analyse(recording(BY_NAME["arrays_in_memory"]))["batch[0]"].cardinality == 7
    assert analyse(recording(BY_NAME["repeated_for_ever"]))["repeat[0]"].cardinality == INFINITE
    assert analyse(recording(BY_NAME["records_in_one_reader"]))["TFRecordDataset[0]"].cardinality == UNKNOWN


def test_sizes_come_from_the_spec_or_from_elements(recording: Recording) -> None:
    found = analyse(recording(BY_NAME["photographs"]))
    assert found["map[augment]"].element_bytes == 8 * 8 * 3 * 4
    assert 20 < (found["list_files[0]"].element_bytes or 0) < 400
    padded = analyse(recording(BY_NAME["padded"]))
    assert padded["padded_batch[0]"].element_bytes == pytest.approx(3 * 11 / 3 * 8, rel=0.5)
    unread = recording(BY_NAME["padded"])
    assert facts_unread(unread.pipeline, unread.datasets, unread.live)["padded_batch[0]"].element_bytes is None


def test_what_a_training_step_takes() -> None:
    def tree() -> tf.data.Dataset:
        images = tf.data.Dataset.range(100).map(lambda x: x).shard(2, 0)
        labels = tf.data.Dataset.range(50).batch(1).unbatch()
        return tf.data.Dataset.zip(images, labels).shuffle(5).batch(4).batch(2).prefetch(1)

    found = facts_of(tree)
    per_step = {label: known.elements_per_step for label, known in found.by_path.items()}
    assert per_step["shuffle[0]"] == per_step["zip[0]"] == per_step["unbatch[0]"] == per_step["shard[0]"] == 8
    assert per_step["map[0]"] == per_step["range[0]"] == 16
    assert per_step["range[1]"] is None


def test_an_opaque_leaf_says_why(recording: Recording) -> None:
    found = analyse(recording(BY_NAME["built_before"]))
    assert "making was not seen" in found["opaque[0]"].opaque_reason
    assert not found["opaque[0]"].deterministic
    assert found["map[0]"].deterministic


def test_facts_survive_json(recording: Recording) -> None:
    found = analyse(recording(BY_NAME["image_augmentation"]))
    assert Facts.from_json(found.to_json()) == found


def test_numpy_draws_while_tracing_are_constants_that_rebuild_differently() -> None:
    def drawn() -> tf.data.Dataset:
        return tf.data.Dataset.range(3).map(lambda x: tf.cast(x, tf.float64) + np.random.default_rng().random())

    recorded = checked(record(drawn))
    assert [op.kind for op in recorded.pipeline.ops] == ["opaque"]
