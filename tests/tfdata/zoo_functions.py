"""Catalogue: what functions a pipeline is given."""

from __future__ import annotations

import functools
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.tfdata.zoo_entry import Catalogue

FUNCTIONS = Catalogue()
_SCALE = 4.0


def _numbers(count: int = 12) -> tf.data.Dataset:
    return tf.data.Dataset.range(count).map(lambda x: tf.cast(x, tf.float32))


def _images(count: int = 8) -> tf.data.Dataset:
    pixels = np.random.default_rng(3).random((count, 6, 6, 3)).astype(np.float32)
    return tf.data.Dataset.from_tensor_slices((pixels, np.arange(count)))


def _scaled(x: tf.Tensor, by: float = 2.0, plus: float = 0.0) -> tf.Tensor:
    return x * by + plus


class Scaler:
    def __init__(self, by: float) -> None:
        self.by = by

    def scale(self, x: tf.Tensor) -> tf.Tensor:
        return x * self.by

    def __call__(self, x: tf.Tensor) -> tf.Tensor:
        return x - self.by


@FUNCTIONS.entry()
def closures_of_a_loop(folder: Path) -> tf.data.Dataset:
    del folder
    ds = _numbers()
    for k in range(3):
        ds = ds.map(lambda x: x * 10 + float(k))  # noqa: B023 - the trap itself
    return ds.batch(4)


@FUNCTIONS.entry()
def helper_functions(folder: Path) -> tf.data.Dataset:
    del folder
    shift = 3.0

    def helper(x: tf.Tensor) -> tf.Tensor:
        return _scaled(x) + shift + _SCALE

    return _numbers().map(lambda x: helper(x) - 1.0).map(_scaled)


@FUNCTIONS.entry()
def partial_function(folder: Path) -> tf.data.Dataset:
    del folder
    return _numbers().map(functools.partial(_scaled, by=3.0)).map(functools.partial(_scaled, plus=1.0))


@FUNCTIONS.entry()
def methods_and_callables(folder: Path) -> tf.data.Dataset:
    del folder
    return _numbers().map(Scaler(3.0).scale).map(Scaler(1.5))


@FUNCTIONS.entry()
def graph_functions(folder: Path) -> tf.data.Dataset:
    del folder

    @tf.function
    def inner(x: tf.Tensor) -> tf.Tensor:
        if tf.reduce_sum(x) > 3.0:
            x = x * 2.0
        return x

    return _numbers().map(inner).map(tf.function(_scaled), num_parallel_calls=tf.data.AUTOTUNE)


@FUNCTIONS.entry()
def control_flow(folder: Path) -> tf.data.Dataset:
    del folder

    def body(x: tf.Tensor) -> tf.Tensor:
        total = tf.constant(0.0)
        for k in tf.range(4):
            if tf.cast(k, tf.float32) > x:
                total += 1.0
        while total < 2.0:
            total += 0.5
        return total

    return _numbers().map(body)


@FUNCTIONS.entry()
def layer_adapted_here(folder: Path) -> tf.data.Dataset:
    del folder
    layer = keras.layers.Normalization(axis=None)
    layer.adapt(np.arange(10, dtype=np.float32))
    return _numbers().batch(4).map(layer)


@FUNCTIONS.entry()
def layer_adapted_on_the_dataset(folder: Path) -> tf.data.Dataset:
    del folder
    ds = _numbers().map(lambda x: x[None])
    layer = keras.layers.Normalization(axis=-1)
    layer.adapt(ds.batch(4))
    return ds.batch(3).map(lambda x: layer(x) * 2.0, num_parallel_calls=2)


@FUNCTIONS.entry()
def string_lookup(folder: Path) -> tf.data.Dataset:
    del folder
    words = tf.data.Dataset.from_tensor_slices(["a", "b", "zzz", "c"] * 3)
    return words.batch(4).map(keras.layers.StringLookup(vocabulary=["a", "b", "c"]))


@FUNCTIONS.entry()
def text_vectorization(folder: Path) -> tf.data.Dataset:
    lines = tf.data.TextLineDataset(str(folder / "lines.txt"))
    layer = keras.layers.TextVectorization(max_tokens=20, output_sequence_length=4)
    layer.adapt(lines)
    return lines.batch(4).map(layer)


@FUNCTIONS.entry()
def lookup_table(folder: Path) -> tf.data.Dataset:
    del folder
    keys = tf.lookup.KeyValueTensorInitializer(["a", "b"], tf.constant([1, 2], tf.int64))
    table = tf.lookup.StaticHashTable(keys, -1)
    return tf.data.Dataset.from_tensor_slices(["a", "b", "c"]).map(table.lookup).map(lambda x: x + 1)


@FUNCTIONS.entry(repeatable=False)
def lookup_and_random(folder: Path) -> tf.data.Dataset:
    del folder
    keys = tf.lookup.KeyValueTensorInitializer(tf.range(8, dtype=tf.int64), tf.range(8, dtype=tf.int64) * 2)
    table = tf.lookup.StaticHashTable(keys, -1)
    weight = tf.Variable(2.0)
    augmented = _images().map(lambda x, y: (tf.image.random_brightness(x, 0.4) * weight, table.lookup(y)))
    return augmented.batch(3)


@FUNCTIONS.entry(repeatable=False)
def random_flips(folder: Path) -> tf.data.Dataset:
    del folder
    flip = keras.layers.RandomFlip("horizontal")
    return _images().batch(4).map(lambda x, y: (flip(x, training=True), y))


@FUNCTIONS.entry(repeatable=False)
def image_augmentation(folder: Path) -> tf.data.Dataset:
    del folder

    def augment(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        x = tf.image.random_flip_left_right(x)
        x = tf.image.random_crop(x, [4, 4, 3])
        return tf.image.random_contrast(x, 0.5, 1.5), y

    return _images().shuffle(8).map(augment, num_parallel_calls=2).batch(4, drop_remainder=True)


@FUNCTIONS.entry()
def seeded_statelessly(folder: Path) -> tf.data.Dataset:
    del folder
    seeds = tf.data.Dataset.counter()
    both = tf.data.Dataset.zip(_images(), seeds)
    return both.map(lambda xy, s: (tf.image.stateless_random_brightness(xy[0], 0.3, seed=[s, 1]), xy[1]))


@FUNCTIONS.entry(repeatable=False)
def generator_of_seeds(folder: Path) -> tf.data.Dataset:
    del folder
    generator = tf.random.Generator.from_seed(5)
    return _numbers().map(lambda x: x + generator.uniform([]))


@FUNCTIONS.entry()
def py_function(folder: Path) -> tf.data.Dataset:
    del folder

    def double(x: tf.Tensor) -> np.ndarray:
        return np.asarray(x.numpy() * 2, np.float32)

    mapped = _numbers().map(lambda x: tf.py_function(double, [x], tf.float32))
    return mapped.map(lambda x: tf.ensure_shape(x, [])).batch(4)


@FUNCTIONS.entry(repeatable=False)
def cached_then_python(folder: Path) -> tf.data.Dataset:
    del folder

    def noisy(x: np.ndarray) -> np.ndarray:
        return np.asarray(x + np.random.rand(), np.float64)  # noqa: NPY002 - what users write

    return _numbers().cache().map(lambda x: tf.numpy_function(noisy, [x], tf.float64)).batch(3)


@FUNCTIONS.entry(repeatable=False)
def random_and_python(folder: Path) -> tf.data.Dataset:
    del folder

    def shifted(x: np.ndarray) -> np.ndarray:
        return (x + 1).astype(np.float32)

    def augment(x: tf.Tensor) -> tf.Tensor:
        return tf.numpy_function(shifted, [x], tf.float32) + tf.random.normal([])

    return _numbers().map(augment).batch(4)


@FUNCTIONS.entry()
def set_seed_first(folder: Path) -> tf.data.Dataset:
    del folder
    tf.random.set_seed(11)
    return _numbers().shuffle(12).map(lambda x: x + tf.random.uniform([])).batch(5)


@FUNCTIONS.entry()
def set_seed_in_between(folder: Path) -> tf.data.Dataset:
    del folder
    first = _numbers().shuffle(12, seed=9)
    tf.random.set_seed(7)
    return first.shuffle(4).batch(5)


@FUNCTIONS.entry()
def iterated_while_built(folder: Path) -> tf.data.Dataset:
    del folder
    ds = _numbers()
    highest = max(float(x) for x in ds)
    count = len(ds) + int(ds.cardinality()) + int(ds.batch(2).reduce(0, lambda n, _: n + 1))
    return ds.map(lambda x: x / highest).take(count // 3)


@FUNCTIONS.entry()
def global_that_is_read(folder: Path) -> tf.data.Dataset:
    del folder
    scaled = _numbers().map(lambda x: x * _SCALE)
    return scaled.filter(lambda x: x > _SCALE)


@FUNCTIONS.entry(repeatable=False)
def labels_chosen_behind_augmentation(folder: Path) -> tf.data.Dataset:
    del folder

    def augment(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return tf.image.random_flip_left_right(x) / 2.0, y

    augmented = _images().map(lambda x, y: (x[:4], y + 1)).map(augment, num_parallel_calls=2)
    return augmented.filter(lambda _, y: y > 2).shuffle(4).batch(3)
