"""The pipeline that is timed in a candidate's place when its first epoch would take too long."""

from __future__ import annotations

import math
from collections.abc import Iterator

from autotuner.pipeline import Facts, Op, Pipeline
from autotuner.pipeline.cardinality import without_assertions
from autotuner.rewrites import materialise
from autotuner.rewrites.cache import in_file

_DROPPING = {"filter", "take_while", "ignore_errors", "unique"}
"""Kinds that give at most as many elements as they get."""


def caches(pipeline: Pipeline) -> tuple[Op, ...]:
    """Caches in memory or in a file, wherever they stand."""
    return tuple(op for op in pipeline.ops if op.kind == "cache")


def twin(pipeline: Pipeline, facts: Facts, *, steps: int, steps_per_epoch: int) -> Pipeline | None:
    """``pipeline`` with every cache fed only what ``steps`` training steps take; ``None`` where that is not known.

    Its later epochs read a filled cache, as those of the whole training will.
    """
    for cache in caches(pipeline):
        place = _place(pipeline, facts, cache, steps, steps / steps_per_epoch)
        if place is None:
            return None
        label, count = place
        take = Op(f"take[{cache.label}]", "take", None, (("count", count),))
        pipeline = pipeline.insert_after(label, take)
    return without_assertions(pipeline, below="cache")


def _place(pipeline: Pipeline, facts: Facts, cache: Op, steps: int, share: float) -> tuple[str, int] | None:
    """Where to take how many elements: nearest to the cache, with the number known or a share of all."""
    for op in _receivers(pipeline, cache):
        known = facts.by_path.get(op.label)
        if known is not None and known.elements_per_step is not None:
            return op.label, math.ceil(known.elements_per_step * steps)
        if known is not None and known.cardinality > 0:
            return op.label, math.ceil(known.cardinality * share)
    return None


def cache_bytes(pipeline: Pipeline, facts: Facts, steps_per_epoch: int) -> tuple[float, float]:
    """Projected bytes in memory and on disk, at most: caches, and shuffle buffers that hold what a file cache holds.

    While the elements of a materialised stage are stacked, they are there twice. Shuffles behind a cache in memory
    hold on to its tensors and take nothing. Unknown element sizes count as nothing.
    """
    memory = disk = 0.0
    for cache in caches(pipeline):
        elements = _elements(pipeline, facts, cache, steps_per_epoch)
        element_bytes = next(
            (size for op in _receivers(pipeline, cache) if (size := _size(facts, op)) is not None), 0.0
        )
        if not in_file(cache):
            memory += elements * element_bytes * (2 if cache.decision == materialise.AFTER else 1)
            continue
        disk += elements * element_bytes
        for shuffle in pipeline.ops:
            if shuffle.kind == "shuffle" and shuffle.decision is not None:
                buffer = shuffle.argument("buffer_size")
                memory += min(elements, buffer if isinstance(buffer, int) else elements) * element_bytes
    return memory, disk


def _elements(pipeline: Pipeline, facts: Facts, cache: Op, steps_per_epoch: int) -> float:
    """How many elements the cache will hold; at most, where stages below it drop some."""
    for op in _receivers(pipeline, cache):
        known = facts.by_path.get(op.label)
        if known is not None and known.cardinality >= 0:
            return known.cardinality
        if known is not None and known.elements_per_step is not None:
            return known.elements_per_step * steps_per_epoch
        if known is not None and op.kind not in _DROPPING:
            return 0.0
    return 0.0


def _size(facts: Facts, op: Op) -> float | None:
    known = facts.by_path.get(op.label)
    return None if known is None else known.element_bytes


def _receivers(pipeline: Pipeline, op: Op) -> Iterator[Op]:
    """The op's receiver, that one's receiver, and so on; ops that rewrites inserted have no facts of their own."""
    while op.receiver is not None:
        op = pipeline[op.receiver]
        yield op
