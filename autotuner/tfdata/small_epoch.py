"""The pipelines that are compared: a small epoch of the same data, in an order that repeats."""

from __future__ import annotations

from dataclasses import replace

import tensorflow as tf

from autotuner.pipeline import InputCardinality, Op, Pipeline, Value
from autotuner.pipeline.cardinality import without_assertions
from autotuner.rewrites.materialise import ordered
from autotuner.tfdata.build import TUNED_ARGUMENTS

ENDLESS = 3
"""Epochs that an endless ``repeat`` is cut to."""
_MANY = 100_000
"""More elements than a small epoch has; a shuffle's buffer of this size still takes little memory."""
_DRAWS_ORDER = {"sample_from_datasets", "random", "rejection_resample"}


def settled(pipeline: Pipeline, recorded: Pipeline) -> Pipeline:
    """``pipeline`` with the numbers of ``recorded`` that decide speed, or an order the user has given up.

    Parallelism, cycle lengths and options are no part of a structure: one check stands for all of them.
    """
    for op in pipeline.ops:
        if op.kind in {"prefetch", "with_options"} and op.decision is not None:
            pipeline = pipeline.remove(op.label)
    known = {op.label: op for op in recorded.ops}
    return Pipeline(tuple(_settled(op, known.get(op.label)) for op in pipeline.ops))


def _settled(op: Op, known: Op | None) -> Op:
    if known is not None and known.kind == op.kind:
        for name in TUNED_ARGUMENTS:
            value = known.argument(name)
            op = op.without_argument(name) if value is None else op.with_argument(name, value)
    if op.argument("deterministic") is False:
        op = op.with_argument("deterministic", value=True)
    if op.inner is None:
        return op
    inner = {item.label: item for item in known.inner.ops} if known is not None and known.inner else {}
    return replace(op, inner=Pipeline(tuple(_settled(item, inner.get(item.label)) for item in op.inner.ops)))


def unshuffled(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` without its shuffles; other draws of order are given a fixed seed."""
    pipeline = ordered(pipeline)
    for op in pipeline.ops:
        if op.kind == "shuffle":
            pipeline = pipeline.remove(op.label)
        elif op.kind == "list_files":
            pipeline = pipeline.replace_op(op.label, in_file_order)
        elif op.kind in _DRAWS_ORDER:
            pipeline = pipeline.replace_op(op.label, _seeded)
    return pipeline


def _seeded(op: Op) -> Op:
    return op.without_argument("rerandomize_each_iteration").with_argument("seed", 1)


def in_file_order(op: Op) -> Op:
    """A ``list_files`` that does not shuffle."""
    return op.without_argument("seed").with_argument("shuffle", value=False)


def shortened(pipeline: Pipeline, prefix: int) -> Pipeline:
    """``pipeline`` over the first ``prefix`` elements of every source, with endless repeats cut to a few epochs.

    What is kept in files is kept in memory here: a short epoch must never fill a file that training reads later.
    What asserts the number of elements is left out.
    """
    pipeline = _unasserted(pipeline)
    for op in pipeline.ops:
        if op.kind in {"cache", "snapshot"}:
            pipeline = pipeline.replace_op(op.label, lambda op: replace(op, kind="cache", arguments=()))
        if op.kind == "repeat" and op.argument("count") in {None, -1}:
            pipeline = pipeline.replace_op(op.label, lambda op: op.with_argument("count", ENDLESS))
        if not op.inputs:
            pipeline = _taken(pipeline, op, prefix)
    return pipeline


def _unasserted(pipeline: Pipeline) -> Pipeline:
    read = without_assertions(pipeline)
    return pipeline if read == pipeline else Pipeline(tuple(map(_with_many, read.ops)))


def _with_many(op: Op) -> Op:
    """``op`` with a number above all in place of one that only the assertion told."""
    for name, value in op.arguments:
        if isinstance(value, InputCardinality):
            op = op.with_argument(name, _MANY)
    return op


def _taken(pipeline: Pipeline, source: Op, prefix: int) -> Pipeline:
    take = Op(f"take[{source.label}]", "take", None, (("count", prefix),))
    if source.kind == "list_files" and source.argument("shuffle") is not False:
        # Shuffle behind the prefix, as TensorFlow does inside, or each epoch would be of other files.
        seed = source.argument("seed")
        arguments: tuple[tuple[str, Value], ...] = (("buffer_size", prefix),)
        arguments += () if seed is None else (("seed", seed),)
        shuffle = Op(f"shuffle[{source.label}]", "shuffle", None, arguments)
        pipeline = pipeline.insert_after(source.label, shuffle)
        pipeline = pipeline.replace_op(source.label, in_file_order)
    return pipeline.insert_after(source.label, take)


def uncached(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` without caches and snapshots."""
    for op in pipeline.ops:
        if op.kind in {"cache", "snapshot"}:
            pipeline = pipeline.remove(op.label)
    return pipeline


def in_order(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """``dataset`` with deterministic order, whatever its options say."""
    options = tf.data.Options()
    options.deterministic = True
    return dataset.with_options(options)
