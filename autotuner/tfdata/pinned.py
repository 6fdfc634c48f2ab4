"""Which stages the user wants left alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autotuner.barriers import ATTRIBUTE
from autotuner.errors import UserCodeError
from autotuner.pipeline import Facts, Op
from autotuner.tfdata.record import Recorded


def with_pinned(recorded: Recorded, facts: Facts, keep: Sequence[str]) -> Facts:
    """``facts`` with ``pinned`` set for the labels in ``keep`` and for ops whose function is marked as a barrier.

    Raises:
        UserCodeError: ``keep`` names an op the pipeline does not have.
    """
    labels = [op.label for op in recorded.pipeline.ops]
    if unknown := [label for label in keep if label not in labels]:
        raise UserCodeError(
            f"keep names {unknown[0]}, which this pipeline does not have", f"it has {', '.join(labels)}"
        )
    return Facts(
        {
            op.label: replace(facts[op.label], pinned=op.label in keep or _is_barrier(recorded, op))
            for op in recorded.pipeline.ops
        }
    )


def _is_barrier(recorded: Recorded, op: Op) -> bool:
    return any(getattr(recorded.live[function.key], ATTRIBUTE, False) for function in op.functions)
