"""The number of elements, said again where a rewrite makes TensorFlow forget it."""

from __future__ import annotations

from autotuner.pipeline import UNKNOWN, AssertBatches, Facts, Op, Pipeline
from autotuner.pipeline.cardinality import asserts_cardinality
from autotuner.pipeline.micro_batches import micro_batches
from autotuner.rewrites.order import ONE_TO_ONE

_HANDS_COUNT_ON = {*ONE_TO_ONE, "shuffle", "cache", "batch"}


def with_known_counts(pipeline: Pipeline, facts: Facts) -> Pipeline:
    """``pipeline`` with ``assert_cardinality`` behind each unbatch of a rewrite, where the number is known.

    It is the number of what the batch before it is given, which is computed when the pipeline is built.
    """
    for op in pipeline.ops:
        made = micro_batches(pipeline, op) if op.kind == "unbatch" else None
        if made is not None and _known(pipeline, facts, made.batch):
            pipeline = pipeline.insert_after(op.label, _assertion(op, made.batch))
    return pipeline


def _assertion(unbatch: Op, batch: str) -> Op:
    length = AssertBatches(batch, batch_size=1, drop_remainder=False)
    arguments = (("transformation_func", length),)
    return Op(f"apply[{unbatch.label}]", "apply", None, arguments, decision=unbatch.decision)


def _known(pipeline: Pipeline, facts: Facts, label: str) -> bool:
    """TensorFlow derives the number of elements of ``label`` from those of its sources.

    It did so for each op that rewrites moved, as recorded: that it does depends on the kind alone.
    """
    op = pipeline[label]
    if asserts_cardinality(op):
        return True
    derived = facts[label].cardinality != UNKNOWN if label in facts.by_path else op.kind in _HANDS_COUNT_ON
    return derived and all(_known(pipeline, facts, read) for read in op.inputs)
