"""``tf.data.experimental.assert_cardinality`` among the ops: it says how many elements there are, and checks it."""

from __future__ import annotations

from autotuner.pipeline.pipeline import Op, Pipeline
from autotuner.pipeline.values import AssertBatches, Derived

ASSERTION = "assert_cardinality"
"""Form of the function that the user's ``apply`` is given."""


def asserts_cardinality(op: Op) -> bool:
    """The op passes its elements on and fails when they are not as many as it says; the user's own or a rewrite's."""
    function = op.argument("transformation_func") if op.kind == "apply" else None
    return isinstance(function, AssertBatches) or (isinstance(function, Derived) and function.form == ASSERTION)


def without_assertions(pipeline: Pipeline, below: str = "") -> Pipeline:
    """``pipeline`` as it can be read with fewer elements than it has; only behind ops of kind ``below``, if given.

    Assertions of rewrites stay: they are built with the number that is there.
    """
    for op in pipeline.ops:
        reached = not below or any(item.kind == below for item in pipeline.upstream(op.label))
        if asserts_cardinality(op) and op.decision is None and reached:
            pipeline = pipeline.remove(op.label)
    return pipeline
