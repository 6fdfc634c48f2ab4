"""Pipelines that are small as written, and decisions or batches that make them exceed any small memory limit."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from autotuner.pipeline import Configuration

_MIB = 1 << 20
_KEPT: list[NDArray[np.float32]] = []
ELEMENTS = 4_000
BATCH_SIZE = 4
_STEP_SECONDS = 0.05
GENTLE_CALLS = 400
"""A hungry map behaves for so many elements."""


@dataclass(frozen=True)
class Hungry:
    """What is asked of which pipeline; without decisions it is the pipeline itself that is hungry."""

    name: str
    dataset: str
    configuration: Configuration


def cases() -> list[Hungry]:
    """Twenty: too many elements ahead, too many at once, kept for ever, too large, and memory that is never freed."""
    ahead = [
        Hungry(f"{place} {count}", dataset, Configuration({place: count}))
        for dataset, place in (
            ("large_elements", "prefetch[end].buffer_size"),
            ("large_elements", "prefetch[map[grow]].buffer_size"),
            ("unknown_sizes", "prefetch[map[grow_unevenly]].buffer_size"),
        )
        for count in (1_000, 100_000)
    ]
    kept = [
        Hungry(f"cache after {label}, {dataset}", dataset, Configuration({"cache.after": label}))
        for dataset, label in (
            ("large_elements", "map[grow]"),
            ("large_elements", "batch[0]"),
            ("unknown_sizes", "map[grow_unevenly]"),
            ("unknown_sizes", "batch[0]"),
        )
    ]
    at_once = [
        Hungry(f"{name} {value}", dataset, Configuration({name: value, "prefetch[end].buffer_size": 500}))
        for dataset, name, value in (
            ("large_elements", "map[grow].num_parallel_calls", 64),
            ("large_elements", "map[grow].vectorize", True),
            ("many_files", "prefetch[interleave[source]].buffer_size", 1_000),
        )
    ]
    itself = [
        Hungry(name, name, Configuration())
        for name in (
            "huge_shuffle",
            "shuffle_of_batches",
            "huge_batch",
            "huge_prefetch",
            "own_cache",
            "leaking_map",
            "allocating_map",
        )
    ]
    return [*ahead, *kept, *at_once, *itself]


def grow(number: tf.Tensor) -> tf.Tensor:
    """Four MiB."""
    return tf.cast(number, tf.float32) + tf.zeros([_MIB])


def grow_unevenly(number: tf.Tensor) -> tf.Tensor:
    """Four MiB, of a shape that nobody can know before."""
    return tf.cast(number, tf.float32) + tf.zeros([tf.cast(_MIB + number * 0, tf.int64)])


def _numbers() -> tf.data.Dataset:
    return tf.data.Dataset.range(ELEMENTS)


def large_elements() -> tf.data.Dataset:
    """Four MiB each."""
    return _numbers().map(grow).batch(BATCH_SIZE).prefetch(1)


def unknown_sizes() -> tf.data.Dataset:
    """The same, of a shape that the specification does not tell."""
    return _numbers().map(grow_unevenly).batch(BATCH_SIZE).prefetch(1)


def many_files() -> tf.data.Dataset:
    """Sources that are read in turn."""

    def source(number: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(number, number + 100).map(grow)

    return tf.data.Dataset.range(40).interleave(source, cycle_length=1).batch(BATCH_SIZE).prefetch(1)


def huge_shuffle() -> tf.data.Dataset:
    """A buffer of everything."""
    return _numbers().map(grow).shuffle(ELEMENTS).batch(BATCH_SIZE)


def shuffle_of_batches() -> tf.data.Dataset:
    """A buffer of batches, each many elements."""
    return _numbers().map(grow).batch(BATCH_SIZE).shuffle(ELEMENTS)


def huge_batch() -> tf.data.Dataset:
    """One batch of everything."""
    return _numbers().map(grow).batch(ELEMENTS)


def huge_prefetch() -> tf.data.Dataset:
    """Everything ahead."""
    return _numbers().map(grow).batch(BATCH_SIZE).prefetch(ELEMENTS)


def own_cache() -> tf.data.Dataset:
    """The user's own cache of more than fits."""
    return _numbers().map(grow).cache().batch(BATCH_SIZE)


def leaking_map() -> tf.data.Dataset:
    """Python code that keeps everything, after a while."""
    return _hungry(_leak)


def allocating_map() -> tf.data.Dataset:
    """Python code that wants more than there is, after a while."""
    return _hungry(_allocate)


def _hungry(function: Callable[[np.int64], np.float32]) -> tf.data.Dataset:
    def hungry(number: tf.Tensor) -> tf.Tensor:
        return tf.reshape(tf.numpy_function(function, [number], tf.float32), [1])

    return _numbers().map(hungry).batch(BATCH_SIZE)


def _leak(number: np.int64) -> np.float32:
    if number >= GENTLE_CALLS:
        _KEPT.append(np.ones(64 * _MIB, np.float32))
    return np.float32(number)


def _allocate(number: np.int64) -> np.float32:
    if number < GENTLE_CALLS:
        return np.float32(number)
    return np.ones(4_096 * _MIB, np.float32)[-1]


def model_fn() -> Callable[[tf.Tensor], object]:
    """A training step that needs no memory of its own, and takes a moment, so that the input gets ahead of it."""

    def train_step(batch: tf.Tensor) -> object:
        time.sleep(_STEP_SECONDS)
        return batch[0, 0]

    return train_step
