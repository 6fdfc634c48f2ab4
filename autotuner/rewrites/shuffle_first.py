"""Shuffles where elements are small: of paths instead of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.neighbours import above, bound_to_its_elements, does_nothing, hands_on
from autotuner.rewrites.order import needs_order_of, place, reorder_refusal
from autotuner.rewrites.reorder import FilterFirst

_SUFFIX = ".before"
_BLOCKING = {
    "batch": "it would shuffle examples instead of batches",
    "padded_batch": "it would shuffle examples instead of batches",
    "cache": "its order would freeze",
    "filter": "its buffer would hold fewer of the elements that are kept, and mix them less",
    "repeat": "epochs would no longer mix",
    "shard": "other elements would be kept",
    "skip": "other elements would be kept",
    "take": "other elements would be kept",
}


class ShuffleFirst:
    """Moves a shuffle ahead of maps, so that its buffer holds what they are given instead of what they make.

    Law: the same buffer size, seed and reshuffling draw the same places, so with a seed the sequence stays; without
    one the order was never given. The maps must not depend on the order in which elements reach them.
    """

    name = "shuffle_first"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``shuffle[0].before`` with every map it may stand ahead of, the nearest first."""
        for op in pipeline.trunk():
            if op.kind != "shuffle" or does_nothing(op):
                continue
            name = op.label + _SUFFIX
            preserves = Preserves.MULTISET if op.argument("seed") is None else Preserves.SEQUENCE
            bound = needs_order_of(pipeline, op.label) if preserves is Preserves.MULTISET else None
            if bound is not None:
                yield reorder_refusal(name, op, bound)
                continue
            choices: list[DecisionValue] = [None]
            for item, reason in _climb(pipeline, facts, op, _filters(pipeline, facts)):
                if reason:
                    message = f"{op.label} cannot stand ahead of {item.label}: {reason}, {place(item)}"
                    yield Refusal(name, message.removesuffix(", "), op.call_site)
                elif item.kind == "map":
                    choices.append(item.label)
            if len(choices) > 1:
                yield Decision(name, "shuffle.before", None, preserves, tuple(choices), site=op.call_site)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Moves each shuffle as far up as it may, and no further than the map that was asked for."""
        for name, value in values.items():
            op = pipeline[name.removesuffix(_SUFFIX)]
            if value not in {item.label for item in above(pipeline, op)}:
                continue  # that map has moved behind the shuffle itself
            highest: Op | None = None
            for item, reason in _climb(pipeline, facts, op, {}):
                if reason:
                    break
                highest = item if item.kind == "map" else highest
                if item.label == value:
                    break
            if highest is not None:
                moved = replace(op, decision=name)
                pipeline = pipeline.remove(op.label).insert_after(str(highest.receiver), moved)
        return pipeline


def _climb(
    pipeline: Pipeline, facts: Facts, op: Op, filters: Mapping[str, tuple[DecisionValue, ...]]
) -> Iterator[tuple[Op, str]]:
    """What stands above the shuffle ``op`` as far as it may go, then what holds it back with the reason.

    ``filters`` may get out of its way, ahead of the maps that are named for each.
    """
    gone: list[tuple[DecisionValue, ...]] = []
    for item in above(pipeline, op):
        if item.receiver is None:
            return
        if item.label in filters:
            gone.append(filters[item.label])
            continue
        reason = _why_not(pipeline, facts, op, item)
        if not reason and item.kind == "map" and any(item.label not in choices for choices in gone):
            reason = f"a filter behind it stays there, and {_BLOCKING['filter']}"
        yield item, reason
        if reason:
            return


def _filters(pipeline: Pipeline, facts: Facts) -> dict[str, tuple[DecisionValue, ...]]:
    found = [site for site in FilterFirst().sites(pipeline, facts) if isinstance(site, Decision)]
    return {site.name.removesuffix(_SUFFIX): site.choices for site in found}


def _why_not(pipeline: Pipeline, facts: Facts, op: Op, item: Op) -> str:
    if len(pipeline.consumers(item.label)) > 1:
        return "its elements are read twice"
    if hands_on(item):
        return ""
    if item.kind == "map":
        return bound_to_its_elements(facts, item)
    if item.kind == "shuffle":
        return f"two shuffles in another order, of {item.label} and {op.label}, draw another one"
    return _BLOCKING.get(item.kind, f"{item.kind} does not give one element for each")
