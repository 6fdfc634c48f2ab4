"""Maps on small batches of their own, where the pipeline's batch is out of reach."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.pipeline.batched import is_given_batches
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.cache import cache_refusal, shuffles_above
from autotuner.rewrites.order import place
from autotuner.rewrites.vectorize import SUFFIX as VECTORIZE
from autotuner.rewrites.vectorize import batch_behind, between, on_batches, why_not

SUFFIX = ".micro_batch"
SIZES = (64, 256)
"""Where calls are what costs, 64 gave most of the gain and 256 up to a quarter more; smaller ones gave less."""
_LARGEST_BYTES = 4 * 2**20
"""Rows are copied twice. Above this the copies no longer fit in a core's own cache, and cost more than calls do."""
_PARTS_FROM_BATCH = {"map", "prefetch", "with_options"}
"""Kinds that may stand between a map and its batch without making ``vectorize`` the worse choice."""


@dataclass(frozen=True)
class _Run:
    """Neighbouring maps that share one batch and one unbatch."""

    labels: tuple[str, ...]
    size: int

    @property
    def decision(self) -> str:
        return ", ".join(label + SUFFIX for label in self.labels)


class MicroBatch:
    """``batch(n).map(f on batches).unbatch()`` in place of ``map(f)``; neighbours of one size share the pair.

    Law: the sequence stays, and with it the last elements that do not fill a micro-batch. Which form of the function
    works on batches was tried on real rows, see ``OpFacts.vectorizes``; a random one still draws for every row.
    """

    name = "micro_batch"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``map[f].micro_batch`` for maps of single elements, unless ``vectorize`` does the same for less."""
        for op in pipeline.ops:
            if op.kind != "map" or is_given_batches(pipeline, op) or _better_vectorised(pipeline, facts, op):
                continue
            name = op.label + SUFFIX
            if reason := _why_not(facts, op):
                message = f"{op.label} cannot work on micro-batches: {reason}, {place(op)}"
                yield Refusal(name, message.removesuffix(", "), op.call_site)
            else:
                choices = (None, *_sizes(facts, op))
                beside = op.label + VECTORIZE
                yield Decision(
                    name, "map.micro_batch", None, Preserves.SEQUENCE, choices, site=op.call_site, yields_to=beside
                )

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Puts a batch before and an unbatch behind each run of neighbouring maps of one size."""
        sizes = {name.removesuffix(SUFFIX): value for name, value in values.items() if isinstance(value, int)}
        for run in _runs(pipeline, sizes):
            for label in run.labels:
                pipeline = pipeline.replace_op(label, lambda op, run=run: on_batches(op, facts, run.decision))  # type: ignore[misc]
            pipeline = _between_pair(pipeline, run)
        return pipeline


def _why_not(facts: Facts, op: Op) -> str:
    known = facts[op.label]
    if known.pinned:
        return "it is kept as it is"
    if not known.vectorizes:
        return known.vectorize_refusal or "it was not analysed"
    if not known.fixed_shape:
        return "what it makes has no fixed shape, and no batch shows that it is the same for all elements"
    if not _sizes(facts, op):
        return f"its elements are so large that {SIZES[0]} of them are more than {_LARGEST_BYTES >> 20} MiB"
    return ""


def _sizes(facts: Facts, op: Op) -> list[int]:
    """Sizes whose batches are small; an element of unknown size counts as small."""
    around = (facts[label].element_bytes for label in (op.label, *op.inputs))
    largest = max((size for size in around if size is not None), default=0.0)
    return [size for size in SIZES if size * largest <= _LARGEST_BYTES]


def _better_vectorised(pipeline: Pipeline, facts: Facts, op: Op) -> bool:
    """The map can move behind a batch, and nothing is gained by staying ahead of it.

    Such a gain is what stands between them, or single rows that are kept and shuffled anew: batches cannot be.
    """
    if op not in pipeline.trunk() or (batch := batch_behind(pipeline, op)) is None:
        return False
    nothing = all(item.kind in _PARTS_FROM_BATCH for item in between(pipeline, op, batch))
    rows_kept = bool(shuffles_above(pipeline, op.label)) and not cache_refusal(pipeline, facts, op)
    return nothing and not rows_kept and not why_not(pipeline, facts, op, batch)


def _runs(pipeline: Pipeline, sizes: Mapping[str, int]) -> list[_Run]:
    """Maps of one size that read each other and that nothing else reads, in the order of the pipeline."""
    runs: dict[str, _Run] = {}
    """By the label of their last map."""
    for op in pipeline.ops:
        size = sizes.get(op.label)
        if size is None:
            continue
        before = runs.get(str(op.receiver))
        joins = before is not None and before.size == size and len(pipeline.consumers(str(op.receiver))) == 1
        if before is not None and joins:
            del runs[str(op.receiver)]
        runs[op.label] = _Run((*before.labels, op.label) if before is not None and joins else (op.label,), size)
    return list(runs.values())


def _between_pair(pipeline: Pipeline, run: _Run) -> Pipeline:
    first, last = pipeline[run.labels[0]], run.labels[-1]
    batch = Op(f"batch[{first.label}]", "batch", first.receiver, (("batch_size", run.size),), decision=run.decision)
    reading = replace(first, receiver=batch.label)
    ops = [part for op in pipeline.ops for part in ((batch, reading) if op.label == first.label else (op,))]
    return Pipeline(tuple(ops)).insert_after(last, Op(f"unbatch[{last}]", "unbatch", decision=run.decision))
