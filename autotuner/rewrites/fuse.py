"""Two maps as one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import DecisionValue, Derived, Facts, FnRef, Op, Pipeline
from autotuner.rewrites.base import Refusal, Site, switch
from autotuner.rewrites.neighbours import above, chained, map_behind
from autotuner.rewrites.order import place

_SUFFIX = ".fuse"
_TAKEN_OVER = ("num_parallel_calls", "deterministic")


class Fuse:
    """Runs a map and the one right behind it as one stage, which has the parallelism of the first.

    Law: the sequence stays. Offered where both functions, traced as one, compute the same. What stands between them,
    a prefetch for instance, goes. A recorded function cannot be split: where it could be is not known.
    """

    name = "fuse"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``map[f].fuse`` for every map with a map right behind it."""
        for op in pipeline.trunk():
            follower = map_behind(pipeline, op) if op.kind == "map" else None
            if follower is None:
                continue
            name = op.label + _SUFFIX
            if reason := _why_not(facts, op, follower):
                message = f"{op.label} cannot run as one with {follower.label}: {reason}, {place(op)}"
                yield Refusal(name, message.removesuffix(", "), op.call_site)
            else:
                yield switch(name, "map.fuse", op)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Gives the second map the work of the first; two that another decision has parted stay two."""
        for name in values:
            op = pipeline[name.removesuffix(_SUFFIX)]
            follower = map_behind(pipeline, op)
            if follower is not None and follower.label == facts[op.label].fuses_with:
                pipeline = _fused(pipeline, facts, op, follower, name)
        return pipeline


def _fused(pipeline: Pipeline, facts: Facts, op: Op, follower: Op, decision: str) -> Pipeline:
    first, second = op.argument("map_func"), follower.argument("map_func")
    if not isinstance(first, FnRef | Derived) or not isinstance(second, FnRef | Derived):
        return pipeline
    made = follower.with_argument("map_func", chained(first, second, facts[op.label].element_spec))
    for argument in _TAKEN_OVER:
        value = op.argument(argument)
        made = made.without_argument(argument) if value is None else made.with_argument(argument, value)
    decisions = filter(None, (op.decision, follower.decision, decision))
    made = replace(made, decision=", ".join(dict.fromkeys(decisions)))
    for item in above(pipeline, follower):
        if item.kind != "with_options":
            pipeline = pipeline.remove(item.label)
        if item.label == op.label:
            break
    return pipeline.replace_op(follower.label, lambda placed: replace(made, receiver=placed.receiver))


def _why_not(facts: Facts, op: Op, follower: Op) -> str:
    for item in (op, follower):
        known = facts[item.label]
        if known.pinned:
            return f"{item.label} is kept as it is"
        if effects := ", ".join(known.python + known.stateful) or known.opaque_reason:
            return f"the order of what {item.label} does besides ({effects}) would change"
        if known.seeded:
            return f"in parallel, which element of {item.label} gets which draws of its seed would vary"
    if facts[op.label].fuses_with != follower.label:
        return "traced as one they do not compute the same"
    return ""
