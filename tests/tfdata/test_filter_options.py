"""TensorFlow's own rewrites of filters are no part of a structure, so none is verified again: what they keep."""

from __future__ import annotations

from typing import Any

import pytest
import tensorflow as tf

from autotuner.pipeline import Configuration
from autotuner.rewrites import apply, find_sites
from autotuner.tfdata.build import build
from autotuner.tfdata.examine import examine
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record

OPTIONS = ("options.filter_fusion", "options.filter_parallelization")


def fits_only_in_what_is_kept(number: Any) -> Any:
    with tf.control_dependencies([tf.debugging.assert_greater(number, tf.constant(0, tf.int64))]):
        return 12 % number == 0


def with_a_threshold() -> tf.data.Dataset:
    least = tf.constant(2, tf.int64)
    return tf.data.Dataset.range(30).filter(lambda x: x > least).filter(lambda x: x % 3 == 0).batch(4)


def guarded() -> tf.data.Dataset:
    return tf.data.Dataset.range(30).filter(lambda x: x > 0).filter(fits_only_in_what_is_kept).batch(4)


def of_pairs() -> tf.data.Dataset:
    pairs = tf.data.Dataset.range(30).map(lambda x: (x, x * x))
    return pairs.filter(lambda x, _: x > 3).filter(lambda _, y: y % 2 == 0).filter(lambda x, y: x + y > 40)


@pytest.mark.parametrize("dataset_fn", [with_a_threshold, guarded, of_pairs])
@pytest.mark.parametrize("option", OPTIONS)
def test_the_sequence_stays(dataset_fn: Any, option: str) -> None:
    recorded = checked(record(dataset_fn))
    changed = apply(recorded.pipeline, examine(recorded), Configuration({option: True}))
    assert changed.output.kind == "with_options"
    expected, found = (
        [tf.nest.map_structure(lambda leaf: leaf.tolist(), element) for element in dataset.as_numpy_iterator()]
        for dataset in (build(recorded), build(recorded, changed))
    )
    assert found == expected


@pytest.mark.parametrize(("filters", "offered"), [(0, ()), (1, OPTIONS[1:]), (2, OPTIONS)])
def test_an_option_is_offered_where_it_can_do_something(filters: int, offered: tuple[str, ...]) -> None:
    def dataset_fn() -> tf.data.Dataset:
        dataset = tf.data.Dataset.range(9)
        for _ in range(filters):
            dataset = dataset.filter(lambda x: x > 1)
        return dataset

    recorded = checked(record(dataset_fn))
    decisions, _ = find_sites(recorded.pipeline, examine(recorded))
    assert tuple(item.name for item in decisions if item.name in OPTIONS) == offered
