"""What stands next to what: stages that hand on their elements, maps among them, and the work of two maps as one."""

from __future__ import annotations

from collections.abc import Iterator

from autotuner.pipeline import Derived, Facts, FnRef, Op, Pipeline

_PASSED_ON = {"prefetch", "with_options"}
_NEUTRAL: dict[str, tuple[tuple[str, int], ...]] = {
    "shuffle": (("buffer_size", 1),),
    "repeat": (("count", 1),),
    "take": (("count", -1),),
    "skip": (("count", 0),),
    "shard": (("num_shards", 1), ("index", 0)),
}


def does_nothing(op: Op) -> bool:
    """Its numbers make ``op`` give the elements it is given, in their order."""
    numbers = _NEUTRAL.get(op.kind)
    return numbers is not None and all(
        type(op.argument(name)) is int and op.argument(name) == number for name, number in numbers
    )


def hands_on(op: Op) -> bool:
    """``op`` gives the very elements it is given, in their order."""
    return op.kind in _PASSED_ON or does_nothing(op)


def above(pipeline: Pipeline, op: Op) -> Iterator[Op]:
    """What ``op`` is made from along the trunk, the nearest first."""
    while op.receiver:
        op = pipeline[op.receiver]
        yield op


def behind(pipeline: Pipeline, op: Op) -> Iterator[Op]:
    """The trunk's ops after ``op``, the nearest first."""
    trunk = pipeline.trunk()
    yield from trunk[trunk.index(op) + 1 :]


def maps_above(pipeline: Pipeline, op: Op) -> Iterator[Op]:
    """Maps right above ``op``, the nearest first."""
    for item in above(pipeline, op):
        if item.kind == "map":
            yield item
        elif not hands_on(item):
            return


def map_behind(pipeline: Pipeline, op: Op) -> Op | None:
    """The map right behind ``op``, where nothing else reads what is between."""
    if len(pipeline.consumers(op.label)) != 1:
        return None
    for item in behind(pipeline, op):
        if item.kind == "map":
            return item
        if not hands_on(item) or len(pipeline.consumers(item.label)) != 1:
            return None
    return None


def chained(first: FnRef | Derived, second: FnRef | Derived, between: str) -> Derived:
    """``second`` of what ``first`` returns; ``between`` is the ``element_spec`` that a map of ``first`` has."""
    return Derived("chain_tuple" if between.startswith("(") else "chain", (first, second))


def bound_to_its_elements(facts: Facts, op: Op) -> str:
    """Why the map ``op`` may not work on the same elements in another order, or on fewer; empty where it may."""
    known = facts[op.label]
    if known.pinned:
        return "it is kept in its place"
    if effects := ", ".join(known.python + known.stateful) or known.opaque_reason:
        return f"what it does need not depend on its element alone ({effects})"
    if known.seeded:
        return f"other elements would get the draws of its seed ({', '.join(known.seeded)})"
    return ""
