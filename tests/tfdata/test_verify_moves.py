"""Stages moved or fused wrongly, by hand: the verifier catches every one, and says why."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import Derived, FnRef, Pipeline
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier

_NUMBERS = np.arange(40, dtype=np.float32)


def halve(x: tf.Tensor) -> tf.Tensor:
    return x / 2.0


def add_one(x: tf.Tensor) -> tf.Tensor:
    return x + 1.0


def filtered() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(_NUMBERS).map(halve).filter(lambda x: x > 5.0).batch(8)


def thinned() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(_NUMBERS).map(halve).skip(5).take(10).batch(5)


def two_maps() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(_NUMBERS).map(halve).map(add_one).batch(8)


def fused_backwards(pipeline: Pipeline) -> Pipeline:
    first, second = (pipeline[label].argument("map_func") for label in ("map[halve]", "map[add_one]"))
    assert isinstance(first, FnRef)
    assert isinstance(second, FnRef)
    turned = Derived("chain", (second, first))
    return pipeline.remove("map[halve]").replace_op("map[add_one]", lambda op: op.with_argument("map_func", turned))


def moved(label: str, behind: str) -> Callable[[Pipeline], Pipeline]:
    return lambda pipeline: pipeline.move_after(label, behind)


@pytest.mark.parametrize(
    ("dataset_fn", "edit", "reason"),
    [
        (filtered, moved("map[halve]", "filter[0]"), "examples"),
        (thinned, moved("take[0]", "from_tensor_slices[0]"), "1 elements long"),
        (two_maps, fused_backwards, "example 0 differs"),
        (two_maps, lambda pipeline: pipeline.remove("map[halve]"), "example 1 differs"),
    ],
    ids=["map behind a filter that looks at it", "take ahead of skip", "fused backwards", "fused without the first"],
)
def test_a_wrong_move_is_caught(
    dataset_fn: Callable[[], tf.data.Dataset], edit: Callable[[Pipeline], Pipeline], reason: str
) -> None:
    verifier = Verifier(checked(record(dataset_fn)))

    assert reason in verifier.check(edit(verifier.recorded.pipeline))
