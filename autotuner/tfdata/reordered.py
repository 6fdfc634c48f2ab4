"""Compares data under another order of reading: whatever the order, an epoch has the same examples.

That an order may change rests on rules about what stands behind it; here those rules meet the elements.
"""

from __future__ import annotations

from collections.abc import Callable

from autotuner.pipeline import Op, Pipeline, Value
from autotuner.pipeline.structure import OrderChange
from autotuner.rewrites.cycle import fitting
from autotuner.rewrites.order import keeps_by_order, left_to_chance
from autotuner.tfdata.compare import Comparison, Side
from autotuner.tfdata.derandomise import UndecidableError
from autotuner.tfdata.order_laws import BATCHING
from autotuner.tfdata.shared_parts import SharedParts

_GROUPING = {"bucket_by_sequence_length", "padded_batch"}
"""Kinds whose rows depend on what shares their batch, by padding alone."""
_PROBE = 5
"""A second value: by chance, one of them may choose the very elements that the user's own chooses."""


def reorder_difference(parts: SharedParts, change: OrderChange, comparison_of: Callable[[Pipeline], Comparison]) -> str:
    """How the examples differ once ``change`` is made to the recorded pipeline; empty when they do not.

    Compared is what reaches the first stage that groups elements which a shuffle has left to chance. Empty as well
    where two readings of the user's own pipeline differ, or an epoch takes too long to be read whole.
    """
    mine = _up_to_chance(parts.recorded.pipeline, change.path.partition("/")[0])
    if mine is None:
        return ""
    comparison = comparison_of(mine)
    try:
        if not comparison.repeatable:
            return ""
    except UndecidableError:
        return ""
    for value in dict.fromkeys((change.value, _PROBE)):
        theirs = mine.replace_at(change.path, lambda op, value=value: _with(op, change.argument, value))  # type: ignore[misc]
        if reason := comparison.unordered_difference(Side(parts, theirs)):
            return f"with another {change.path}.{change.argument} {reason}"
    return ""


def _with(op: Op, argument: str, value: Value) -> Op:
    return fitting(op.without_argument(argument) if value is None else op.with_argument(argument, value))


def _up_to_chance(pipeline: Pipeline, label: str) -> Pipeline | None:
    """``pipeline`` without what depends on chance behind ``label``; ``None`` where that cannot be cut off."""
    behind = {label}
    for op in pipeline.ops:
        if behind.isdisjoint(op.inputs):
            continue
        behind.add(op.label)
        grouped = op.kind in BATCHING or keeps_by_order(op)
        if op.kind in _GROUPING or (grouped and left_to_chance(pipeline, op)):
            return Pipeline(pipeline.upstream(op.receiver)) if op.receiver in behind else None
    return pipeline
