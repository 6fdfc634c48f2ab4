"""Counts the elements of an epoch whose length TensorFlow does not know, without doing the work that makes them."""

from __future__ import annotations

import math

import tensorflow as tf

from autotuner.pipeline import Op, Pipeline
from autotuner.tfdata.build import build_all
from autotuner.tfdata.reading import Reading
from autotuner.tfdata.record import Recorded

_ONE_TO_ONE = {"cache", "enumerate", "map", "prefetch", "shuffle", "with_options"}
_NUMBERS = {"repeat": "count", "shard": "num_shards", "skip": "count", "take": "count"}
_COUNTED = {*_NUMBERS, "batch", "padded_batch", "ragged_batch"}
_AT_ONCE = 4_096


def counted_steps(recorded: Recorded, limit_seconds: float) -> int | None:
    """The number of elements of ``recorded``; ``None`` where it cannot be told in ``limit_seconds``.

    Read is only what decides how many there are: records up to the last filter, say, and no map behind it.
    """
    base, behind = _split(recorded.pipeline)
    part = Pipeline(recorded.pipeline.upstream(base.label))
    dataset = build_all(recorded, part)[base.label].map(_one).batch(_AT_ONCE)
    reading, count = Reading(dataset, limit_seconds), 0
    try:
        count = sum(int(tf.size(ones)) for ones in reading)
    except tf.errors.OpError:
        return None  # reading the whole pipeline shows the same error where it matters
    return _passed(count, behind) if reading.ended else None


@tf.autograph.experimental.do_not_convert
def _one(*element: object) -> tf.Tensor:
    del element
    return tf.constant(1, tf.int8)


def _split(pipeline: Pipeline) -> tuple[Op, list[Op]]:
    """The last op whose elements have to be counted, and the ops behind it that change their number in a known way."""
    behind: list[Op] = []
    for op in reversed(pipeline.trunk()):
        if op.receiver is None or op.kind not in _ONE_TO_ONE | _COUNTED:
            return op, behind
        if op.kind in _COUNTED:
            behind.insert(0, op)
    return pipeline.trunk()[0], behind


def _passed(count: int, ops: list[Op]) -> int | None:
    """What is left of ``count`` elements behind ``ops``."""
    for op in ops:
        passed = _left(count, op)
        if passed is None:
            return None
        count = passed
    return count


def _left(count: int, op: Op) -> int | None:
    number = op.argument(_NUMBERS.get(op.kind, "batch_size"))
    if not isinstance(number, int):
        return None
    match op.kind:
        case "repeat":
            return None if number < 0 else count * number
        case "take":
            return count if number < 0 else min(count, number)
        case "skip":
            return 0 if number < 0 else max(count - number, 0)
        case "shard":
            index = op.argument("index")
            return len(range(index, count, number)) if isinstance(index, int) else None
        case _:
            whole = op.argument("drop_remainder") in {None, False}
            return math.ceil(count / number) if whole else count // number
