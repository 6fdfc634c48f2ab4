"""A Python generator that is slower than the model.

Typical: simulations, parsers, anything that exists only in Python. One thread makes one example after another; what
TensorFlow can do is to run it beside the model, and, where its examples never change, to keep them.
"""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 3_000
BATCH_SIZE = 32
LENGTH = 64
SIGNATURE = (tf.TensorSpec([LENGTH], tf.float32), tf.TensorSpec([], tf.int32))


def examples(size: int) -> Iterator[tuple[NDArray[np.float32], int]]:
    """A damped oscillator for each example, integrated step by step; the same ones each time."""
    random = np.random.default_rng(7)
    for _ in range(size):
        stiffness, damping = random.uniform(0.5, 2.0), random.uniform(0.0, 0.5)
        place, speed = 1.0, 0.0
        path = np.empty(LENGTH, np.float32)
        for step in range(LENGTH * 8):
            speed += 0.01 * (-stiffness * place - damping * speed)
            place += 0.01 * speed
            path[step // 8] = place
        yield path, int(damping > 0.25)  # noqa: PLR2004 - halves the examples


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_generator(lambda: examples(size), output_signature=SIGNATURE)
    return dataset.shuffle(500).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: nothing to run in parallel; cache, prefetch."""
    dataset = tf.data.Dataset.from_generator(lambda: examples(size), output_signature=SIGNATURE)
    return dataset.cache().shuffle(500).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Generated once, in the first epoch; then a gather per batch."""
    dataset = tf.data.Dataset.from_generator(lambda: examples(size), output_signature=SIGNATURE)
    return gathered(all_rows(dataset), BATCH_SIZE)


def model_fn() -> keras.Model:
    """A small perceptron, compiled."""
    model = keras.Sequential(
        [
            keras.Input((LENGTH,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
