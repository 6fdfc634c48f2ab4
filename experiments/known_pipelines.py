"""Pairs of pipelines of which one takes exactly 1.10 times as long as the other, by construction."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

RATIO = 1.10
EPOCHS, STEPS = 10, 500
_PERIOD_SECONDS = 0.020
_ITERATIONS = 30_000
"""Of a hash: 10 to 20 ms of one core, and their number is all that the time depends on."""
_BATCH = np.zeros(8, np.float32)


def fast_clock() -> tf.data.Dataset:
    """A batch every 20 ms by the clock, whatever making it costs."""
    return _by_the_clock(_PERIOD_SECONDS)


def slow_clock() -> tf.data.Dataset:
    """A batch every 22 ms by the clock."""
    return _by_the_clock(_PERIOD_SECONDS * RATIO)


def fast_work() -> tf.data.Dataset:
    """A fixed amount of computing for each batch."""
    return _by_work(_ITERATIONS)


def slow_work() -> tf.data.Dataset:
    """A tenth more computing for each batch."""
    return _by_work(round(_ITERATIONS * RATIO))


def model_fn() -> Callable[[tf.Tensor], object]:
    """A training step that costs nothing: what is timed is the input alone."""

    def train_step(batch: tf.Tensor) -> object:
        return batch[0]

    return train_step


def _by_the_clock(period_seconds: float) -> tf.data.Dataset:
    def batches() -> Iterator[NDArray[np.float32]]:
        due = time.perf_counter()
        for _ in range(STEPS):
            # What is late stays late: a pause is not made up for, as no pipeline makes up for one.
            due = max(due + period_seconds, time.perf_counter())
            time.sleep(max(0.0, due - time.perf_counter()))
            yield _BATCH

    spec = tf.TensorSpec(_BATCH.shape, tf.float32)
    dataset = tf.data.Dataset.from_generator(batches, output_signature=spec)
    return dataset.apply(tf.data.experimental.assert_cardinality(STEPS)).prefetch(2)


def _by_work(iterations: int) -> tf.data.Dataset:
    def worked(number: np.int64) -> NDArray[np.float32]:
        hashlib.pbkdf2_hmac("sha256", number.tobytes(), b"salt", iterations)  # computes without Python's lock
        return _BATCH

    def batch(number: tf.Tensor) -> tf.Tensor:
        return tf.ensure_shape(tf.numpy_function(worked, [number], tf.float32), _BATCH.shape)

    return tf.data.Dataset.range(STEPS).map(batch).prefetch(2)
