"""Tells draws per example from draws per batch: on identical rows, only their randomness makes them differ.

Comparing with constant draws is blind to this, so it is a statistical test: how often two neighbours in a batch are
equal, for each kind of random op alone, in one stage alone: the draws of another would hide it. A flip per example
gives about a half, a flip per batch gives one.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from autotuner.pipeline import Facts, Op, Pipeline
from autotuner.tfdata.derandomise import derandomised
from autotuner.tfdata.fingerprint import equal_neighbours, fingerprint
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.order_laws import BATCHING, yields_batches
from autotuner.tfdata.small_epoch import in_order, shortened, uncached, unshuffled

_ROWS = 192
_TOLERATED = 0.3
"""Difference of two shares; of 150 pairs with share 0.5, five standard deviations."""
_CONSTANT = 0.23
_NOT_WORK = {"cache", "shuffle", "prefetch", "with_options"}
_ANYWHERE = ""


def needs_test(mine: Pipeline, theirs: Pipeline, facts: Facts) -> bool:
    """The stages that work do not stand in the user's order any more, and some of them are random."""
    return bool(_draws(mine, facts)) and _stages(mine) != _stages(theirs)


def draws_to_test(mine: Pipeline, facts: Facts, theirs: Pipeline, their_facts: Facts) -> Mapping[str, tuple[str, ...]]:
    """Types of random ops to look at alone, by the stage of both pipelines that holds them.

    Where the stages are not the same ones, a type is looked at in all of them together.
    """
    left, right = _draws(mine, facts), _draws(theirs, their_facts)
    if left.keys() == right.keys():
        return {label: tuple(sorted({*types, *right[label]})) for label, types in left.items()}
    return {_ANYWHERE: tuple(sorted({name for side in (left, right) for types in side.values() for name in types}))}


def _draws(pipeline: Pipeline, facts: Facts) -> dict[str, tuple[str, ...]]:
    """Types of random ops in functions of the trunk, by label."""
    drawn = {
        op.label: tuple(name for name in facts[op.label].random if "Dataset" not in name) for op in pipeline.trunk()
    }
    return {label: types for label, types in drawn.items() if types}


def equal_shares(
    pipeline: Pipeline,
    facts: Facts,
    draws: Mapping[str, tuple[str, ...]],
    build_all: Callable[[Pipeline], dict[str, tf.data.Dataset]],
) -> dict[str, float]:
    """For each of ``draws`` the share of neighbours in a batch that are equal though nothing else draws."""
    identical = _identical(pipeline, facts)
    if identical is None:
        return {}
    datasets = build_all(identical)
    dataset = in_order(datasets[identical.output.label])
    if not yields_batches(pipeline):
        dataset = dataset.batch(_ROWS)  # neighbours are looked for in batches
    shares: dict[str, float] = {}
    for label, types in draws.items():
        within = None if label == _ANYWHERE else _functions(identical[label], datasets)
        for name in types:
            alone = derandomised(dataset, _CONSTANT, keep=frozenset({name}), within=within)
            equal, pairs = equal_neighbours(fingerprint(alone, batched=True, max_rows=_ROWS, seconds=5.0))
            if pairs:
                shares[f"{name} of {label}" if label else name] = equal / pairs
    return shares


def _functions(op: Op, datasets: Mapping[str, tf.data.Dataset]) -> frozenset[str]:
    """Functions of the graph that ``op`` itself brings along."""
    graph = CanonicalGraph.of(datasets[op.label])
    added = graph.new_nodes([CanonicalGraph.of(datasets[label]) for label in op.inputs])
    return frozenset(graph.functions_of(added))


def draws_differ(mine: dict[str, float], theirs: dict[str, float]) -> str:
    """In words, which draws are no longer made as often; empty where they are."""
    for name, share in mine.items():
        found = theirs.get(name)
        if found is not None and abs(found - share) > _TOLERATED:
            return f"{name} draws {'once for a whole batch' if found > share else 'anew for each example'}"
    return ""


def _stages(pipeline: Pipeline) -> list[tuple[str, tuple[str, ...]]]:
    return [(op.kind, tuple(fn.digest for fn in op.functions)) for op in pipeline.trunk() if op.kind not in _NOT_WORK]


def _identical(pipeline: Pipeline, facts: Facts) -> Pipeline | None:
    """``pipeline`` with one example, many times over, below everything that draws or batches."""
    pipeline = uncached(unshuffled(pipeline))
    place: Op | None = None
    for op in pipeline.trunk():
        if facts[op.label].random or op.kind in BATCHING:
            break
        place = op
    if place is None:
        return None
    one = Op("take[one]", "take", None, (("count", 1),))
    kept = Op("cache[one]", "cache", None, ())  # or all that is above it would be read anew for each of them
    many = Op("repeat[one]", "repeat", None, (("count", _ROWS),))
    pipeline = pipeline.insert_after(place.label, one).insert_after(one.label, kept)
    return shortened(pipeline.insert_after(kept.label, many), _ROWS)
