"""Time series: overlapping windows of a few measured channels, by ``window`` and ``flat_map``.

Typical: the forecasting tutorials. A dataset is made for every window, so the cost is thousands of tiny iterators for
what is one slice each.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

EPOCHS = 20
SIZE = 6_000
BATCH_SIZE = 64
PAST, CHANNELS = 48, 6
Example = tuple[tf.Tensor, tf.Tensor]


@functools.cache
def series(size: int) -> NDArray[np.float32]:
    """Seasons and noise; the same for the same size."""
    hours = np.arange(size)[:, None] / np.array([24, 168, 12, 48, 720, 6])
    return (np.sin(2 * np.pi * hours) + np.random.default_rng(10).normal(0, 0.1, hours.shape)).astype(np.float32)


def split(window: tf.Tensor) -> Example:
    """What is known, and the next value of the first channel."""
    return window[:-1], window[-1, 0]


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_tensor_slices(series(size))
    dataset = dataset.window(PAST + 1, shift=1, drop_remainder=True)
    dataset = dataset.flat_map(lambda window: window.batch(PAST + 1, drop_remainder=True))
    dataset = dataset.map(split).shuffle(1_000)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel map, cache behind the costly stages, prefetch."""
    dataset = tf.data.Dataset.from_tensor_slices(series(size))
    dataset = dataset.window(PAST + 1, shift=1, drop_remainder=True)
    dataset = dataset.flat_map(lambda window: window.batch(PAST + 1, drop_remainder=True))
    dataset = dataset.map(split, num_parallel_calls=tf.data.AUTOTUNE).cache().shuffle(1_000)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """A window is a range of row numbers: a batch of them is one gather from the series."""
    values = tf.constant(series(size))
    targets = values[:, 0]
    steps = tf.range(PAST, dtype=tf.int64)

    def batch(starts: tf.Tensor) -> Example:
        return tf.gather(values, starts[:, None] + steps), tf.gather(targets, starts + PAST)

    count = size - PAST
    dataset = tf.data.Dataset.range(count).shuffle(count).batch(BATCH_SIZE)
    return dataset.map(batch, num_parallel_calls=2).prefetch(4)


def model_fn() -> keras.Model:
    """Convolutions over time, compiled."""
    model = keras.Sequential(
        [
            keras.Input((PAST, CHANNELS)),
            keras.layers.Conv1D(16, 5, strides=2, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss="mse")
    return model
