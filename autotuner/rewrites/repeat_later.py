"""Repeats behind the batch, where every epoch fills its batches."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.neighbours import above, behind, bound_to_its_elements, does_nothing, hands_on
from autotuner.rewrites.order import ONE_TO_ONE, place

_SUFFIX = ".after"
_BATCHES = {"batch", "padded_batch"}
_COUNTED = {*ONE_TO_ONE, "cache", "shuffle"}
"""Kinds that give as many elements as they are given."""


class RepeatLater:
    """Moves a repeat behind the batch that follows it: what is kept or gathered can then be whole batches of one epoch.

    Law: the sequence of batches stays, for the number of elements of an epoch is a multiple of the batch size, so
    that no batch holds elements of two epochs. No shuffle may stand between: it mixes epochs.
    """

    name = "repeat_later"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``repeat[0].after`` with the batch behind it."""
        for op in pipeline.trunk():
            batch = batch_behind_repeat(pipeline, op)
            if batch is None:
                continue
            name = op.label + _SUFFIX
            if reason := why_repeat_stays(pipeline, facts, op, batch):
                message = f"{op.label} cannot stand behind {batch.label}: {reason}, {place(op)}"
                yield Refusal(name, message.removesuffix(", "), op.call_site)
            else:
                choices = (None, batch.label)
                yield Decision(name, "repeat.after", None, Preserves.SEQUENCE, choices, site=op.call_site)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Moves each repeat, wherever its batch is by now."""
        del facts
        for name, value in values.items():
            op = pipeline[name.removesuffix(_SUFFIX)]
            moved = replace(op, decision=name)
            pipeline = pipeline.remove(op.label).insert_after(str(value), moved)
        return pipeline


def batch_behind_repeat(pipeline: Pipeline, op: Op) -> Op | None:
    """The first batch behind the repeat ``op``, where only maps, shuffles and what hands on stand between them."""
    if op.kind != "repeat" or does_nothing(op):
        return None
    for item in behind(pipeline, op):
        if item.kind in _BATCHES:
            return item
        if item.kind not in {"map", "shuffle"} and not hands_on(item):
            return None
    return None


def why_repeat_stays(pipeline: Pipeline, facts: Facts, op: Op, batch: Op) -> str:
    """Why the repeat ``op`` cannot stand behind ``batch``; empty where it can."""
    size, count = batch.argument("batch_size"), facts[str(op.receiver)].cardinality
    if not isinstance(size, int):
        return f"{batch.label} has a size that is not written as a number"
    if reason := _uncounted(pipeline, op):
        return reason
    if count <= 0:
        return "how many elements an epoch has is not known"
    if count % size:
        return f"{count} elements do not fill batches of {size}, so that a batch holds elements of two epochs"
    return _held(pipeline, facts, op, batch)


def _uncounted(pipeline: Pipeline, op: Op) -> str:
    for item in above(pipeline, op):
        if item.kind == "shuffle" and item.argument("seed") is not None:
            return f"{item.label} draws from its seed, and TensorFlow runs it as one with a repeat right behind it"
        if item.inputs and (item.kind not in _COUNTED or len(item.inputs) > 1):
            return f"{item.label} may give another number of elements than it is given"
    return ""


def _held(pipeline: Pipeline, facts: Facts, op: Op, batch: Op) -> str:
    trunk = list(pipeline.trunk())
    between = trunk[trunk.index(op) : trunk.index(batch) + 1]
    for item in between:
        if facts[item.label].pinned:
            return f"{item.label} is kept in its place"
        if item is not batch and len(pipeline.consumers(item.label)) > 1:
            return f"{item.label} is read twice"
        if item.kind == "shuffle" and not does_nothing(item):
            return f"{item.label} mixes epochs"
        if item.kind == "map" and (reason := bound_to_its_elements(facts, item)):
            return f"{item.label} stays: {reason}"
    return ""
