"""Kinds of change a pipeline can take, each with the law it keeps."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from autotuner.errors import IllegalConfigurationError
from autotuner.pipeline import AUTOTUNE, Configuration, Facts, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Refusal, Rewrite, Site
from autotuner.rewrites.cache import Cache
from autotuner.rewrites.drop import Drop
from autotuner.rewrites.fuse import Fuse
from autotuner.rewrites.interleave import Interleave
from autotuner.rewrites.jit_compile import JitCompile
from autotuner.rewrites.known_counts import with_known_counts
from autotuner.rewrites.map_later import MapLater
from autotuner.rewrites.materialise import Materialise
from autotuner.rewrites.micro_batch import MicroBatch
from autotuner.rewrites.order import natural_preserve, place_of
from autotuner.rewrites.parallelism import Parallelism
from autotuner.rewrites.prefetch import Prefetch
from autotuner.rewrites.reorder import FilterFirst
from autotuner.rewrites.repeat_later import RepeatLater
from autotuner.rewrites.runtime import Runtime
from autotuner.rewrites.shuffle_first import ShuffleFirst
from autotuner.rewrites.vectorize import Vectorize

REWRITES: tuple[Rewrite, ...] = (
    FilterFirst(),
    ShuffleFirst(),
    MapLater(),
    RepeatLater(),
    Vectorize(),
    JitCompile(),
    Materialise(),
    Cache(),
    MicroBatch(),
    Interleave(),
    Parallelism(),
    Prefetch(),
    Drop(),
    Fuse(),
    Runtime(),
)
"""In the order in which they are applied: shape first, then numbers, then what stands around them."""


def find_sites(pipeline: Pipeline, facts: Facts) -> tuple[tuple[Decision, ...], tuple[Refusal, ...]]:
    """Everything that can be decided about ``pipeline``, and everything that is refused."""
    found = [site for rewrite in REWRITES for site in _sites(rewrite, pipeline, facts)]
    decisions = tuple(site for site in found if isinstance(site, Decision))
    refusals = tuple(site for site in found if isinstance(site, Refusal))
    return decisions, refusals


def apply(pipeline: Pipeline, facts: Facts, configuration: Configuration) -> Pipeline:
    """``pipeline`` as recorded, with ``configuration`` applied.

    Raises:
        IllegalConfigurationError: a decision is not offered on this pipeline, or not with this value.
    """
    offers = [
        {site.name: site for site in _sites(rewrite, pipeline, facts) if isinstance(site, Decision)}
        for rewrite in REWRITES
    ]
    offered = {name: decision for offer in offers for name, decision in offer.items()}
    if pending := configuration.keys() - offered.keys():
        names = ", ".join(sorted(pending))
        raise IllegalConfigurationError(
            f"this pipeline does not offer {names}", "see `autotuner inspect` for what it does"
        )
    _check(configuration, offered)
    active = effective(configuration, tuple(offered.values()))
    rewritten = pipeline
    for rewrite, offer in zip(REWRITES, offers, strict=True):
        # In the order of the offers: equal configurations are applied alike.
        mine = {name: active[name] for name in offer if name in active}
        if mine:
            rewritten = rewrite.apply(rewritten, facts, mine)
    return with_known_counts(rewritten, facts)


def effective(configuration: Configuration, decisions: Sequence[Decision]) -> Configuration:
    """``configuration`` without decisions that are at the status quo, inactive or unknown."""
    by_name = {decision.name: decision for decision in decisions}

    def active(decision: Decision) -> bool:
        if decision.governed_by is None:
            return True
        other = by_name.get(decision.governed_by)
        if other is None or not active(other):
            return decision.active_beside(None)
        return decision.active_beside(configuration.get(other.name, other.status_quo))

    def changes(name: str) -> bool:
        decision = by_name.get(name)
        return decision is not None and configuration[name] != decision.status_quo and active(decision)

    return Configuration({name: value for name, value in configuration.items() if changes(name)})


def _sites(rewrite: Rewrite, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
    """The sites of a rewrite; those on a stage that the user keeps are refused, whatever the rewrite."""
    kept = tuple(f"{op.label}{end}" for op in pipeline.ops if facts[op.label].pinned for end in (".", "/"))
    for site in rewrite.sites(pipeline, facts):
        if kept and isinstance(site, Decision) and site.name.startswith(kept):
            yield _placed(Refusal(site.name, f"{site.name.rpartition('.')[0]} is kept as it is", site.site))
        else:
            yield _placed(site) if isinstance(site, Refusal) else site


def _placed(refusal: Refusal) -> Refusal:
    """``refusal`` with a line of the user's code, its own where the reason names none."""
    where = place_of(refusal.site)
    if not where or where.rpartition(":")[0] in refusal.reason:
        return refusal
    return replace(refusal, reason=f"{refusal.reason}, {where}")


def _check(configuration: Configuration, offered: Mapping[str, Decision]) -> None:
    for name, value in configuration.items():
        decision = offered[name]
        if not decision.allows(value):
            what = f"one of: {', '.join(map(str, decision.choices))}" if decision.choices else _numbers(decision)
            raise IllegalConfigurationError(f"{name} cannot be {value!r}", f"it can be {what}")


def _numbers(decision: Decision) -> str:
    special = f", or {AUTOTUNE}" if decision.autotune else ""
    return f"an integer from {decision.least} on{special}"


__all__ = [
    "REWRITES",
    "Decision",
    "Preserves",
    "Refusal",
    "Rewrite",
    "apply",
    "effective",
    "find_sites",
    "natural_preserve",
]
