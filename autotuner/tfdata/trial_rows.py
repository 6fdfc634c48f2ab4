"""Rows that a function is tried on, handed out one by one or in batches of any size."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf


class TrialRows:
    """Stacked rows that are picked by number, so that a graph holds them once however often they are read."""

    def __init__(self, rows: Any) -> None:
        self._stacked = tf.nest.map_structure(tf.constant, rows)
        self.count = len(tf.nest.flatten(rows)[0])

    def one_by_one(self, picks: np.ndarray) -> tf.data.Dataset:
        """The rows with these numbers."""
        return tf.data.Dataset.from_tensor_slices(picks).map(self._picked)

    def in_batches(self, picks: Sequence[np.ndarray]) -> tf.data.Dataset:
        """A batch of the rows with each of these numbers."""
        ends = np.cumsum([len(batch) for batch in picks])
        starts = ends - [len(batch) for batch in picks]
        numbers = tf.constant(np.concatenate(picks))
        return tf.data.Dataset.from_tensor_slices((starts, ends)).map(
            tf.autograph.experimental.do_not_convert(lambda start, end: self._picked(numbers[start:end]))
        )

    @tf.autograph.experimental.do_not_convert
    def _picked(self, numbers: Any) -> Any:
        return tf.nest.map_structure(lambda part: tf.gather(part, numbers), self._stacked)


def variations(rows: Any) -> Any:
    """The rows as they are, then in another order with duplicates, then with floats of very different scale."""

    def scaled(part: np.ndarray) -> np.ndarray:
        if part.dtype.kind != "f":
            return part
        factors = np.geomspace(0.05, 20.0, len(part)).reshape(-1, *[1] * (part.ndim - 1))
        return (part * factors).astype(part.dtype)

    count = len(tf.nest.flatten(rows)[0])
    order = np.asarray([*reversed(range(count)), 0, 0, count - 1])
    return tf.nest.map_structure(lambda part: np.concatenate([part, part[order], scaled(part)]), rows)
