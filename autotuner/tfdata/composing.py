"""Finds out which functions stay what they are when they stand elsewhere, by tracing them there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import tensorflow as tf

from autotuner.pipeline import Facts, FnRef, Op, Value
from autotuner.rewrites.neighbours import chained, map_behind, maps_above
from autotuner.tfdata.dataflow import output_hashes
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.seeds import SeedState


def with_composition(recorded: Recorded, facts: Facts) -> Facts:
    """``facts`` with ``unaffected_by`` and ``fuses_with`` found for the filters and maps of the trunk."""
    datasets = recorded.datasets
    found = dict(facts.by_path)
    before = SeedState.current()
    try:
        for op in recorded.pipeline.trunk():
            if op.kind == "filter":
                labels = tuple(_ignored(recorded, datasets, op))
                found[op.label] = replace(facts[op.label], unaffected_by=labels)
            elif op.kind == "map" and (follower := map_behind(recorded.pipeline, op)) is not None:
                fuses = _same_as_one(recorded, datasets, facts[op.label].element_spec, op, follower)
                found[op.label] = replace(facts[op.label], fuses_with=follower.label if fuses else "")
    finally:
        before.restore()
    return Facts(found)


def _ignored(recorded: Recorded, datasets: dict[str, tf.data.Dataset], op: Op) -> Iterator[str]:
    """Maps above the filter ``op`` that its predicate does not see."""
    predicate = _live(recorded, op.argument("predicate"))
    for above in maps_above(recorded.pipeline, op):
        if _same_ahead(predicate, datasets[str(above.receiver)], datasets[above.label]):
            yield above.label


def _same_ahead(predicate: Any, source: tf.data.Dataset, mapped: tf.data.Dataset) -> bool:
    """``predicate`` is the same function of the elements of ``source`` whether they are mapped first or not."""
    try:
        return output_hashes(source.filter(predicate)) == output_hashes(mapped.filter(predicate), output_hashes(mapped))
    except Exception:  # noqa: BLE001 - the user's function may raise anything on what it was not written for
        return False


def _same_as_one(recorded: Recorded, datasets: dict[str, tf.data.Dataset], between: str, op: Op, follower: Op) -> bool:
    first, second = op.argument("map_func"), follower.argument("map_func")
    if not isinstance(first, FnRef) or not isinstance(second, FnRef):
        return False
    source, mapped = datasets[str(op.receiver)], datasets[op.label]
    try:
        together = source.map(_live(recorded, chained(first, second, between)))
        apart = mapped.map(_live(recorded, second))
        same = output_hashes(together) == output_hashes(apart, output_hashes(mapped))
    except Exception:  # noqa: BLE001 - the user's functions may raise anything on what they were not written for
        return False
    return same and together.element_spec == apart.element_spec


def _live(recorded: Recorded, function: Value) -> Any:
    return recorded.live.decode_argument("map_func", function, {})
