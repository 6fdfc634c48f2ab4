"""The calls that random programs are made of; every element is one int64, or a batch of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import tensorflow as tf

Step = Callable[[Any, int, str], Any]


def triple(x: Any) -> Any:
    return x * 3 + 1


def random_add(x: Any) -> Any:
    # Multiples of 2**40: what was there before can still be read in the lower bits.
    draw = tf.random.uniform(tf.shape(x), 0, 1000, tf.int64)
    return tf.bitwise.bitwise_and(x, 2**40 - 1) + draw * 2**40


def seeded_add(x: Any) -> Any:
    return tf.bitwise.bitwise_and(x, 2**40 - 1) + tf.random.uniform(tf.shape(x), 0, 1000, tf.int64, seed=7) * 2**40


def is_even(x: Any) -> Any:
    return x % 2 == 0


def three_of(x: Any) -> Any:
    return tf.data.Dataset.range(3).map(lambda y: x * 10 + y)


def number_in(line: Any) -> Any:
    return tf.strings.to_number(line, tf.int64)


BATCHED_FORMS = {"triple": "native", "random_add": "vectorized_map"}
"""How the functions work on batches; what would be found out by trying takes long for many random programs."""

STEPS: dict[str, Step] = {
    "range": lambda _, n, __: tf.data.Dataset.range(n),
    "slices": lambda _, n, __: tf.data.Dataset.from_tensor_slices(tf.range(n, dtype=tf.int64)),
    "interleaved": lambda _, n, __: tf.data.Dataset.range(n).interleave(three_of, cycle_length=2),
    "parallel_interleaved": lambda _, n, __: tf.data.Dataset.range(n).interleave(three_of, num_parallel_calls=2),
    "files": lambda _, n, folder: (
        tf.data.Dataset.list_files(f"{folder}/*.txt", seed=n).flat_map(tf.data.TextLineDataset).map(number_in)
    ),
    "triple": lambda ds, _, __: ds.map(triple),
    "random_add": lambda ds, _, __: ds.map(random_add),
    "seeded_add": lambda ds, _, __: ds.map(seeded_add),
    "seeded_parallel": lambda ds, n, _: ds.map(seeded_add, num_parallel_calls=n),
    "map_parallel": lambda ds, n, _: ds.map(triple, num_parallel_calls=n),
    "prefetch": lambda ds, n, _: ds.prefetch(n),
    "cache_": lambda ds, _, __: ds.cache(),
    "shuffle_seeded": lambda ds, n, _: ds.shuffle(4 * n, seed=n),
    "shuffle": lambda ds, n, _: ds.shuffle(4 * n),
    "shuffle_fixed": lambda ds, n, _: ds.shuffle(4 * n, reshuffle_each_iteration=False),
    "take": lambda ds, n, _: ds.take(2 * n),
    "skip": lambda ds, n, _: ds.skip(n),
    "shard": lambda ds, n, _: ds.shard(n, 0),
    "take_all": lambda ds, _, __: ds.take(-1),
    "shuffle_one": lambda ds, _, __: ds.shuffle(1),
    "repeat_once": lambda ds, _, __: ds.repeat(1),
    "filter_even": lambda ds, _, __: ds.filter(is_even),
    "repeat": lambda ds, _, __: ds.repeat(2),
    "batch": lambda ds, n, _: ds.batch(n),
    "batch_drop": lambda ds, n, _: ds.batch(n, drop_remainder=True),
}
