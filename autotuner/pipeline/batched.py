"""Which ops are given whole batches."""

from __future__ import annotations

from autotuner.pipeline.pipeline import Op, Pipeline

_BATCHING = {
    "batch", "bucket_by_sequence_length", "group_by_window", "padded_batch", "ragged_batch", "rebatch", "sparse_batch",
    "window",
}  # fmt: skip


def is_given_batches(pipeline: Pipeline, op: Op) -> bool:
    """What the op is given was batched somewhere above it, and not taken apart again."""
    while op.receiver is not None:
        op = pipeline[op.receiver]
        if op.kind == "unbatch":
            return False
        if op.kind in _BATCHING:
            return True
    return False
