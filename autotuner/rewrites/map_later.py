"""Maps behind the stages that leave elements out."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.neighbours import behind, bound_to_its_elements, does_nothing, hands_on
from autotuner.rewrites.order import place

_SUFFIX = ".after"
_THINNING = {"shard", "skip", "take"}


class MapLater:
    """Moves a map behind ``skip``, ``take`` and ``shard``, which then drop elements before they are worked on.

    Law: the sequence stays, for these stages count elements and look at none. Of several maps above such a stage only
    the last ones can move: an earlier one follows when all behind it do.
    """

    name = "map_later"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``map[f].after`` with every stage that the map may stand behind, the nearest first."""
        for op in pipeline.trunk():
            places = list(_places(pipeline, facts, op)) if op.kind == "map" and op.receiver else []
            if not places:
                continue
            name = op.label + _SUFFIX
            if reason := _why_not(pipeline, facts, op):
                message = f"{op.label} cannot stand behind {places[0].label}: {reason}, {place(op)}"
                yield Refusal(name, message.removesuffix(", "), op.call_site)
            else:
                choices = (None, *(item.label for item in places))
                yield Decision(name, "map.after", None, Preserves.SEQUENCE, choices, site=op.call_site)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Moves the maps, the last one first; one that another map still holds back goes as far as it can."""
        for op in reversed(pipeline.trunk()):
            name = op.label + _SUFFIX
            last: Op | None = None
            for item in _crossed(pipeline, facts, op) if name in values else ():
                if item.kind == "map":
                    break
                last = item if item.kind in _THINNING else last
                if item.label == values[name]:
                    break
            if last is not None:
                moved = replace(op, decision=name)
                pipeline = pipeline.remove(op.label).insert_after(last.label, moved)
        return pipeline


def _places(pipeline: Pipeline, facts: Facts, op: Op) -> Iterator[Op]:
    return (item for item in _crossed(pipeline, facts, op) if item.kind in _THINNING and not does_nothing(item))


def _crossed(pipeline: Pipeline, facts: Facts, op: Op) -> Iterator[Op]:
    """Stages behind ``op`` that it may change places with, or that may move in the same way."""
    for item in behind(pipeline, op):
        if len(pipeline.consumers(item.label)) > 1 or facts[item.label].pinned:
            return
        if item.kind == "map":
            if _why_not(pipeline, facts, item):
                return
        elif item.kind not in {*_THINNING, "shuffle"} and not hands_on(item):
            return
        yield item


def _why_not(pipeline: Pipeline, facts: Facts, op: Op) -> str:
    if len(pipeline.consumers(op.label)) > 1:
        return "its elements are read twice"
    return bound_to_its_elements(facts, op)
