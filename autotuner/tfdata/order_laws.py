"""What can be said about order, counts and frozen draws without reading an element."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

import numpy as np
import tensorflow as tf

from autotuner.pipeline import Captured, Facts, Op, Pipeline, Value
from autotuner.rewrites.neighbours import does_nothing
from autotuner.rewrites.order import reshuffles
from autotuner.tfdata.live import Live

BATCHING = {"batch", "padded_batch", "ragged_batch", "sparse_batch", "bucket_by_sequence_length", "rebatch"}
_KEEPING = {"cache", "snapshot"}
_WHOLE_BATCH = "batch with its remainder"
_COUNTING = {"repeat", "take", "skip", "shard", "unbatch", "window", "take_while", *BATCHING}


def yields_batches(pipeline: Pipeline) -> bool:
    """What comes out are batches; a batch that is taken apart again is none."""
    grouping = (op.kind for op in reversed(pipeline.trunk()) if op.kind in {*BATCHING, "unbatch"})
    return next(grouping, "unbatch") != "unbatch"


def endless(pipeline: Pipeline) -> bool:
    """A ``repeat`` of the trunk never ends."""
    return any(op.kind == "repeat" and op.argument("count") in {None, -1} for op in pipeline.trunk())


def shuffle_difference(mine: Pipeline, mine_live: Live, theirs: Pipeline, theirs_live: Live) -> str:
    """How the shuffles of ``theirs`` are worse than those of ``mine``; empty when they are not."""
    expected, found = list(_shuffles(mine)), list(_shuffles(theirs))
    if len(expected) != len(found):
        return f"it shuffles {len(found)} times instead of {len(expected)}"
    if sorted(map(_drawing, expected)) != sorted(map(_drawing, found)):
        return "a shuffle has another seed, or another reshuffle_each_iteration"
    if not _as_large(expected, mine_live, found, theirs_live):
        return "a shuffle has a smaller buffer"
    if expected and _skeleton(mine) != _skeleton(theirs):
        return "a shuffle stands on the other side of a stage that counts, batches or repeats elements"
    if any(after < before for before, after in zip(_filters_above(mine), _filters_above(theirs), strict=False)):
        return "a shuffle stands ahead of a filter now, so that its buffer holds fewer of the examples that stay"
    return ""


def _shuffles(pipeline: Pipeline) -> Iterator[Op]:
    for _, op in pipeline.walk():
        if _is_shuffle(op):
            yield op


def _is_shuffle(op: Op) -> bool:
    if does_nothing(op):
        return False
    return op.kind == "shuffle" or (op.kind == "list_files" and op.argument("shuffle") is not False)


def _drawing(op: Op) -> str:
    seed = op.argument("seed")
    shown = seed.digest if isinstance(seed, Captured) else seed
    return repr((shown, op.argument("reshuffle_each_iteration") is not False))


def _as_large(mine: Iterable[Op], mine_live: Live, theirs: Iterable[Op], theirs_live: Live) -> bool:
    """Every buffer of ``mine`` has one of ``theirs`` that is no smaller.

    A size that is known only while data are read is as large as the very same expression, and as nothing else but a
    buffer of everything.
    """
    wanted = Counter(_buffer(op, mine_live, listed=0) for op in mine)
    given = Counter(_buffer(op, theirs_live, listed=np.inf) for op in theirs)
    alike = wanted & given
    least = sorted(np.inf if isinstance(size, str) else size for size in (wanted - alike).elements())
    sizes = sorted(0.0 if isinstance(size, str) else size for size in (given - alike).elements())
    return all(size >= needed for size, needed in zip(sizes, least, strict=True))


def _buffer(op: Op, live: Live, listed: float) -> float | str:
    """Buffer size, or the digest of one that is computed from the data.

    It is ``listed`` for ``list_files``, which holds all files, however many.
    """
    if op.kind == "list_files":
        return listed
    size: Value = op.argument("buffer_size")
    if isinstance(size, Captured):
        value = live[size.key]
        if tf.is_symbolic_tensor(value):
            return size.digest
        size = int(np.asarray(value))
    return float(size) if isinstance(size, int) else np.inf


def _skeleton(pipeline: Pipeline) -> list[list[str]]:
    """Stages that a shuffle may not change places with, up to the first shuffle, between it and the next, and so on.

    A batch that keeps its remainder and is taken apart again, with neither of them between, is none. Between two
    shuffles the stages are in the order of their names: what they do in another order, the data tell.
    """
    parts: list[list[str]] = [[]]
    for op in pipeline.trunk():
        kinds = parts[-1]
        if op.kind == "unbatch" and kinds and kinds[-1] == _WHOLE_BATCH:
            kinds.pop()
        elif op.kind in {"batch", "padded_batch"}:
            kinds.append(_WHOLE_BATCH if op.argument("drop_remainder") in {None, False} else "batch")
        elif op.kind in _COUNTING and not does_nothing(op):
            kinds.append(op.kind)
        if _is_shuffle(op):
            parts.append([])
    return [sorted(kinds) for kinds in parts]


def _filters_above(pipeline: Pipeline) -> list[int]:
    """For each shuffle of the trunk, how many filters stand ahead of it."""
    trunk = list(pipeline.trunk())
    kept = [place for place, op in enumerate(trunk) if op.kind == "filter"]
    return [sum(other < place for other in kept) for place, op in enumerate(trunk) if _is_shuffle(op)]


def keeps(pipeline: Pipeline) -> bool:
    """Something is kept from one epoch to the next."""
    return any(op.kind in _KEEPING for op in pipeline.ops)


def newly_frozen(mine: Pipeline, mine_facts: Facts, theirs: Pipeline, theirs_facts: Facts) -> str:
    """What a cache of ``theirs`` keeps that no cache of ``mine`` keeps and that is new in every epoch."""
    added = _kept(theirs, theirs_facts) - _kept(mine, mine_facts)
    return f"a cache would freeze {', '.join(sorted(added))}" if added else ""


def _kept(pipeline: Pipeline, facts: Facts) -> Counter[str]:
    below = {op.label for cache in pipeline.ops if cache.kind in _KEEPING for op in pipeline.upstream(cache.label)}
    return Counter(drawn for op in pipeline.ops if op.label in below for drawn in _drawn(op, facts))


def _drawn(op: Op, facts: Facts) -> Iterator[str]:
    known = facts[op.label]
    yield from known.random
    yield from known.python
    if _is_shuffle(op) or reshuffles(op):
        yield "a shuffle"
