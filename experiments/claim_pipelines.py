"""The code examples that the claims are about, made measurable: each name is one variant of one example.

Where an example only makes up its data, real files or arrays of the workloads stand in; where it does not run as it was
printed, :mod:`experiments.claim_facts` says so, and what was meant is measured here.
"""

from __future__ import annotations

import time
from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.workloads import in_memory_arrays, model_bound, npz_shards

AUTOTUNE = tf.data.AUTOTUNE
SIZE, BATCH_SIZE = 4_000, 32
Example = tuple[tf.Tensor, tf.Tensor]


def model_fn() -> keras.Model:
    """A convolutional network whose step and input take about as long, so that overlapping them could pay."""
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.MaxPool2D(2),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


slow_model_fn = model_bound.model_fn


def images() -> tf.data.Dataset:
    """Raw images and labels."""
    return tf.data.Dataset.from_tensor_slices(in_memory_arrays.arrays(SIZE))


def light(image: tf.Tensor, label: tf.Tensor) -> Example:
    """A normalisation."""
    return tf.image.convert_image_dtype(image, tf.float32), label


def heavy(image: tf.Tensor, label: tf.Tensor) -> Example:
    """An augmentation that costs more than the training step."""
    image = tf.image.resize(image, [96, 96])
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_crop(image, [64, 64, 3])
    image = tf.image.random_brightness(image, 0.2)
    return tf.image.resize(image, [32, 32]), label


def _python(image: tf.Tensor) -> NDArray[np.float32]:
    values = image.numpy()
    for _ in range(20):
        values = np.sqrt(values * values + 1e-3)
    return values


def python(image: tf.Tensor, label: tf.Tensor) -> Example:
    """Expensive Python code."""
    return tf.ensure_shape(tf.py_function(_python, [image], tf.float32), [32, 32, 3]), label


def prefetch_map_light() -> tf.data.Dataset:
    """A prefetch before a light map."""
    return images().prefetch(AUTOTUNE).map(light).batch(BATCH_SIZE)


def map_light() -> tf.data.Dataset:
    """No prefetch."""
    return images().map(light).batch(BATCH_SIZE)


def prefetch_map_light_prefetch() -> tf.data.Dataset:
    """One before, one after."""
    return prefetch_map_light().prefetch(AUTOTUNE)


def map_heavy() -> tf.data.Dataset:
    """No prefetch."""
    return images().map(heavy).batch(BATCH_SIZE)


def prefetch_map_heavy() -> tf.data.Dataset:
    """A prefetch before a heavy map."""
    return images().prefetch(AUTOTUNE).map(heavy).batch(BATCH_SIZE)


def prefetch_map_heavy_prefetch() -> tf.data.Dataset:
    """One before, one after."""
    return prefetch_map_heavy().prefetch(AUTOTUNE)


def python_serial() -> tf.data.Dataset:
    """Python code in a map, one call at a time."""
    return images().prefetch(AUTOTUNE).map(python).batch(BATCH_SIZE).prefetch(AUTOTUNE)


def python_parallel() -> tf.data.Dataset:
    """Python code in a map that may run in parallel."""
    return images().prefetch(AUTOTUNE).map(python, num_parallel_calls=AUTOTUNE).batch(BATCH_SIZE).prefetch(AUTOTUNE)


def python_parallel_no_prefetch() -> tf.data.Dataset:
    """The same without the last prefetch."""
    return images().prefetch(AUTOTUNE).map(python, num_parallel_calls=AUTOTUNE).batch(BATCH_SIZE)


def cache_before_python() -> tf.data.Dataset:
    """A cache before the expensive map."""
    dataset = images().cache().map(python, num_parallel_calls=AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(AUTOTUNE)


def no_cache_python() -> tf.data.Dataset:
    """No cache."""
    return images().map(python, num_parallel_calls=AUTOTUNE).batch(BATCH_SIZE).prefetch(AUTOTUNE)


def cache_after_python() -> tf.data.Dataset:
    """A cache behind the expensive map."""
    dataset = images().map(python, num_parallel_calls=AUTOTUNE).cache()
    return dataset.batch(BATCH_SIZE).prefetch(AUTOTUNE)


def two_maps(*, parallel: bool, prefetch: bool, cache: bool = False) -> tf.data.Dataset:
    """Resize and convert."""
    calls = AUTOTUNE if parallel else None
    dataset = images().map(lambda image, label: (tf.image.resize(image, [96, 96]), label), num_parallel_calls=calls)
    dataset = dataset.map(lambda image, label: (tf.image.resize(image, [32, 32]), label), num_parallel_calls=calls)
    dataset = (dataset.cache() if cache else dataset).batch(BATCH_SIZE)
    return dataset.prefetch(AUTOTUNE) if prefetch else dataset


def serial_maps() -> tf.data.Dataset:
    """Neither parallel nor prefetched."""
    return two_maps(parallel=False, prefetch=False)


def serial_maps_prefetch() -> tf.data.Dataset:
    """Prefetched."""
    return two_maps(parallel=False, prefetch=True)


def parallel_maps_prefetch() -> tf.data.Dataset:
    """Parallel and prefetched."""
    return two_maps(parallel=True, prefetch=True)


def cached_parallel_maps_prefetch() -> tf.data.Dataset:
    """Cached as well."""
    return two_maps(parallel=True, prefetch=True, cache=True)


def order_batch_shuffle() -> tf.data.Dataset:
    """Map, batch, shuffle, prefetch."""
    return images().map(light).batch(BATCH_SIZE).shuffle(1_000).prefetch(AUTOTUNE)


def order_prefetch_shuffle() -> tf.data.Dataset:
    """Batch, prefetch, shuffle, map."""
    return images().batch(BATCH_SIZE).prefetch(AUTOTUNE).shuffle(1_000).map(light)


def order_shuffle_batch() -> tf.data.Dataset:
    """Shuffle, batch, map, prefetch."""
    return images().shuffle(1_000).batch(BATCH_SIZE).map(light).prefetch(AUTOTUNE)


def order_prefetch_first() -> tf.data.Dataset:
    """Prefetch, shuffle, batch, map."""
    return images().prefetch(AUTOTUNE).shuffle(1_000).batch(BATCH_SIZE).map(light)


def prefetch_10000() -> tf.data.Dataset:
    """A very large buffer, on an epoch of 20,000 batches."""
    return images().repeat(160).batch(BATCH_SIZE).prefetch(10_000)


def prefetch_autotune_long() -> tf.data.Dataset:
    """TensorFlow's own choice, on the same epoch."""
    return images().repeat(160).batch(BATCH_SIZE).prefetch(AUTOTUNE)


def plain() -> tf.data.Dataset:
    """Batches only."""
    return images().batch(BATCH_SIZE)


def plain_prefetch() -> tf.data.Dataset:
    """Batches, prefetched."""
    return plain().prefetch(AUTOTUNE)


def _made(seconds: float) -> Iterator[tuple[NDArray[np.float32], np.int32]]:
    for image, label in zip(*in_memory_arrays.arrays(1_000), strict=True):
        time.sleep(seconds)
        yield image, label


def generated(seconds: float) -> tf.data.Dataset:
    """A generator that needs so long for each example."""
    signature = (tf.TensorSpec([32, 32, 3], tf.float32), tf.TensorSpec([], tf.int32))
    return tf.data.Dataset.from_generator(lambda: _made(seconds), output_signature=signature).batch(BATCH_SIZE)


def generator() -> tf.data.Dataset:
    """A generator about as fast as the model."""
    return generated(0.0001)


def generator_prefetch() -> tf.data.Dataset:
    """Prefetched."""
    return generator().prefetch(AUTOTUNE)


def slow_generator_prefetch_1() -> tf.data.Dataset:
    """A generator much slower than the model, with the smallest buffer."""
    return generated(0.001).prefetch(1)


def slow_generator_prefetch_32() -> tf.data.Dataset:
    """With a large buffer."""
    return generated(0.001).prefetch(32)


def brightness(*, parallel: bool) -> tf.data.Dataset:
    """A light random augmentation."""
    calls = AUTOTUNE if parallel else None
    return images().map(in_memory_arrays.augment, num_parallel_calls=calls).batch(BATCH_SIZE).prefetch(AUTOTUNE)


def brightness_serial() -> tf.data.Dataset:
    """One call at a time."""
    return brightness(parallel=False)


def brightness_parallel() -> tf.data.Dataset:
    """In parallel."""
    return brightness(parallel=True)


def interleaved(cycle_length: int) -> tf.data.Dataset:
    """NumPy archives."""
    dataset = tf.data.Dataset.from_tensor_slices(npz_shards.files(SIZE))
    dataset = dataset.interleave(npz_shards.read, cycle_length=cycle_length, num_parallel_calls=AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(AUTOTUNE)


def interleave_1() -> tf.data.Dataset:
    """One file at a time."""
    return interleaved(1)


def interleave_autotune() -> tf.data.Dataset:
    """As many as TensorFlow takes AUTOTUNE to mean."""
    return interleaved(AUTOTUNE)


def interleave_16() -> tf.data.Dataset:
    """Sixteen."""
    return interleaved(16)
