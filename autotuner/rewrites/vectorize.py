"""Maps on whole batches instead of single elements."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import DecisionValue, Derived, Facts, FnRef, Op, Pipeline
from autotuner.rewrites.base import Refusal, Site, switch
from autotuner.rewrites.order import place

SUFFIX = ".vectorize"
_BATCHES = {"batch", "padded_batch"}
_CROSSED = {"prefetch", "repeat", "shard", "shuffle", "skip", "take", "with_options"}
"""Kinds that treat every element alike and look at none: a map may change places with them."""


class Vectorize:
    """Moves a map behind the ``batch`` that follows it, in the form that was found to work on batches.

    Law: the sequence stays; each row of the batch is what the function makes of that row alone, and a random
    function still draws for every row. Which form does so was tried on real rows; see ``OpFacts.vectorizes``.
    Of several maps before a batch only the last ones can move: an earlier one follows when all behind it do.
    A ``padded_batch`` counts as a batch where it has nothing to pad, and is written as one once a map has crossed it;
    where it pads, the function would see padding in place of elements.
    """

    name = "vectorize"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``map[f].vectorize`` for every map of the trunk that a batch follows."""
        for op in pipeline.trunk():
            batch = batch_behind(pipeline, op) if op.kind == "map" else None
            if batch is None:
                continue
            name = op.label + SUFFIX
            if reason := why_not(pipeline, facts, op, batch):
                message = f"{op.label} cannot work on batches: {reason}, {place(op)}"
                yield Refusal(name, message.removesuffix(", "), op.call_site)
            else:
                yield switch(name, "map.vectorize", op)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Moves the maps, the last one first; one that another op still holds back stays where it is."""
        wanted = {name.removesuffix(SUFFIX) for name in values}
        for op in reversed(pipeline.trunk()):
            if op.label not in wanted:
                continue
            batch = batch_behind(pipeline, op)
            if batch is None or any(item.kind not in _CROSSED for item in between(pipeline, op, batch)):
                continue
            decision = op.label + SUFFIX
            pipeline = (
                pipeline.move_after(op.label, batch.label)
                .replace_op(op.label, lambda moved, name=decision: on_batches(moved, facts, name))  # type: ignore[misc]
                .replace_op(batch.label, lambda made, name=decision: _plain(made, name))  # type: ignore[misc]
            )
        return pipeline


def batched_function(function: FnRef | Derived, form: str) -> FnRef | Derived:
    """``function`` as it works on a batch."""
    return function if form == "native" else Derived(form, (function,))


def on_batches(op: Op, facts: Facts, decision: str) -> Op:
    """The map with its function in the form that works on batches; one that runs under XLA still does."""
    function = op.argument("map_func")
    if not isinstance(function, FnRef | Derived):
        raise TypeError(f"{op.label} has no function")
    form = facts[op.label].vectorizes
    if isinstance(function, Derived) and function.form == "jit_compile":
        [compiled] = function.of
        made: FnRef | Derived = Derived("jit_compile", (batched_function(compiled, form),))
    else:
        made = batched_function(function, form)
    return replace(op.with_argument("map_func", made), decision=decision)


def _plain(batch: Op, decision: str) -> Op:
    """A ``padded_batch`` that pads nothing as the ``batch`` it is: its shapes are those of what it no longer gets."""
    if batch.kind == "batch":
        return batch
    plain = batch.without_argument("padded_shapes").without_argument("padding_values")
    return replace(plain, kind="batch", decision=decision)


def batch_behind(pipeline: Pipeline, op: Op) -> Op | None:
    """The first batch of the trunk behind ``op`` that only maps, filters and what may be crossed separate from it."""
    trunk = list(pipeline.trunk())
    for item in trunk[[other.label for other in trunk].index(op.label) + 1 :]:
        if item.kind in _BATCHES:
            return item
        if item.kind not in _CROSSED | {"map", "filter"}:
            return None
    return None


def between(pipeline: Pipeline, op: Op, batch: Op) -> list[Op]:
    """The trunk's ops between two of them."""
    trunk = list(pipeline.trunk())
    labels = [item.label for item in trunk]
    return trunk[labels.index(op.label) + 1 : labels.index(batch.label)]


def why_not(pipeline: Pipeline, facts: Facts, op: Op, batch: Op) -> str:
    """Why the map ``op`` cannot stand behind ``batch``; empty where it can."""
    known = facts[op.label]
    if known.pinned:
        return "it is kept in its place"
    if not known.vectorizes:
        return known.vectorize_refusal or "it was not analysed"
    behind = between(pipeline, op, batch)
    for item in behind:
        if facts[item.label].pinned:
            return f"{item.label} behind it is kept in its place"
        if item.kind == "map" and not facts[item.label].vectorizes:
            return f"{item.label} behind it works on single elements"
    if any(len(pipeline.consumers(item.label)) > 1 for item in (op, *behind)):
        return "its elements are read twice"
    if batch.kind == "padded_batch":
        if facts[batch.label].pinned:
            return f"{batch.label} is kept as it is"
        if not facts[batch.label].pads_nothing:
            return f"{batch.label} pads what it is given, and the function would see the padding"
    return ""
