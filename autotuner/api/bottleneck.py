"""One sentence that says what holds training up."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet

from autotuner.pipeline import Pipeline
from autotuner.pipeline.profile import StageCost, duration, paid_once, shares

_MODEL_BOUND = 0.2
"""Below this share of a step spent waiting, the input is not what holds training up."""


def waiting_share(steps_per_second: Mapping[str, float | None]) -> float | None:
    """The part of a step that the model, alone, would not need; ``None`` where there is no model."""
    rate, ceiling = steps_per_second["as_written"], steps_per_second["ceiling"]
    return max(0.0, 1.0 - rate / ceiling) if rate is not None and ceiling is not None else None


def bottleneck(pipeline: Pipeline, costs: Mapping[str, StageCost], steps_per_second: Mapping[str, float | None]) -> str:
    """The stage that takes most of the input's work, or the model; empty where neither is known."""
    waits = waiting_share(steps_per_second)
    if waits is not None and waits < _MODEL_BOUND:
        share = f"{waits:.0%}".replace("%", " %") if waits >= 0.01 else "less than 1 %"  # noqa: PLR2004 - one percent
        return f"the model is the bottleneck: waiting for input takes {share} of a step"
    stage = _stage(pipeline, costs)
    if waits is None:
        return stage
    rate, ceiling = steps_per_second["as_written"], steps_per_second["ceiling"]
    assert rate is not None  # noqa: S101 - then there would be no share
    assert ceiling is not None  # noqa: S101 - same
    faster = f"the model could run {ceiling / rate:.1f}x faster than it is fed"
    return f"{stage}; {faster}" if stage else faster


def _stage(pipeline: Pipeline, costs: Mapping[str, StageCost]) -> str:
    """What a cache keeps is paid in the first epoch alone: later ones have a bottleneck of their own."""
    once = paid_once(pipeline)
    every = frozenset(costs)
    if not once:
        return _largest(pipeline, costs, every, "the input's work")
    first = _largest(pipeline, costs, every, "the first epoch's input work")
    later = frozenset(path for path in every if path.partition("/")[0] not in once)
    after = _largest(pipeline, costs, later, "the input's work in later epochs")
    return "; ".join(part for part in (first, after) if part)


def _largest(pipeline: Pipeline, costs: Mapping[str, StageCost], paths: AbstractSet[str], work: str) -> str:
    parts = shares(costs, paths)
    if not parts:
        return ""
    path = max(parts, key=lambda path: parts[path])
    seconds = costs[path].seconds_per_step or 0.0
    site = pipeline.at(path).call_site
    where = f" ({site.file.rpartition('/')[2]}:{site.end_line})" if site else ""
    share = f"{parts[path]:.0%}".replace("%", " %")
    return f"{path}{where} takes {share} of {work}: {duration(seconds)} of {duration(seconds / parts[path])} per step"
