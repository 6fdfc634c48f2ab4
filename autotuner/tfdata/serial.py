"""The pipeline that is profiled: the user's own stages, one after the other, with sources that do not end soon."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import tensorflow as tf

from autotuner.pipeline import UNKNOWN, Facts, Op, Pipeline
from autotuner.pipeline.cardinality import asserts_cardinality
from autotuner.tfdata.build import TUNED_ARGUMENTS

_LEAST_ELEMENTS = 1_000
_REPEATS_OF_UNKNOWN = 20
_SHUFFLE_BUFFER = 16
_ENDING = {"take", "take_while"}
_PARALLEL = set(TUNED_ARGUMENTS) - {"cycle_length", "block_length"}


def serial(pipeline: Pipeline, scratch: Path) -> Pipeline:
    """``pipeline`` without parallelism, buffers ahead and options; shuffles are small, caches are in ``scratch``."""
    for op in pipeline.ops:
        if op.kind == "with_options" and op.receiver is not None:
            pipeline = pipeline.remove(op.label)
        else:
            pipeline = pipeline.replace_op(op.label, lambda op: _serial(op, scratch))
    return pipeline


def lengthened(pipeline: Pipeline, facts: Facts) -> Pipeline:
    """``pipeline`` with sources of few elements repeated, so that one step does not use them up.

    An iterator that has ended is no longer in tf.data's model. What an asserted length counts stays as long as it is.
    """
    counted = {item.label for op in pipeline.ops if asserts_cardinality(op) for item in pipeline.upstream(op.label)}
    for op in pipeline.ops:
        times = 1 if op.label in counted else _repeats(op, facts)
        if times > 1:
            repeat = Op(repeated(op.label), "repeat", None, (("count", times),))
            pipeline = pipeline.insert_after(op.label, repeat)
    return pipeline


def repeated(label: str) -> str:
    """Label of the op that repeats the source ``label``."""
    return f"repeat[{label}]"


def watched(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """``dataset`` with its stages as they are written, and the model that profiles them."""
    options = tf.data.Options()
    options.autotune.enabled = True
    options.experimental_optimization.apply_default_optimizations = False
    return dataset.with_options(options)


def _serial(op: Op, scratch: Path) -> Op:
    op = _one_at_a_time(op)
    if op.kind == "prefetch":
        op = op.with_argument("buffer_size", 0)
    elif op.kind == "shuffle":
        op = op.with_argument("buffer_size", _SHUFFLE_BUFFER)
    elif op.kind in {"cache", "snapshot"}:
        # What training reads later is never written here.
        name = "filename" if op.kind == "cache" else "path"
        if op.argument(name, "") != "":
            op = op.with_argument(name, str(scratch / op.label))
    return op


def _one_at_a_time(op: Op) -> Op:
    """The only change that may be made inside functions, too."""
    for name in _PARALLEL & {name for name, _ in op.arguments}:
        op = op.without_argument(name)
    if op.inner is None:
        return op
    return replace(op, inner=Pipeline(tuple(_one_at_a_time(item) for item in op.inner.ops)))


def _repeats(op: Op, facts: Facts) -> int:
    if op.inputs and op.kind not in _ENDING:
        return 1
    count = facts[op.label].cardinality
    if count == UNKNOWN:
        return _REPEATS_OF_UNKNOWN
    return math.ceil(_LEAST_ELEMENTS / count) if count > 0 else 1
