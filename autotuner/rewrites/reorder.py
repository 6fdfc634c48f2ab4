"""Filters ahead of the maps whose work they throw away."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import DecisionValue, Derived, Facts, FnRef, Op, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.neighbours import chained, maps_above
from autotuner.rewrites.order import place

_SUFFIX = ".before"


class FilterFirst:
    """Moves a filter ahead of maps that stand right before it.

    Where the predicate looks only at what a map hands through, it stands ahead of it as it is, and the map may draw
    at random. Elsewhere the predicate looks at what the maps would make of the element; TensorFlow prunes from it
    whatever the predicate does not need, so a filter on labels does not pay for decoding images.

    Law: the sequence stays. A map that is evaluated twice must be deterministic; one that draws at random must draw
    without a seed, for it draws for fewer elements.
    """

    name = "filter_first"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``filter[f].before`` with every map it may stand ahead of, the nearest first."""
        for op in pipeline.trunk():
            if op.kind != "filter":
                continue
            name = op.label + _SUFFIX
            choices: list[DecisionValue] = [None]
            plain = True
            for above in maps_above(pipeline, op):
                plain = plain and above.label in facts[op.label].unaffected_by
                if reason := _why_not(pipeline, facts, op, above, plain=plain):
                    message = f"{op.label} cannot stand ahead of {above.label}: {reason}, {place(above)}"
                    yield Refusal(name, message, op.call_site)
                    break
                choices.append(above.label)
            if len(choices) > 1:
                yield Decision(name, "filter.before", None, Preserves.SEQUENCE, tuple(choices), site=op.call_site)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Moves each filter, and gives it the work of the maps that it does not stand ahead of as it is."""
        for name, value in values.items():
            if value is not None:
                pipeline = _moved(pipeline, facts, name.removesuffix(_SUFFIX), str(value), name)
        return pipeline


def _moved(pipeline: Pipeline, facts: Facts, label: str, before: str, decision: str) -> Pipeline:
    op = pipeline[label]
    above = list(maps_above(pipeline, op))
    labels = [item.label for item in above]
    if before not in labels:
        return pipeline  # another filter's move has parted them
    predicate = op.argument("predicate")
    plain = True
    for item in above[: labels.index(before) + 1]:
        plain = plain and item.label in facts[label].unaffected_by
        function = item.argument("map_func")
        if not isinstance(function, FnRef | Derived) or not isinstance(predicate, FnRef | Derived):
            return pipeline
        predicate = predicate if plain else chained(function, predicate, facts[item.label].element_spec)
    composed = replace(op.with_argument("predicate", predicate), decision=decision)
    source = pipeline[before].receiver
    return pipeline.remove(label).insert_after(str(source), composed)


def _why_not(pipeline: Pipeline, facts: Facts, op: Op, above: Op, *, plain: bool) -> str:
    known = facts[above.label]
    if known.pinned or facts[op.label].pinned:
        return "one of them is kept in its place"
    if not facts[op.label].deterministic:
        return f"{op.label} is not deterministic"
    if len(pipeline.consumers(above.label)) > 1:
        return "its elements are read twice"
    effects = ", ".join(known.python + known.stateful) or known.opaque_reason
    if effects:
        return f"it would not run for every element, and is not deterministic ({effects})"
    if known.random and not plain:
        return f"it would be evaluated twice and is not deterministic ({', '.join(known.random)})"
    if known.seeded:
        return f"with fewer elements, others would get the draws of its seed ({', '.join(known.seeded)})"
    return ""
