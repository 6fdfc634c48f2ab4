"""Arrays that are in memory already, with random brightness: the form of most tutorials.

Typical: thousands of small images, sliced one by one, shuffled and varied one by one, and only then batched; the cost
is a call per image for work that a whole batch does in the same time.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

EPOCHS = 20
SIZE = 10_000
BATCH_SIZE = 32
MAX_DELTA = 0.2


@functools.cache
def arrays(size: int) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Images and labels; the same for the same size."""
    random = np.random.default_rng(2)
    return random.random((size, 32, 32, 3), dtype=np.float32), random.integers(0, 10, size, dtype=np.int32)


def augment(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Brightens or darkens one image."""
    return tf.image.random_brightness(image, MAX_DELTA), label


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays(size)).shuffle(1_000)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def augment_batch(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What ``augment`` does, with a draw of its own for every image of a batch."""
    deltas = tf.random.uniform([tf.shape(images)[0], 1, 1, 1], -MAX_DELTA, MAX_DELTA)
    return images + deltas, labels


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: no reading to speed up; the map vectorised, parallel; prefetch."""
    dataset = tf.data.Dataset.from_tensor_slices(arrays(size)).shuffle(1_000).batch(BATCH_SIZE)
    return dataset.map(augment_batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Row numbers are shuffled and batched; the images are gathered a batch at a time."""
    images, labels = map(tf.constant, arrays(size))

    def batch(rows: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return augment_batch(tf.gather(images, rows), tf.gather(labels, rows))

    dataset = tf.data.Dataset.range(size).shuffle(size).batch(BATCH_SIZE)
    return dataset.map(batch, num_parallel_calls=2).prefetch(4)


def model_fn() -> keras.Model:
    """A very small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            keras.layers.Conv2D(8, 3, strides=4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
