"""Readers of several files over the beginning of each of a few: the same records, whatever order they are read in."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable
from typing import Any

import tensorflow as tf

from autotuner.pipeline import AUTOTUNE, Captured, Op, Pipeline, Value, to_json
from autotuner.tfdata.build import call
from autotuner.tfdata.intercept import READERS
from autotuner.tfdata.live import Live


def short_files(pipeline: Pipeline, live: Live, prefix: int) -> Pipeline:
    """``pipeline`` with about ``prefix`` records for each reader that is given a list of files.

    The first records behind a reader are other ones when it reads in another order, the first of each file are not.
    Such a reader is written as TensorFlow makes it, an interleave or a ``flat_map`` over its files.
    """
    ops: list[Op] = []
    for op in pipeline.ops:
        ops += _shortened(op, live, prefix) if op.kind in READERS and not op.inputs else [op]
    return Pipeline(tuple(ops))


def _shortened(reader: Op, live: Live, prefix: int) -> list[Op]:
    filenames = live.decode_argument("filenames", reader.argument("filenames"), {})
    files = tf.reshape(tf.convert_to_tensor(filenames, tf.string), [-1])[: max(1, math.isqrt(prefix))]
    of_each = -(-prefix // max(1, int(tf.size(files))))
    place = f"{reader.label} {_digest(reader)}"
    function = _kept(live, _beginning(reader, live, of_each), f"the first {of_each} records of a file of {place}")
    names = _kept(live, files, f"{len(files)} files of {place}")
    source = Op(f"from_tensor_slices[{reader.label}]", "from_tensor_slices", None, (("tensors", names),))
    kind, numbers = _reading(reader.argument("num_parallel_reads"))
    return [source, Op(reader.label, kind, source.label, (("map_func", function), *numbers))]


def _kept(live: Live, value: object, what: str) -> Captured:
    """``value`` under a key that says what it is: the same each time, so that what is made of it is the same."""
    live.put(what, value)
    return Captured(what, what)


def _digest(reader: Op) -> str:
    told = json.dumps([[name, to_json(value)] for name, value in reader.arguments])
    return hashlib.sha256(told.encode()).hexdigest()[:16]


def _beginning(reader: Op, live: Live, records: int) -> Callable[[tf.Tensor], tf.data.Dataset]:
    arguments: dict[str, Any] = {
        name: live.decode_argument(name, value, {})
        for name, value in reader.arguments
        if name not in {"filenames", "num_parallel_reads"}
    }
    return lambda file: call(reader.kind, None, {"filenames": file, **arguments}).take(records)


def _reading(reads: Value) -> tuple[str, tuple[tuple[str, Value], ...]]:
    """The method that a reader calls for its ``num_parallel_reads``, and the arguments it gives."""
    if reads is None:
        return "flat_map", ()
    if reads == AUTOTUNE:
        return "interleave", (("num_parallel_calls", AUTOTUNE),)
    return "interleave", (("cycle_length", reads), ("block_length", 1), ("num_parallel_calls", reads))
