"""What each stage of a pipeline costs, as it was seen running."""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace

from autotuner.pipeline.facts import Facts, OpFacts
from autotuner.pipeline.pipeline import Pipeline

_CACHES = {"cache", "snapshot"}
_UNITS = (("s", 1.0), ("ms", 1e-3), ("µs", 1e-6))


@dataclass(frozen=True)
class StageCost:
    """Cost of one op, by itself; ``None`` where it could not be told from the others, or gave no element."""

    seconds_per_element: float | None = None
    """Self time, inputs not counted; that of the whole function where what it builds is not told apart."""
    bytes_per_element: float | None = None
    elements_per_step: float | None = None
    """Elements of this op that one element of the output took."""

    @property
    def seconds_per_step(self) -> float | None:
        """Self time within one step of training."""
        if self.seconds_per_element is None or self.elements_per_step is None:
            return None
        return self.seconds_per_element * self.elements_per_step


def shares(costs: Mapping[str, StageCost], paths: AbstractSet[str] | None = None) -> dict[str, float]:
    """Of the known work of a step, the part of each op; of ``paths`` alone, where they are given."""
    known = {
        path: seconds
        for path, cost in costs.items()
        if (seconds := cost.seconds_per_step) is not None and (paths is None or path in paths)
    }
    total = sum(known.values())
    return {path: seconds / total for path, seconds in known.items()} if total > 0 else {}


def paid_once(pipeline: Pipeline) -> frozenset[str]:
    """Labels of ops whose elements all end in a cache: later epochs do not run them."""
    later: set[str] = set()
    waiting = [pipeline.output.label]
    while waiting:
        label = waiting.pop()
        if label not in later:
            later.add(label)
            op = pipeline[label]
            waiting.extend(() if op.kind in _CACHES else op.inputs)
    return frozenset(op.label for op in pipeline.ops if op.label not in later)


def costed(facts: Facts, costs: Mapping[str, StageCost]) -> Facts:
    """``facts`` with what the profile found: times, and sizes where no element could be sampled."""
    return Facts({path: _costed(known, costs.get(path, StageCost())) for path, known in facts.by_path.items()})


def _costed(known: OpFacts, cost: StageCost) -> OpFacts:
    size = cost.bytes_per_element if known.element_bytes is None else known.element_bytes
    return replace(known, seconds_per_element=cost.seconds_per_element, element_bytes=size)


def duration(seconds: float) -> str:
    """A time with a unit that fits it."""
    name, size = next(((name, size) for name, size in _UNITS if seconds >= size), _UNITS[-1])
    number = seconds / size
    return f"{number:.0f} {name}" if number >= 10 else f"{number:.1f} {name}"  # noqa: PLR2004 - two figures
