"""How many elements of each op one training step takes, read off the pipeline."""

from __future__ import annotations

import math
from collections import defaultdict
from dataclasses import replace

from autotuner.pipeline.cardinality import asserts_cardinality
from autotuner.pipeline.facts import UNKNOWN, Facts, OpFacts
from autotuner.pipeline.micro_batches import micro_batches
from autotuner.pipeline.pipeline import Op, Pipeline

_BATCHING = {"batch", "padded_batch", "ragged_batch"}
_ONE_TO_ONE = {
    "cache", "enumerate", "map", "prefetch", "repeat", "scan", "shuffle", "skip", "snapshot", "take", "with_options",
    "zip",
}  # fmt: skip


def elements_per_step(pipeline: Pipeline) -> dict[str, float]:
    """How many elements of each op one element of the output takes, where that is fixed."""
    needed: defaultdict[str, float] = defaultdict(float)
    needed[pipeline.output.label] = 1.0
    unknown: set[str] = set()
    for op in reversed(pipeline.ops):
        taken = None if op.label in unknown else _taken_in(pipeline, op)
        for label in op.inputs:
            if taken is None:
                unknown.add(label)
            else:
                needed[label] += needed[op.label] * taken
    return {label: count for label, count in needed.items() if label not in unknown}


def rescaled(facts: Facts, pipeline: Pipeline) -> Facts:
    """``facts`` of the recorded ops as they are in ``pipeline``, where some of them work on whole batches now."""
    counts = elements_per_step(pipeline)
    found = dict(facts.by_path)
    for op in pipeline.ops:
        if op.label in found and _same_elements(op):
            found[op.label] = replace(found[op.label], cardinality=UNKNOWN, elements_per_step=counts.get(op.label))
        elif op.decision is not None:
            found.pop(op.label, None)  # another op by now, or another size
        if (made := micro_batches(pipeline, op)) is not None and made.last_map in facts.by_path:
            found[op.label] = facts[made.last_map]  # its elements are single again
        known, count = found.get(op.label), counts.get(op.label)
        if known is not None and known.elements_per_step and count and count != known.elements_per_step:
            found[op.label] = _merged(known, known.elements_per_step / count, count)
    return Facts(found)


def _same_elements(op: Op) -> bool:
    """A map that rewrites have moved or fused, and that makes elements of the same size as before."""
    decisions = op.decision.split(", ") if op.decision else []
    return op.kind == "map" and bool(decisions) and all(name.endswith((".after", ".fuse")) for name in decisions)


def _merged(known: OpFacts, factor: float, count: float) -> OpFacts:
    """``factor`` elements of before are one now."""
    return replace(
        known,
        elements_per_step=count,
        cardinality=math.ceil(known.cardinality / factor) if known.cardinality >= 0 else known.cardinality,
        element_bytes=None if known.element_bytes is None else known.element_bytes * factor,
    )


def _taken_in(pipeline: Pipeline, op: Op) -> float | None:
    made = micro_batches(pipeline, op) if op.kind == "unbatch" else None
    return taken_for_each(op) if made is None else 1.0 / made.size


def taken_for_each(op: Op) -> float | None:
    """Elements of each input that one element of ``op``, as the user wrote it, takes."""
    if op.kind in _ONE_TO_ONE or asserts_cardinality(op):
        return 1.0
    size = op.argument({"shard": "num_shards"}.get(op.kind, "batch_size")) if op.kind in {*_BATCHING, "shard"} else None
    return float(size) if isinstance(size, int) else None
