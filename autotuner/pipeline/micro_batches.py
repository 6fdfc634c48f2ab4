"""The small batches that rewrites put maps on, read off the ops."""

from __future__ import annotations

from dataclasses import dataclass

from autotuner.pipeline.cardinality import asserts_cardinality
from autotuner.pipeline.pipeline import Op, Pipeline


@dataclass(frozen=True)
class MicroBatches:
    """A ``batch`` and the ``unbatch`` that takes its batches apart again; maps and prefetches between them."""

    batch: str
    """Label of the batch."""
    size: int
    last_map: str
    """Label; its elements, one by one, are what comes out."""


def micro_batches(pipeline: Pipeline, op: Op) -> MicroBatches | None:
    """What comes out of ``op``, the unbatch of a rewrite or the assertion behind it; ``None`` for every other op."""
    if asserts_cardinality(op) and op.receiver is not None:
        op = pipeline[op.receiver]
    if op.kind != "unbatch" or op.decision is None:
        return None
    last_map = ""
    while op.kind != "batch":
        if op.receiver is None:
            return None
        op = pipeline[op.receiver]
        last_map = last_map or (op.label if op.kind == "map" else "")
    size = op.argument("batch_size")
    return MicroBatches(op.label, size, last_map) if isinstance(size, int) else None
