"""Makes a recording trustworthy: what does not rebuild to an equal graph becomes an opaque leaf."""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from autotuner.pipeline import OPAQUE, Op, Pipeline
from autotuner.tfdata.build import build_all
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.record import Recorded, live_keys, opaque_value


def checked(recorded: Recorded) -> Recorded:
    """``recorded`` with each op that does not rebuild to an equal hash replaced by the dataset that was made."""
    while True:
        culprit = _first_difference(recorded)
        if culprit is None:
            return recorded
        recorded = _with_opaque(recorded, *culprit)


def _first_difference(recorded: Recorded) -> tuple[str, str] | None:
    """Label and reason of the first op that rebuilds differently."""
    if recorded.pipeline.output.kind == OPAQUE:
        return None
    whole = _difference(recorded, recorded.pipeline.output)
    if not whole:
        return None
    for op in recorded.pipeline.ops:
        if op.kind != OPAQUE and (reason := _difference(recorded, op)):
            return op.label, reason
    # The parts were equal this time: what a function does differs from trace to trace.
    return recorded.pipeline.output.label, whole


def _difference(recorded: Recorded, op: Op) -> str:
    part = Pipeline(recorded.pipeline.upstream(op.label))
    try:
        rebuilt = build_all(recorded, part)[op.label]
        same = _digest(rebuilt) == _digest(recorded.datasets[op.label])
    except Exception as error:  # noqa: BLE001 - any failure to rebuild has the same answer
        return f"rebuilding it fails: {type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"
    return "" if same else "rebuilding it gives another graph (state or a global changed since it was built)"


def _digest(dataset: tf.data.Dataset) -> str:
    return CanonicalGraph.of(dataset).digest


def _with_opaque(recorded: Recorded, label: str, reason: str) -> Recorded:
    op = recorded.pipeline[label]
    value = opaque_value(recorded.live, recorded.datasets[label], f"{op.kind}: {reason}")
    leaf = Op(label, OPAQUE, None, (("dataset", value),), op.call_site)
    replaced = Pipeline(tuple(leaf if op.label == label else op for op in recorded.pipeline.ops))
    kept = Pipeline(replaced.upstream(replaced.output.label))
    recorded.live.retain(live_keys(kept))
    return dataclasses.replace(
        recorded,
        pipeline=kept,
        datasets={op.label: recorded.datasets[op.label] for op in kept.ops},
        seeds={op.label: recorded.seeds[op.label] for op in kept.ops},
    )
