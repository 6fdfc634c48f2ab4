"""A heavy ``py_function`` in a map: SciPy or NumPy code that nobody wants to rewrite.

Typical: filters, registration, feature extraction. Python's lock makes the parallel calls take turns, the result is
the same in every epoch, and augmentation comes behind it.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 1_500
BATCH_SIZE = 32
SIDE = 48
MAX_DELTA = 0.1
Example = tuple[tf.Tensor, tf.Tensor]


@functools.cache
def arrays(size: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Noisy images and labels; the same for the same size."""
    random = np.random.default_rng(8)
    return random.random((size, SIDE, SIDE), dtype=np.float32), random.integers(0, 10, size, dtype=np.int32)


def smooth(image: tf.Tensor) -> NDArray[np.float32]:
    """Blurs by diffusion: many small NumPy calls, all under Python's lock."""
    field = image.numpy()
    for _ in range(40):
        field = 0.6 * field + 0.1 * (
            np.roll(field, 1, 0) + np.roll(field, -1, 0) + np.roll(field, 1, 1) + np.roll(field, -1, 1)
        )
    return field.astype(np.float32)


def denoise(image: tf.Tensor, label: tf.Tensor) -> Example:
    """One smooth image."""
    smoothed = tf.py_function(smooth, [image], tf.float32)
    return tf.ensure_shape(smoothed, [SIDE, SIDE])[..., None], label


def augment(image: tf.Tensor, label: tf.Tensor) -> Example:
    """Brightens or darkens one image."""
    return tf.image.random_brightness(image, MAX_DELTA), label


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays(size)).shuffle(size)
    dataset = dataset.map(denoise, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel maps, cache behind the costly one, prefetch."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays(size))
    dataset = dataset.map(denoise, num_parallel_calls=tf.data.AUTOTUNE).cache().shuffle(size)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def augment_batch(images: tf.Tensor, labels: tf.Tensor) -> Example:
    """What ``augment`` does, with a draw of its own for every image of a batch."""
    return images + tf.random.uniform([tf.shape(images)[0], 1, 1, 1], -MAX_DELTA, MAX_DELTA), labels


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Python once per image, in the first epoch; then a gather and an augmentation of the whole batch."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays(size)).map(denoise, num_parallel_calls=2)
    return gathered(all_rows(dataset), BATCH_SIZE, augment_batch)


def model_fn() -> keras.Model:
    """A very small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((SIDE, SIDE, 1)),
            keras.layers.Conv2D(8, 3, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
