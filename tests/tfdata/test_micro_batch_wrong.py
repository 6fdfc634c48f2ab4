"""Micro-batches made wrongly, by hand: the verifier catches every one, and says why."""

from __future__ import annotations

import pytest
import tensorflow as tf

from autotuner.pipeline import AssertBatches, Op, Pipeline
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier
from tests.tfdata.test_verify_wrong import Edit, Wrong, augmented, jitter, moved, plain, shuffled

_COUNT = 40


def _slices() -> tf.data.Dataset:
    images = tf.random.stateless_uniform([_COUNT, 4, 4, 3], seed=(1, 2))
    return tf.data.Dataset.from_tensor_slices((images, tf.range(float(_COUNT))))


def standardise(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return x - tf.reduce_mean(x), y


def standardised() -> tf.data.Dataset:
    return _slices().map(standardise).shuffle(_COUNT).batch(8)


def standardised_of_unknown_length() -> tf.data.Dataset:
    return _slices().filter(lambda _, y: y > -1.0).map(standardise).cache().batch(8)


def augmented_one_by_one() -> tf.data.Dataset:
    return _slices().map(jitter)


def micro_batched(label: str, *, drop_remainder: bool = False) -> Edit:
    """Small batches before a map, taken apart behind it; its function stays as it is, whatever that does to it."""

    def edit(pipeline: Pipeline) -> Pipeline:
        size = (("batch_size", 16), ("drop_remainder", drop_remainder))
        length = (("transformation_func", AssertBatches("small", 1, drop_remainder=False)),)
        source = str(pipeline[label].receiver)
        return (
            pipeline.insert_after(label, Op("apart", "unbatch"))
            .insert_after("apart", Op("said", "apply", None, length))
            .insert_after(source, Op("small", "batch", None, size))
        )

    return edit


def shuffled_inside(pipeline: Pipeline) -> Pipeline:
    return moved("shuffle[0]", "map[scale]")(micro_batched("map[scale]")(pipeline))


def without_its_length(pipeline: Pipeline) -> Pipeline:
    return micro_batched("map[scale]")(pipeline).remove("said")


WRONG = (
    Wrong("draws once for a micro-batch", augmented, micro_batched("map[jitter]"), "once for a whole batch"),
    Wrong("nothing batched behind it", augmented_one_by_one, micro_batched("map[jitter]"), "once for a whole batch"),
    Wrong("statistics of a micro-batch", standardised, micro_batched("map[standardise]"), "have no equal"),
    Wrong(
        "the last one dropped",
        standardised_of_unknown_length,
        micro_batched("map[standardise]", drop_remainder=True),
        "32 examples instead of 40",
    ),
    Wrong(
        "the last one dropped, length said all the same",
        augmented_one_by_one,
        micro_batched("map[jitter]", drop_remainder=True),
        "32 examples instead of 40",
    ),
    Wrong("micro-batches shuffled", shuffled, shuffled_inside, "other side"),
    Wrong("length forgotten", plain, without_its_length, "unknown length"),
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_wrong_micro_batches_are_caught(wrong: Wrong) -> None:
    verifier = Verifier(checked(record(wrong.dataset_fn)))

    assert wrong.reason in verifier.check(wrong.edit(verifier.recorded.pipeline))


def test_right_ones_pass() -> None:
    verifier = Verifier(checked(record(shuffled)))
    right = micro_batched("map[scale]")(verifier.recorded.pipeline)

    assert verifier.check(right) == ""
