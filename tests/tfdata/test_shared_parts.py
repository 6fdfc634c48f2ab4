"""Parts that pipelines have in common are made once, as far as one reading leaves nothing behind for the next."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import Op
from autotuner.tfdata.record import record
from autotuner.tfdata.shared_parts import SharedParts

traced: list[str] = []


def slow(x: Any) -> Any:
    traced.append("slow")
    return x * 2


def in_a_chain() -> tf.data.Dataset:
    return tf.data.Dataset.range(8).map(slow).cache().map(lambda x: x + 1).batch(2)


def test_a_function_is_traced_once_for_all_pipelines_that_begin_with_it() -> None:
    recorded = record(in_a_chain)
    parts, other = SharedParts(recorded), recorded.pipeline.remove("batch[0]")
    traced.clear()
    first, second = parts.build_all(recorded.pipeline), parts.build_all(other)
    assert traced == ["slow"]
    assert second["map[slow]"] is first["map[slow]"]
    assert list(map(int, second["map[0]"])) == [1, 3, 5, 7, 9, 11, 13, 15]


def test_what_was_made_is_not_used_where_anything_below_it_is_another() -> None:
    recorded = record(in_a_chain)
    parts = SharedParts(recorded)
    first = parts.build_all(recorded.pipeline)
    shorter = recorded.pipeline.insert_after("range[0]", Op("take[0]", "take", None, (("count", 3),)))
    second = parts.build_all(shorter)
    assert second["range[0]"] is first["range[0]"]
    assert second["map[slow]"] is not first["map[slow]"]
    assert list(map(int, second["map[slow]"])) == [0, 2, 4]


def shuffled() -> tf.data.Dataset:
    return tf.data.Dataset.range(8).shuffle(8).map(slow)


def shuffled_inside() -> tf.data.Dataset:
    return tf.data.Dataset.range(3).flat_map(lambda x: tf.data.Dataset.range(x).shuffle(3)).map(slow)


def behind_a_black_box() -> tf.data.Dataset:
    return tf.data.Dataset.range(3).apply(lambda ds: ds.cache()).map(slow)


@pytest.mark.parametrize(
    ("dataset_fn", "shared"),
    [
        (in_a_chain, {"range[0]", "map[slow]"}),
        (shuffled, {"range[0]"}),
        (shuffled_inside, {"range[0]"}),
        (behind_a_black_box, {"range[0]"}),
    ],
)
def test_caches_and_shuffles_are_made_for_each(dataset_fn: Callable[[], tf.data.Dataset], shared: set[str]) -> None:
    recorded = record(dataset_fn)
    parts = SharedParts(recorded)
    first, second = (parts.build_all(recorded.pipeline) for _ in range(2))
    assert {label for label in first if first[label] is second[label]} == shared


def test_a_fork_has_what_was_there_and_keeps_its_own() -> None:
    recorded = record(in_a_chain)
    parts = SharedParts(recorded)
    fork = parts.fork()
    made = fork.build_all(recorded.pipeline)["map[slow]"]
    assert parts.build_all(recorded.pipeline)["map[slow]"] is not made
    assert parts.fork().build_all(recorded.pipeline)["map[slow]"] is parts.build_all(recorded.pipeline)["map[slow]"]


def test_with_a_global_seed_every_pipeline_draws_its_own() -> None:
    def seeded() -> tf.data.Dataset:
        tf.random.set_seed(3)
        return tf.data.Dataset.range(8).map(lambda x: tf.cast(x, tf.float32) + tf.random.uniform([]))

    recorded = record(seeded)
    parts = SharedParts(recorded)
    first, second = (parts.build_all(recorded.pipeline) for _ in range(2))
    assert first["map[0]"] is not second["map[0]"]
    np.testing.assert_array_equal(list(first["map[0]"].as_numpy_iterator()), list(second["map[0]"].as_numpy_iterator()))
