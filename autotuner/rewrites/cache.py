"""Where elements are kept between epochs."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import (
    INFINITE,
    Captured,
    DecisionValue,
    Facts,
    InputCardinality,
    Op,
    Pipeline,
    Value,
)
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.order import ONE_TO_ONE, place, reshuffles

AFTER = "cache.after"
MEDIUM = "cache.medium"
CACHE_FILE = "cache_file"
"""Key of the live object that holds the path of a file cache: the worker gives every trial its own, emitted code every
dataset."""

_USELESS_AFTER = {
    "from_tensor_slices", "from_tensors", "list_files", "range", "prefetch", "with_options", "cache", "shuffle",
    "repeat", "opaque", "random", "counter",
}  # fmt: skip
_SHUFFLES = {"shuffle", "list_files"}
_ANY_ORDER = {
    "filter", "flat_map", "interleave", "unbatch", "FixedLengthRecordDataset", "TFRecordDataset", "TextLineDataset",
}  # fmt: skip
"""Kinds whose elements are the same whatever the order of their input; but a buffer of theirs is another one."""
_SELECTING = {"apply", "shard", "skip", "take", "take_while"}
_PYTHON_SOURCES = {"from_generator"}
_FILE = Captured(CACHE_FILE, "a file of its own for each run", digest=CACHE_FILE)
_EVERYTHING = ("buffer_size", InputCardinality())
"""A buffer of the whole input; TensorFlow takes an unknown number for however many there are."""


class Cache:
    """The one cache of the trunk: its position and its medium.

    Law: a cache stands only above what is the same in every epoch: never above randomness, Python code, side
    effects, an infinite repeat or a shuffle. A shuffle that is followed by one-to-one stages alone changes places
    with them and then stands behind the cache, with the same buffer, so its quality stays. One that reading files or
    a filter follows then shuffles the whole epoch, which no smaller buffer can better.
    """

    name = "cache"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``cache.after`` with every legal position, a refusal for every other, and ``cache.medium``."""
        recorded = [op for op in pipeline.trunk() if op.kind == "cache"]
        if reason := _why_fixed(pipeline, facts, recorded):
            yield Refusal(AFTER, reason, recorded[0].call_site)
            return
        status_quo = recorded[0].receiver if recorded else None
        choices: list[DecisionValue] = [None]
        for op in pipeline.trunk():
            if op.label == status_quo:
                choices.append(op.label)
            elif op.kind in _USELESS_AFTER:
                continue
            elif reason := cache_refusal(pipeline, facts, op):
                yield Refusal(AFTER, f"cache cannot follow {op.label}: {reason}", op.call_site)
            else:
                choices.append(op.label)
        if choices == [None]:
            return
        yield Decision(AFTER, AFTER, status_quo, _preserves(pipeline, choices), tuple(choices))
        yield Decision(MEDIUM, MEDIUM, "memory", Preserves.SEQUENCE, ("memory", "file"), requires=AFTER)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Moves, inserts or removes the cache, and takes shuffles from above it to right behind it."""
        recorded = [op for op in pipeline.trunk() if op.kind == "cache"]
        if any(op.decision for op in recorded):
            return pipeline  # a materialised stage keeps everything already
        status_quo = recorded[0].receiver if recorded else None
        after = values.get(AFTER, status_quo)
        medium = values.get(MEDIUM, "memory")
        for op in recorded:
            pipeline = pipeline.remove(op.label)
        if after is None:
            return pipeline
        label = str(after) if after == status_quo else _nearest(pipeline, facts, str(after))
        if not label:
            return pipeline
        arguments: tuple[tuple[str, Value], ...] = (("filename", _FILE),) if medium == "file" else ()
        decision = AFTER if AFTER in values else MEDIUM
        cached = pipeline.insert_after(label, Op("cache[tuned]", "cache", None, arguments, decision=decision))
        return _behind(cached, shuffles_above(pipeline, label), "cache[tuned]")


def _nearest(pipeline: Pipeline, facts: Facts, label: str) -> str:
    """``label``, or the closest legal position above it where other decisions have moved it; empty if there is none."""
    position: Op | None = pipeline[label]
    while position is not None:
        if position.kind not in _USELESS_AFTER and not cache_refusal(pipeline, facts, position):
            return position.label
        position = pipeline[position.receiver] if position.receiver else None
    return ""


def in_file(cache: Op) -> bool:
    """A cache keeps its elements in a file; TensorFlow takes an empty name for memory."""
    return cache.argument("filename") not in {None, ""}


def in_memory(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` with the caches that rewrites put into files in memory: the same data, nothing on disk."""
    for op in pipeline.ops:
        if op.kind == "cache" and op.argument("filename") == _FILE:
            pipeline = pipeline.replace_op(op.label, lambda op: op.without_argument("filename"))
    return pipeline


def _preserves(pipeline: Pipeline, choices: list[DecisionValue]) -> Preserves:
    """A shuffle with a seed draws the same order behind the cache; one without a seed never had an order to keep."""
    moved = [op for label in choices if label is not None for op in shuffles_above(pipeline, str(label))]
    return Preserves.SEQUENCE if all(op.argument("seed") is not None for op in moved) else Preserves.MULTISET


def _why_fixed(pipeline: Pipeline, facts: Facts, recorded: list[Op]) -> str:
    """Why the user's own cache has to stay where it is."""
    if not recorded:
        return ""
    if len(recorded) > 1:
        return f"the pipeline already has {len(recorded)} caches"
    [cache] = recorded
    if in_file(cache):
        return f"{cache.label} keeps its elements in a file of the user's choice, {place(cache)}"
    for op in pipeline.upstream(str(cache.receiver)):
        if not facts[op.label].deterministic or reshuffles(op):
            return (
                f"{cache.label} freezes what {op.label} draws at random; moving it would change the data, {place(op)}"
            )
    return ""


def cache_refusal(pipeline: Pipeline, facts: Facts, position: Op) -> str:
    """Why no cache may follow ``position``; empty where it may."""
    if "DatasetSpec" in facts[position.label].element_spec:
        return "its elements are datasets"
    if shared := _read_twice(pipeline, position.label):
        return f"{shared} is read twice, and two readers would fill the cache at the same time"
    for op in pipeline.upstream(position.label):
        reason = _changes_between_epochs(facts, op) or _order_would_freeze(pipeline, op, position)
        if reason:
            return ", ".join(filter(None, (reason, place(op))))
    return ""


def _changes_between_epochs(facts: Facts, op: Op) -> str:
    known = facts[op.label]
    if known.pinned:
        return f"{op.label} is kept as it is, and a cache would change how often it runs"
    if known.opaque_reason:
        return f"{op.label} was not seen being built ({known.opaque_reason})"
    if known.random:
        return f"random ({', '.join(known.random)})"
    if known.python or (op.kind in _PYTHON_SOURCES and not known.stated):
        called = ", ".join(known.python) or op.kind
        unproven = "which cannot be proven to repeat itself; @autotuner.deterministic on its function states it"
        return f"{op.label} calls Python ({called}), {unproven}"
    if known.stateful:
        return f"{op.label} has side effects ({', '.join(known.stateful)})"
    if op.kind == "repeat":
        forever = known.cardinality == INFINITE
        return "endless repeat" if forever else f"{op.label} would have every element kept several times"
    if op.inner and any(reshuffles(inner) for _, inner in op.inner.walk()):
        return f"{op.label} shuffles inside"
    return "endless" if known.cardinality == INFINITE else ""


def _order_would_freeze(pipeline: Pipeline, op: Op, position: Op) -> str:
    if not reshuffles(op):
        return ""
    frozen = f"{op.label} shuffles anew in every epoch, and its order would freeze"
    if op.kind not in _SHUFFLES:
        return frozen
    way = _way(pipeline, op.label, position.label)
    reached = way[-1].label if way else op.label
    if reached != position.label:
        return f"{frozen} ({reached} is read twice: the other reader would lose the shuffle)"
    blocking = next((item for item in way if item.kind not in {*ONE_TO_ONE, *_ANY_ORDER, "shuffle"}), None)
    if blocking is not None:
        return f"{frozen} ({blocking.label} keeps the shuffle from moving behind the cache)"
    if _widens(way):
        if op.argument("seed") is not None:
            return f"{frozen} (with its seed it would draw another order behind {_widens(way)})"
        if selecting := selecting_behind(pipeline, position):
            return f"{frozen} ({selecting.label} would choose among all elements instead of the first ones)"
    return ""


def _way(pipeline: Pipeline, first: str, last: str) -> list[Op]:
    """Ops after ``first`` up to and with ``last``, or up to one that is read twice."""
    way: list[Op] = []
    label = first
    while label != last:
        readers = pipeline.consumers(label)
        if len(readers) != 1 or readers[0].inputs.count(label) != 1:
            break
        way.append(readers[0])
        label = readers[0].label
    return way


def _widens(way: list[Op]) -> str:
    """The first op on the way behind which a shuffle's buffer has to hold everything; empty where it stays."""
    return next((op.label for op in way if op.kind in _ANY_ORDER), "")


def selecting_behind(pipeline: Pipeline, position: Op) -> Op | None:
    """The first op behind ``position`` to which a shuffle with a larger buffer would give other elements."""
    trunk = list(pipeline.trunk())
    behind = trunk[[op.label for op in trunk].index(position.label) + 1 :]
    return next((op for op in behind if op.kind in _SELECTING), None)


def shuffles_above(pipeline: Pipeline, label: str) -> list[Op]:
    """The first shuffle that draws anew in every epoch, and all after it: shuffles do not commute."""
    found = [op for op in pipeline.upstream(label) if op.kind in _SHUFFLES]
    return list(itertools.dropwhile(lambda op: not reshuffles(op), found))


def _read_twice(pipeline: Pipeline, label: str) -> str:
    """The first trunk op from ``label`` on that more than one op reads, or one op twice; empty where there is none."""
    labels = [op.label for op in pipeline.trunk()]
    later = labels[labels.index(label) :]
    reads = [read for op in pipeline.ops for read in op.inputs]
    return next((name for name in later if reads.count(name) > 1), "")


def _behind(pipeline: Pipeline, shuffles: list[Op], label: str) -> Pipeline:
    """``pipeline`` with ``shuffles`` taken out and put, in their order, behind ``label``."""
    cache = label
    for op in shuffles:
        moved = replace(op, decision=AFTER)
        if op.kind == "list_files":
            seed = op.argument("seed")
            arguments: tuple[tuple[str, Value], ...] = () if seed is None else (("seed", seed),)
            moved = Op("shuffle[files]", "shuffle", None, (_EVERYTHING, *arguments), decision=AFTER)
            pipeline = pipeline.replace_op(op.label, unshuffled_files)
        else:
            if _widens(_way(pipeline, op.label, cache)):
                moved = moved.with_argument(*_EVERYTHING)
            pipeline = pipeline.remove(op.label)
        pipeline = pipeline.insert_after(label, moved)
        label = moved.label
    return pipeline


def unshuffled_files(op: Op) -> Op:
    """A ``list_files`` in the order of the names."""
    return op.without_argument("seed").with_argument("shuffle", value=False)
