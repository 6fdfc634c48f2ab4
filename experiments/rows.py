"""What the experts do with data that fits in memory: tensors made in the first epoch, then one gather per batch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

_ALL = 1 << 40
_AT_ONCE = 2
"""Batches made at the same time: more only take cores from the model."""


def all_rows(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """One element that holds every element of ``dataset``, which must not be empty."""
    # TensorFlow fuses a batch with the map before it and then allocates the whole batch up front: a prefetch between.
    return dataset.prefetch(1).batch(_ALL)


def gathered(whole: tf.data.Dataset, batch_size: int, finish: Callable[..., Any] | None = None) -> tf.data.Dataset:
    """Batches of the rows of ``whole``'s one element, a new permutation of all of them in each epoch.

    ``whole`` is kept: what it costs is paid once, inside the first epoch. ``finish`` gets the gathered columns, e.g.
    to augment them.
    """

    def epoch(*columns: Any) -> tf.data.Dataset:  # noqa: ANN401 - whatever a row is made of
        count = tf.shape(tf.nest.flatten(columns)[0], out_type=tf.int64)[0]

        def batch(rows: tf.Tensor) -> Any:  # noqa: ANN401 - same
            picked = [tf.gather(column, rows) for column in columns]
            return finish(*picked) if finish else tuple(picked)

        return tf.data.Dataset.range(count).shuffle(count).batch(batch_size).map(batch, num_parallel_calls=_AT_ONCE)

    return whole.cache().flat_map(epoch).prefetch(2 * _AT_ONCE)
