"""What decides the order of a pipeline's elements, read off its ops."""

from __future__ import annotations

from autotuner.pipeline import CallSite, Op, Pipeline
from autotuner.rewrites.base import Preserves, Refusal
from autotuner.rewrites.neighbours import does_nothing

ONE_TO_ONE = {"map", "prefetch", "with_options"}
"""Kinds that give one element for each, in the same order."""
_KEEPS_BY_ORDER = {
    "apply", "choose_from_datasets", "enumerate", "group_by_window", "rejection_resample", "scan", "shard", "skip",
    "take", "take_while", "unique", "window",
}  # fmt: skip
"""Kinds that drop, number or group elements by their place."""


def reshuffles(op: Op) -> bool:
    """The op yields another order in every epoch."""
    match op.kind:
        case "shuffle":
            return op.argument("reshuffle_each_iteration") is not False and not does_nothing(op)
        case "list_files":
            return op.argument("shuffle") is not False
        case "sample_from_datasets" | "random" | "rejection_resample":
            return True
        case _:
            return False


def order_is_deterministic(pipeline: Pipeline) -> bool:
    """Two runs of the user's pipeline yield the same order."""
    for _, op in pipeline.walk():
        shuffled = (op.kind == "shuffle" and not does_nothing(op)) or reshuffles(op)
        if shuffled and op.argument("seed") is None:
            return False
        if op.argument("deterministic") is False or options_of(op).get("deterministic") is False:
            return False
    return True


def needs_order_of(pipeline: Pipeline, path: str) -> Op | None:
    """An op behind ``path`` whose elements, not only their order, change when ``path`` yields another order.

    Where what reaches it is shuffled without a seed, which elements it keeps is left to chance already.
    """
    outer, _, rest = path.partition("/")
    nested = pipeline[outer].inner if rest else None
    if nested is not None and (found := needs_order_of(nested, rest)):
        return found
    behind = {outer}
    for op in pipeline.ops:
        if behind.isdisjoint(op.inputs):
            continue
        behind.add(op.label)
        if op.kind == "zip" or (keeps_by_order(op) and not left_to_chance(pipeline, op)):
            return op
    return None


def keeps_by_order(op: Op) -> bool:
    """Which elements ``op`` gives, or how it numbers or groups them, depends on their order."""
    return op.kind in _KEEPS_BY_ORDER or op.argument("drop_remainder") not in {None, False}


def left_to_chance(pipeline: Pipeline, op: Op) -> bool:
    """What reaches ``op`` is shuffled without a seed."""
    return any(reshuffles(other) and other.argument("seed") is None for other in pipeline.upstream(op.label))


def natural_preserve(pipeline: Pipeline) -> Preserves:
    """What ``preserve="auto"`` means: SEQUENCE where the user's order is deterministic, else MULTISET."""
    return Preserves.SEQUENCE if order_is_deterministic(pipeline) else Preserves.MULTISET


def options_of(op: Op) -> dict[str, object]:
    """The flattened options a ``with_options`` op sets."""
    options = op.argument("options") if op.kind == "with_options" else None
    return dict(options) if isinstance(options, dict) else {}


def reorder_refusal(name: str, op: Op, bound: Op) -> Refusal:
    """Why ``op`` has to keep its order."""
    reason = f"{op.label} would yield another order, and {bound.label} keeps elements by their place, {place(bound)}"
    return Refusal(name, reason.removesuffix(", "), op.call_site)


def place(op: Op) -> str:
    """``file.py:31`` of an op, for messages; empty where it is not known."""
    return place_of(op.call_site)


def place_of(site: CallSite | None) -> str:
    """The same of a place."""
    return f"{site.file.rpartition('/')[2]}:{site.end_line}" if site is not None else ""
