"""A pipeline's shape: what decides its data, without the numbers that only decide its speed."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from autotuner.pipeline.pipeline import Op, Pipeline
from autotuner.pipeline.values import Value

_SPEED_ARGUMENTS = {
    "num_parallel_calls", "num_parallel_reads", "cycle_length", "block_length", "deterministic",
}  # fmt: skip
_ORDER_ARGUMENTS = {
    "interleave": ("cycle_length", "block_length"),
    "TFRecordDataset": ("num_parallel_reads",),
    "TextLineDataset": ("num_parallel_reads",),
    "FixedLengthRecordDataset": ("num_parallel_reads",),
}


@dataclass(frozen=True)
class OrderChange:
    """An argument that decides the order of elements has another value than the user gave it."""

    path: str
    argument: str
    value: Value


def order_changes(pipeline: Pipeline, recorded: Pipeline) -> Iterator[OrderChange]:
    """Where ``pipeline`` reads in another order than ``recorded``, as far as numbers tell."""
    known = dict(recorded.walk())
    for path, op in pipeline.walk():
        before = known.get(path)
        if before is None or before.kind != op.kind:
            continue
        for argument in _ordering(before, op):
            if op.argument(argument) != before.argument(argument):
                yield OrderChange(path, argument, op.argument(argument))


def _ordering(before: Op, after: Op) -> tuple[str, ...]:
    """Arguments that decide the order: without a number for the cycle, TensorFlow takes that of the calls."""
    arguments = _ORDER_ARGUMENTS.get(after.kind, ())
    by_calls = after.kind == "interleave" and not all(
        isinstance(op.argument("cycle_length"), int) for op in (before, after)
    )
    return (*arguments, "num_parallel_calls") if by_calls else arguments


def structure(pipeline: Pipeline) -> str:
    """Hash that is equal for pipelines that differ only in parallelism, interleaving, prefetches and options.

    What another interleaving does to the data is asked once for each argument, not for each number or structure:
    see :func:`order_changes`.
    """
    return _plain(pipeline).signature()


def _plain(pipeline: Pipeline) -> Pipeline:
    for op in pipeline.ops:
        if op.kind in {"prefetch", "with_options"} and op.receiver is not None:
            pipeline = pipeline.remove(op.label)
    return Pipeline(tuple(_without_speed(op) for op in pipeline.ops))


def _without_speed(op: Op) -> Op:
    for name in _SPEED_ARGUMENTS:
        op = op.without_argument(name)
    return replace(op, inner=Pipeline(tuple(map(_without_speed, op.inner.ops))) if op.inner else None)
