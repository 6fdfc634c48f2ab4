"""Everything deterministic once, into tensors; then an epoch is a permutation of row numbers, a batch one gather."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from autotuner.pipeline import (
    MAX_ELEMENTS,
    AssertBatches,
    DecisionValue,
    Derived,
    Facts,
    InputCardinality,
    Op,
    Pipeline,
)
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.cache import cache_refusal, selecting_behind, shuffles_above, unshuffled_files
from autotuner.rewrites.neighbours import behind
from autotuner.rewrites.order import reshuffles
from autotuner.rewrites.repeat_later import why_repeat_stays

AFTER = "materialise.after"
PERMUTED, ORDERED = "permuted_batches", "ordered_batches"
_ALL, _CACHE, _EPOCH, _LENGTH = (f"{kind}[materialised]" for kind in ("take", "cache", "flat_map", "apply"))
_PASSED = {"prefetch", "shuffle"}
_MOVING = {"map", "repeat"}
"""Kinds that must have moved behind the batch by another decision."""
_BETWEEN = {*_MOVING, *_PASSED}


class Materialise:
    """Keeps the whole output of a stage as one tensor for each component, and batches by row numbers.

    Law: an epoch has the same batch sizes and examples, and a length that was known is known. Shuffles without a seed
    become one permutation of the whole epoch, which no buffer can better; without a shuffle the sequence stays.
    Legal where a cache is, for elements of one fixed shape; maps and repeats between the stage and its ``batch`` must
    have moved behind the batch.
    """

    name = "materialise"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``materialise.after`` with every stage whose output may be kept so."""
        choices: list[DecisionValue] = [None]
        shuffled = False
        for op in pipeline.trunk():
            batch = _batch_behind(pipeline, op)
            if batch is None or op.kind in {*_PASSED, "repeat"}:
                continue
            if reason := _why_not(pipeline, facts, op, batch):
                yield Refusal(AFTER, f"{op.label} cannot be materialised: {reason}", op.call_site)
            else:
                choices.append(op.label)
                shuffled = shuffled or bool(_shuffles(pipeline, op, batch))
        if len(choices) > 1:
            preserves = Preserves.MULTISET if shuffled else Preserves.SEQUENCE
            yield Decision(AFTER, AFTER, None, preserves, tuple(choices))

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Puts the kept tensors and the gather in place of shuffle and batch; nothing where something separates."""
        op = _nearest(pipeline, facts, str(values[AFTER]))
        batch = _batch_behind(pipeline, op) if op is not None else None
        if op is None or batch is None or any(item.kind in _MOVING for item in _between(pipeline, op, batch)):
            return pipeline
        shuffles = _shuffles(pipeline, op, batch)
        for shuffle in shuffles:
            if shuffle.kind == "list_files":
                pipeline = pipeline.replace_op(shuffle.label, unshuffled_files)
            else:
                pipeline = pipeline.remove(shuffle.label)
        pipeline = _gathered(pipeline, batch, known=facts[op.label].cardinality >= 0)
        single = not facts[op.label].element_spec.startswith("(")
        return _batched(pipeline, batch, single=single, shuffles=len(shuffles))


def _gathered(pipeline: Pipeline, batch: Op, *, known: bool) -> Pipeline:
    """``pipeline`` with one batch of everything in place of ``batch``.

    A map and the batch behind it are fused into a stage that makes room for the whole batch at once. Where the number
    of elements is known that saves copying them; where it is not, a ``take`` of all of them keeps the two apart.
    """
    size = InputCardinality() if known else MAX_ELEMENTS
    whole = batch.without_argument("drop_remainder").with_argument("batch_size", size)
    pipeline = pipeline.replace_op(batch.label, lambda made: replace(whole, receiver=made.receiver, decision=AFTER))
    if known:
        return pipeline
    everything = Op(_ALL, "take", None, (("count", MAX_ELEMENTS),), decision=AFTER)
    return pipeline.insert_after(str(pipeline[batch.label].receiver), everything)


def _batched(pipeline: Pipeline, batch: Op, *, single: bool, shuffles: int) -> Pipeline:
    """``pipeline`` with the cache, the epoch's batches and their number behind the one batch of everything."""
    size, drop = int(str(batch.argument("batch_size"))), batch.argument("drop_remainder") is True
    function = Derived(PERMUTED if shuffles else ORDERED, (), (size, int(drop), int(single), shuffles))
    pipeline = pipeline.insert_after(batch.label, Op(_CACHE, "cache", decision=AFTER))
    epoch = Op(_EPOCH, "flat_map", None, (("map_func", function),), decision=AFTER)
    pipeline = pipeline.insert_after(_CACHE, epoch)
    if _ALL in pipeline:
        return pipeline
    length = AssertBatches(batch.label, size, drop)
    return pipeline.insert_after(_EPOCH, Op(_LENGTH, "apply", None, (("transformation_func", length),), decision=AFTER))


def _nearest(pipeline: Pipeline, facts: Facts, label: str) -> Op | None:
    """The op of ``label``, or the closest legal one above it where it has moved behind the batch."""
    position: Op | None = pipeline[label]
    while position is not None:
        batch = _batch_behind(pipeline, position)
        if batch is not None and position.kind not in _PASSED and not _why_not(pipeline, facts, position, batch):
            return position
        position = pipeline[position.receiver] if position.receiver else None
    return None


def is_materialised(pipeline: Pipeline) -> bool:
    """Some stage of ``pipeline`` is."""
    return _EPOCH in pipeline and isinstance(pipeline[_EPOCH].argument("map_func"), Derived)


def ordered(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` with the rows of its materialised stage in their own order."""
    if not is_materialised(pipeline):
        return pipeline
    function = _function(pipeline)
    return pipeline.replace_op(_EPOCH, lambda op: op.with_argument("map_func", replace(function, form=ORDERED)))


def spelled_out(pipeline: Pipeline) -> Pipeline:
    """``pipeline`` with a cache, its shuffles and its batch in place of the materialised stage: what it stands for."""
    if not is_materialised(pipeline):
        return pipeline
    size, drop, _, shuffles = _function(pipeline).numbers
    # A prefetch may stand between the batch and the cache.
    batch = next(op.label for op in reversed(pipeline.upstream(_CACHE)) if op.kind == "batch" and op.decision == AFTER)
    for label in (_ALL, _CACHE, _EPOCH, _LENGTH):
        if label in pipeline:
            pipeline = pipeline.remove(label)
    source = pipeline[batch].receiver or ""
    spelled = pipeline[batch].with_argument("batch_size", size)
    if drop:
        spelled = spelled.with_argument("drop_remainder", value=True)
    pipeline = pipeline.replace_op(batch, lambda op: replace(spelled, receiver=op.receiver))
    after = source
    for op in (
        Op(_CACHE, "cache"),
        *(Op(f"shuffle[rows#{n}]", "shuffle", None, (("buffer_size", InputCardinality()),)) for n in range(shuffles)),
    ):
        pipeline = pipeline.insert_after(after, op)
        after = op.label
    return pipeline


def _function(pipeline: Pipeline) -> Derived:
    function = pipeline[_EPOCH].argument("map_func")
    if not isinstance(function, Derived):
        raise TypeError(f"{_EPOCH} has another function")
    return function


def _why_not(pipeline: Pipeline, facts: Facts, op: Op, batch: Op) -> str:
    if not facts[op.label].fixed_shape:
        return "its elements have no fixed shape"
    reason = _held(pipeline, facts, op, batch) or _order_repeats(pipeline, op, batch)
    return reason or cache_refusal(pipeline, facts, op)


def _held(pipeline: Pipeline, facts: Facts, op: Op, batch: Op) -> str:
    """Why ``batch`` cannot become a gather, or need not."""
    if not isinstance(batch.argument("batch_size"), int):
        return f"{batch.label} has a size that is not written as a number"
    for item in _between(pipeline, op, batch):
        if facts[item.label].pinned:
            return f"{item.label} is kept as it is"
        if item.kind == "map" and not facts[item.label].vectorizes:
            return f"{item.label} works on single elements"
        if item.kind == "repeat" and (reason := why_repeat_stays(pipeline, facts, item, batch)):
            return f"{item.label} stands before {batch.label}: {reason}"
    if facts[batch.label].pinned:
        return f"{batch.label} is kept as it is"
    kept = next((item for item in behind(pipeline, batch) if item.kind in {"cache", "snapshot"}), None)
    return f"{kept.label} keeps what is made of it already" if kept else ""


def _order_repeats(pipeline: Pipeline, op: Op, batch: Op) -> str:
    """Why a permutation of everything cannot stand for the shuffles."""
    for shuffle in _shuffles(pipeline, op, batch):
        if shuffle.argument("seed") is not None or not reshuffles(shuffle):
            return f"{shuffle.label} draws an order that repeats"
        if selecting := selecting_behind(pipeline, batch):
            return f"{selecting.label} would choose among all elements instead of the first ones {shuffle.label} gives"
    return ""


def _shuffles(pipeline: Pipeline, op: Op, batch: Op) -> list[Op]:
    """Shuffles that become the permutation: those a cache behind ``op`` would move, and those up to the batch."""
    after = [item for item in _between(pipeline, op, batch) if item.kind == "shuffle"]
    return [*shuffles_above(pipeline, op.label), *after]


def _batch_behind(pipeline: Pipeline, op: Op) -> Op | None:
    trunk = list(pipeline.trunk())
    for item in trunk[trunk.index(op) + 1 :]:
        if item.kind == "batch":
            return item
        if item.kind not in _BETWEEN:
            return None
    return None


def _between(pipeline: Pipeline, op: Op, batch: Op) -> list[Op]:
    trunk = list(pipeline.trunk())
    return trunk[trunk.index(op) + 1 : trunk.index(batch)]
