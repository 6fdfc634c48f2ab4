"""With its draws replaced, a dataset gives the same elements every time, and two builds give the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import keras
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework import node_def_pb2

from autotuner.tfdata.derandomise import UndecidableError, _StandIns, derandomised
from autotuner.tfdata.fingerprint import difference, fingerprint

CONSTANTS = (0.23, 0.81)
IMAGE = tf.reshape(tf.range(192, dtype=tf.float32), [8, 8, 3]) / 192.0
NO_BOXES = tf.zeros([0, 0, 4])

Function = Callable[[tf.Tensor], object]


def looped(_: tf.Tensor) -> tf.Tensor:
    total = 0.0
    for _ in tf.range(3):
        total += tf.random.uniform([])
    return total


def boxed(_: tf.Tensor) -> object:
    return tf.image.sample_distorted_bounding_box(
        [40, 40, 3], NO_BOXES, min_object_covered=0.1, use_image_if_no_bounding_boxes=True
    )


def branched(x: tf.Tensor) -> tf.Tensor:
    return tf.cond(x > 1, lambda: tf.random.uniform([2]), lambda: tf.zeros([2]))


DRAWS: dict[str, Function] = {
    "uniform": lambda _: tf.random.uniform([3]),
    "half precision": lambda _: tf.random.uniform([3], dtype=tf.float16),
    "normal": lambda _: tf.random.normal([3]),
    "truncated normal": lambda _: tf.random.truncated_normal([3]),
    "integers": lambda _: tf.random.uniform([5], 3, 9, tf.int64),
    "shuffle": lambda _: tf.random.shuffle(tf.range(9)),
    "categorical": lambda _: tf.random.categorical([[0.0, 1.0, 2.0]], 5),
    "gamma": lambda _: tf.random.gamma([3], [1.0, 2.0]),
    "poisson": lambda _: tf.random.poisson([3], [1.0, 20.0]),
    "bounding box": boxed,
    "in a branch": branched,
    "in a map": lambda _: tf.map_fn(lambda y: y + tf.random.uniform([]), tf.zeros([3])),
    "in a loop": looped,
    "vectorised": lambda _: tf.vectorized_map(lambda y: y + tf.random.uniform([]), tf.zeros([3])),
    "flip": lambda _: tf.image.random_flip_left_right(IMAGE),
    "brightness": lambda _: tf.image.random_brightness(IMAGE, 0.3),
    "contrast": lambda _: tf.image.random_contrast(IMAGE, 0.5, 1.5),
    "crop": lambda _: tf.image.random_crop(IMAGE, [4, 4, 3]),
    "hue": lambda _: tf.image.random_hue(IMAGE, 0.3),
    "jpeg quality": lambda _: tf.image.random_jpeg_quality(tf.cast(IMAGE * 255, tf.uint8), 20, 90),
}
GENERATED: dict[str, Callable[[tf.random.Generator], object]] = {
    "uniform": lambda g: g.uniform([3]),
    "normal": lambda g: g.normal([3]),
    "truncated normal": lambda g: g.truncated_normal([3]),
    "integers": lambda g: g.uniform([5], 0, 9, tf.int32),
    "all integers": lambda g: g.uniform_full_int([3]),
    "binomial": lambda g: g.binomial([3], 10.0, 0.4),
    "seeds": lambda g: g.make_seeds(2),
    "stateless crop": lambda g: tf.image.stateless_random_crop(IMAGE, [4, 4, 3], seed=g.make_seeds(2)[0]),
    "stateless gamma": lambda g: tf.random.stateless_gamma([3], g.make_seeds(2)[0], 1.5),
    "stateless poisson": lambda g: tf.random.stateless_poisson([3], g.make_seeds(2)[0], 9.5),
    "stateless categorical": lambda g: tf.random.stateless_categorical([[0.0, 1.0]], 9, g.make_seeds(2)[0]),
    "stateless box": lambda g: tf.image.stateless_sample_distorted_bounding_box(
        [40, 40, 3], NO_BOXES, g.make_seeds(2)[0], use_image_if_no_bounding_boxes=True
    ),
}
LAYERS: dict[str, Callable[[], keras.Layer]] = {
    "flip": keras.layers.RandomFlip,
    "rotation": lambda: keras.layers.RandomRotation(0.3),
    "zoom": lambda: keras.layers.RandomZoom(0.3),
    "translation": lambda: keras.layers.RandomTranslation(0.2, 0.2),
    "crop": lambda: keras.layers.RandomCrop(4, 4),
    "contrast": lambda: keras.layers.RandomContrast(0.4),
    "brightness": lambda: keras.layers.RandomBrightness(0.3, value_range=(0, 1)),
}


def mapped(function: Function, count: int = 4) -> tf.data.Dataset:
    return tf.data.Dataset.range(count).map(function)


def differ(left: tf.data.Dataset, right: tf.data.Dataset) -> str:
    made = [fingerprint(dataset, batched=False, max_rows=100) for dataset in (left, right)]
    assert made[0].count > 0
    return difference(*made, ordered=True)


def holds(make: Callable[[], tf.data.Dataset]) -> None:
    for constant in CONSTANTS:
        fixed = derandomised(make(), constant)
        assert not differ(fixed, fixed)
        assert not differ(fixed, derandomised(make(), constant))


@pytest.mark.parametrize("name", DRAWS)
def test_a_draw_in_a_function(name: str) -> None:
    holds(lambda: mapped(DRAWS[name]))


@pytest.mark.parametrize("name", GENERATED)
def test_a_draw_from_a_generator(name: str) -> None:
    generator = tf.random.Generator.from_seed(1)
    holds(lambda: mapped(lambda _: GENERATED[name](generator)))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_that_augments(name: str) -> None:
    layer = LAYERS[name]()
    holds(lambda: mapped(lambda _: layer(IMAGE[None], training=True)))


@pytest.mark.parametrize("constant", CONSTANTS)
def test_integers_stay_in_their_range(constant: float) -> None:
    drawn = derandomised(mapped(lambda _: tf.random.uniform([], -5, 9, tf.int32)), constant)
    assert all(-5 <= int(x) < 9 for x in drawn)


def test_the_two_constants_give_different_data() -> None:
    for name in ("uniform", "flip", "brightness", "bounding box"):
        low, high = (derandomised(mapped(DRAWS[name]), constant) for constant in CONSTANTS)
        assert differ(low, high)


@pytest.mark.parametrize(
    "make",
    [
        lambda: tf.data.Dataset.range(4).interleave(lambda _: tf.data.Dataset.range(6).shuffle(6)),
        lambda: tf.data.Dataset.range(50).shuffle(50),
        lambda: tf.data.Dataset.random().take(5),
        lambda: tf.data.Dataset.random(seed=3, rerandomize_each_iteration=True).take(5),
        lambda: tf.data.Dataset.sample_from_datasets([tf.data.Dataset.range(30)] * 2),
    ],
    ids=["inner shuffle", "shuffle", "random", "rerandomised", "sampled"],
)
def test_orders_and_sources(make: Callable[[], tf.data.Dataset]) -> None:
    holds(make)


def test_stateless_draws_with_seeds_of_their_own_are_left_alone() -> None:
    dataset = mapped(lambda x: tf.random.stateless_uniform([3], [x, 1]))
    assert derandomised(dataset, 0.23) is dataset


def test_kept_types_still_draw() -> None:
    dataset = mapped(lambda _: (tf.random.uniform([]), tf.random.normal([])), 20)
    kept = derandomised(dataset, 0.23, keep=frozenset({"RandomUniform"}))
    uniform, normal = (np.asarray(column) for column in zip(*kept, strict=True))
    assert len(set(uniform.tolist())) > 1
    assert len(set(normal.tolist())) == 1


def test_tables_variables_and_python_work_beside_draws() -> None:
    keys = tf.range(8, dtype=tf.int64)
    table = tf.lookup.StaticHashTable(tf.lookup.KeyValueTensorInitializer(keys, keys * 2), -1)
    weight = tf.Variable(3, dtype=tf.int64)

    def numbers() -> Iterator[int]:
        yield from range(5)

    def stage(x: tf.Tensor) -> tf.Tensor:
        python = tf.py_function(lambda y: y + 1, [table.lookup(x)], tf.int64)
        return python * weight + tf.random.uniform([], 0, 100, tf.int64)

    source = tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec((), tf.int64))
    made = [int(x) for x in derandomised(source.map(stage), 0.23)]
    assert made == [(2 * x + 1) * 3 + 23 for x in range(5)]


def test_without_draws_the_very_dataset_is_used() -> None:
    dataset = mapped(lambda x: tf.py_function(lambda y: y * 2, [x], tf.int64))
    assert derandomised(dataset, 0.23) is dataset


def test_what_cannot_be_replaced_is_said_by_name() -> None:
    # TensorFlow no longer makes this op, but loads graphs that hold it.
    node = node_def_pb2.NodeDef(name="old", op="RandomPoisson")
    with pytest.raises(UndecidableError, match="RandomPoisson cannot be made deterministic"):
        _StandIns(0.23, frozenset(), stateless=False).of(node)


def test_what_cannot_be_serialised_is_undecidable() -> None:
    dataset = tf.data.Dataset.range(3).apply(tf.data.experimental.prefetch_to_device("/cpu:0"))
    with pytest.raises(UndecidableError, match="cannot serialise"):
        derandomised(dataset, 0.23)
