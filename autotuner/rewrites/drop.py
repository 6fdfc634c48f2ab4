"""Stages that do nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.rewrites.base import Site, switch
from autotuner.rewrites.cache import in_file
from autotuner.rewrites.neighbours import above, does_nothing, hands_on

_SUFFIX = ".drop"


class Drop:
    """Leaves out ``shuffle(1)``, ``repeat(1)``, ``take(-1)``, ``skip(0)``, ``shard(1, 0)`` and a second memory cache.

    Law: the sequence stays. Prefetches are left out by their own ``buffer_size``.
    """

    name = "drop"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``LABEL.drop`` for every stage that does nothing."""
        for op in pipeline.trunk():
            idle = does_nothing(op) or _kept_already(pipeline, op)
            if idle and op.receiver and not facts[op.label].pinned:
                yield switch(op.label + _SUFFIX, "stage.drop", op)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Takes the stages out; a cache stays where another decision has moved the one above it away."""
        del facts
        for name in values:
            label = name.removesuffix(_SUFFIX)
            if label in pipeline and (does_nothing(pipeline[label]) or _kept_already(pipeline, pipeline[label])):
                pipeline = pipeline.remove(label)
        return pipeline


def _kept_already(pipeline: Pipeline, op: Op) -> bool:
    if op.kind != "cache" or in_file(op):
        return False
    source = next((item for item in above(pipeline, op) if not hands_on(item)), None)
    return source is not None and source.kind == "cache" and not in_file(source)
