"""Adds up what tf.data's model has seen of each op."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from autotuner.pipeline import Facts, Op, Pipeline
from autotuner.pipeline.counts import taken_for_each
from autotuner.pipeline.profile import StageCost
from autotuner.tfdata.model_nodes import Found, tellable
from autotuner.tfdata.serial import repeated

_PER_NANOSECOND = 1e-9


@dataclass
class _Seen:
    """The latest sight of one node."""

    found: Found
    seconds: float
    elements: int
    produced_bytes: int


class Tally:
    """The latest sight of every node: iterators inside functions come and go, and each one counts."""

    def __init__(self) -> None:
        self._first: dict[int, dict[int, Any]] = {}
        self._seen: dict[tuple[int, int], _Seen] = {}

    def add(self, reading: int, found: Iterable[Found]) -> None:
        """Takes down one sight of the model of one reading of the dataset.

        What the first sight showed is left out of the later ones: the first element pays for what happens once.
        """
        sight = list(found)
        first = self._first.setdefault(reading, {item.node.id: item.node for item in sight})
        for item in sight:
            self._seen[reading, item.node.id] = _since(item, first.get(item.node.id))

    def costs(self, pipeline: Pipeline, facts: Facts) -> dict[str, StageCost]:
        """The cost of every op of the recorded pipeline by its path, inner ones too."""
        by_path: defaultdict[str, list[_Seen]] = defaultdict(list)
        for seen in self._seen.values():
            by_path[seen.found.path].append(seen)
        counts = {path: _elements(seen) for path, seen in by_path.items()}
        for op in pipeline.ops:
            counts[op.label] = max(counts.get(op.label, 0), counts.get(repeated(op.label), 0))
        steps = _per_step(pipeline, counts, facts)
        return {
            path: StageCost(
                seconds_per_element=_seconds(by_path[path], told_apart=_told_apart(op, by_path[path])),
                bytes_per_element=_bytes(by_path[path]),
                elements_per_step=steps.get(path),
            )
            for path, op in pipeline.walk()
            if not any(
                outer in by_path and not _told_apart(pipeline.at(outer), by_path[outer]) for outer in _above(path)
            )
        }


def _told_apart(op: Op, seen: list[_Seen]) -> bool:
    """What the op's function makes is counted for ops of its own."""
    return op.inner is not None and tellable(op.inner) and not any(item.found.made for item in seen)


def _above(path: str) -> list[str]:
    """Paths of the ops in whose functions an op is."""
    parts = path.split("/")
    return ["/".join(parts[:count]) for count in range(1, len(parts))]


def _since(found: Found, first: Any | None) -> _Seen:
    node = found.node
    if first is None or node.num_elements == first.num_elements:
        return _Seen(found, node.processing_time * _PER_NANOSECOND, node.num_elements, node.bytes_produced)
    return _Seen(
        found,
        (node.processing_time - first.processing_time) * _PER_NANOSECOND,
        node.num_elements - first.num_elements,
        node.bytes_produced - first.bytes_produced,
    )


def _elements(seen: list[_Seen]) -> int:
    return sum(item.elements for item in seen if item.found.first and not item.found.made)


def _seconds(seen: list[_Seen], *, told_apart: bool) -> float | None:
    """Own time for each element, and that of what the function made, for each element of that."""
    own = [item for item in seen if not item.found.made]
    made = [item for item in seen if item.found.made]
    elements = _elements(seen)
    if not elements:
        return None
    seconds = math.fsum(item.seconds for item in own) / elements
    if not any(item.found.runs_datasets for item in own):
        return seconds
    if made:
        given = sum(item.elements for item in made if item.found.first)
        return seconds + math.fsum(item.seconds for item in made) / given if given else None
    # What the function made is not in the sum: then it must be told apart, or this is not the whole.
    return seconds if told_apart else None


def _bytes(seen: list[_Seen]) -> float | None:
    elements = _elements(seen)
    given = sum(item.produced_bytes for item in seen if item.found.first and not item.found.made)
    return given / elements if elements and given else None


def _per_step(pipeline: Pipeline, counts: dict[str, int], facts: Facts) -> dict[str, float]:
    """Elements of each op for one of the output: as the pipeline says, or else as they were counted."""
    found = _needed(pipeline, lambda op, label: _taken(op, label, counts, facts), 1.0)
    for path, op in pipeline.walk():
        if op.inner is not None and path in found:
            inner = _needed(op.inner, _taken_inside(path, counts), found[path])
            found |= {f"{path}/{label}": count for label, count in inner.items()}
    return found


def _needed(pipeline: Pipeline, taken: Callable[[Op, str], float | None], of_output: float) -> dict[str, float]:
    needed: defaultdict[str, float] = defaultdict(float)
    needed[pipeline.output.label] = of_output
    unknown: set[str] = set()
    for op in reversed(pipeline.ops):
        for label in op.inputs:
            each = None if op.label in unknown else taken(op, label)
            if each is None:
                unknown.add(label)
            else:
                needed[label] += needed[op.label] * each
    return {label: count for label, count in needed.items() if label not in unknown}


def _taken(op: Op, label: str, counts: dict[str, int], facts: Facts) -> float | None:
    """Elements of the input ``label`` for one of ``op``."""
    if op.kind == "concatenate":
        # What stands one after the other is seen in parts only.
        part, whole = facts[label].cardinality, facts[op.label].cardinality
        return part / whole if part > 0 and whole > 0 else None
    fixed = taken_for_each(op)
    return _counted(counts, op.label, label) if fixed is None else fixed


def _taken_inside(path: str, counts: dict[str, int]) -> Callable[[Op, str], float | None]:
    """The same for the ops in the function of the op at ``path``, of which there are no facts."""

    def taken(op: Op, label: str) -> float | None:
        fixed = taken_for_each(op)
        return _counted(counts, f"{path}/{op.label}", f"{path}/{label}") if fixed is None else fixed

    return taken


def _counted(counts: dict[str, int], op: str, source: str) -> float | None:
    return counts[source] / counts[op] if counts.get(op) and counts.get(source) else None
