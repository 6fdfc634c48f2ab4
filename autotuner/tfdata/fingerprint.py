"""Fingerprints of rows: equal data is recognised without keeping it, different data practically never passes.

Per row: an exact hash of dtypes, shapes, integers, strings and NaN masks, and for each float component a few random
projections and its norm, which are compared with a tolerance relative to that component because fused or batched
arithmetic may round differently.
"""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from autotuner.tfdata.reading import Reading

_PROJECTIONS = 3
_WIDTH = _PROJECTIONS + 1
_SECONDS = 60.0
_NESTED_ROWS = 10_000
_RELATIVE = {"float16": 4e-3, "bfloat16": 3e-2}
_RELATIVE_ELSE = 3e-5
_SMALL = 1e-7
_NEAR = 8
_AT_ONCE = 32_768
"""Floats that are projected at once: they and what is made of them stay in the processor's cache."""


@dataclass(frozen=True)
class Fingerprint:
    """Rows in order, and the sizes of the batches they came in (1 each where nothing is batched)."""

    exact: tuple[bytes, ...]
    floats: np.ndarray
    """Projections and norm of each float component, a row each."""
    tolerance: np.ndarray
    """How far each of ``floats`` may be off."""
    batch_sizes: tuple[int, ...]
    ended: bool = True
    """The dataset came to its own end; else reading stopped at the wanted number of rows, or took too long."""

    @property
    def count(self) -> int:
        """Rows read."""
        return len(self.exact)


def fingerprint(dataset: tf.data.Dataset, *, batched: bool, max_rows: int, seconds: float = _SECONDS) -> Fingerprint:
    """Iterates ``dataset`` once, up to ``max_rows`` rows, for ``seconds`` at most."""
    parts: list[_Part] = []
    rows = 0
    reading = Reading(dataset, seconds)
    for element in reading:
        parts.append(_part(element, batched=batched))
        rows += len(parts[-1].exact)
        if rows >= max_rows:
            break
    empty = np.zeros((0, 0))
    return Fingerprint(
        exact=tuple(item for part in parts for item in part.exact),
        floats=_stacked([part.floats for part in parts]) if parts else empty,
        tolerance=_stacked([part.tolerance for part in parts]) if parts else empty,
        batch_sizes=tuple(len(part.exact) for part in parts),
        ended=reading.ended,
    )


def picked(made: Fingerprint, batches: Sequence[np.ndarray]) -> Fingerprint:
    """What reading rows of ``made`` in these batches, by number, would have given."""
    order = np.concatenate(batches)
    return Fingerprint(
        exact=tuple(made.exact[index] for index in order),
        floats=made.floats[order],
        tolerance=made.tolerance[order],
        batch_sizes=tuple(map(len, batches)),
        ended=made.ended,
    )


def difference(reference: Fingerprint, candidate: Fingerprint, *, ordered: bool) -> str:
    """In words, how ``candidate`` differs from ``reference``; empty when it does not."""
    if reference.count != candidate.count:
        return f"{candidate.count} examples instead of {reference.count}"
    sizes = (reference.batch_sizes, candidate.batch_sizes)
    if sizes[0] != sizes[1] if ordered else sorted(sizes[0]) != sorted(sizes[1]):
        return "the batch sizes differ"
    if ordered:
        wrong = np.flatnonzero(~_close_in_order(reference, candidate))
        return f"example {wrong[0]} differs" if wrong.size else ""
    missing = _unmatched(reference, candidate)
    return f"{missing} of {reference.count} examples have no equal" if missing else ""


def same_order(left: Fingerprint, right: Fingerprint) -> bool:
    """The rows come in the same order."""
    return left.count == right.count and bool(_close_in_order(left, right).all())


def same_content(left: Fingerprint, right: Fingerprint) -> bool:
    """The rows are the same in any order."""
    return left.count == right.count and not _unmatched(left, right)


def same_batches(left: Fingerprint, right: Fingerprint) -> bool:
    """Every batch of one holds the examples of a batch of the other, whatever the order."""
    return sorted(_exact_batches(left)) == sorted(_exact_batches(right))


def _exact_batches(made: Fingerprint) -> list[bytes]:
    # Floats are rounded to what a tolerance cannot blur: this only tells reshuffled batches from frozen ones.
    rounded = np.round(made.floats, 3)
    rows = [exact + rounded[index].tobytes() for index, exact in enumerate(made.exact)]
    ends = np.cumsum(made.batch_sizes)
    return [b"".join(sorted(rows[end - size : end])) for end, size in zip(ends, made.batch_sizes, strict=True)]


def equal_neighbours(made: Fingerprint) -> tuple[int, int]:
    """Of all pairs of neighbours within a batch: how many hold equal rows, and how many there are."""
    starts = {0, *np.cumsum(made.batch_sizes).tolist()}
    pairs = [index for index in range(1, made.count) if index not in starts]
    equal = [
        made.exact[index] == made.exact[index - 1] and bool(_close(made, index, made, np.asarray([index - 1]))[0])
        for index in pairs
    ]
    return sum(equal), len(pairs)


def _close_in_order(left: Fingerprint, right: Fingerprint) -> np.ndarray:
    exact = np.asarray([a == b for a, b in zip(left.exact, right.exact, strict=True)], dtype=bool)
    if left.floats.shape != right.floats.shape:
        return np.zeros_like(exact)
    within = np.abs(left.floats - right.floats) <= np.maximum(left.tolerance, right.tolerance)
    return exact & within.all(axis=1)


def _close(left: Fingerprint, index: int, right: Fingerprint, others: np.ndarray) -> np.ndarray:
    allowed = np.maximum(left.tolerance[index], right.tolerance[others])
    return (np.abs(left.floats[index] - right.floats[others]) <= allowed).all(axis=1)


def _unmatched(reference: Fingerprint, candidate: Fingerprint) -> int:
    """Rows of ``reference`` that find no row of ``candidate`` of their own."""
    if reference.floats.shape[1] != candidate.floats.shape[1]:
        return reference.count
    free: dict[bytes, list[int]] = {}
    for index in _sorted(candidate):
        free.setdefault(candidate.exact[index], []).append(index)
    missing = 0
    for index in _sorted(reference):
        group = free.get(reference.exact[index], [])
        place = _first_close(reference, index, candidate, group)
        if place is None:
            missing += 1
        else:
            group.pop(place)
    return missing


def _first_close(left: Fingerprint, index: int, right: Fingerprint, group: list[int]) -> int | None:
    """Place in ``group`` of a row that is close; the one that is as far on in the same order is nearly always first."""
    for end in (min(_NEAR, len(group)), len(group)):
        found = np.flatnonzero(_close(left, index, right, np.asarray(group[:end], dtype=np.int64)))
        if found.size:
            return int(found[0])
    return None


def _sorted(made: Fingerprint) -> list[int]:
    first = made.floats[:, 0] if made.floats.shape[1] else np.zeros(made.count)
    return np.argsort(first, kind="stable").tolist()


@dataclass(frozen=True)
class _Part:
    exact: list[bytes]
    floats: np.ndarray
    tolerance: np.ndarray


def _stacked(arrays: list[np.ndarray]) -> np.ndarray:
    width = max(array.shape[1] for array in arrays)
    return np.concatenate([array if array.shape[1] == width else np.zeros((len(array), width)) for array in arrays])


def _part(element: Any, *, batched: bool) -> _Part:
    """All rows of one element at once."""
    leaves = [_dense(leaf) for leaf in tf.nest.flatten(element, expand_composites=False)]
    lengths = {leaf.shape[0] if leaf.ndim else -1 for leaf in leaves}
    rows = max(lengths, default=-1)
    if not batched or len(lengths) != 1 or rows < 0:
        leaves, rows = [leaf[None] for leaf in leaves], 1
    digests = [hashlib.blake2b(digest_size=16) for _ in range(rows)]
    projected = [np.zeros((rows, 0))]
    relative: list[float] = []
    for leaf in leaves:
        head = f"{leaf.dtype}{leaf.shape[1:]}".encode()
        is_float = leaf.dtype.kind == "f" or leaf.dtype.name == "bfloat16"
        if is_float:
            projections, broken = _projections(leaf, rows)
            projected.append(projections)
            relative.append(_RELATIVE.get(leaf.dtype.name, _RELATIVE_ELSE))
        for index, digest in enumerate(digests):
            digest.update(head)
            digest.update(broken[index].tobytes() if is_float else _row_bytes(leaf[index]))
    floats = np.concatenate(projected, axis=1)
    norms = floats[:, _PROJECTIONS::_WIDTH] * np.asarray(relative) + _SMALL
    return _Part([digest.digest() for digest in digests], floats, np.repeat(norms, _WIDTH, axis=1))


def _row_bytes(row: Any) -> bytes:
    if isinstance(row, np.ndarray) and row.dtype.kind != "O":
        return row.tobytes()
    return repr(row.tolist() if isinstance(row, np.ndarray) else row).encode()


def _projections(leaf: np.ndarray, rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Projections and norm of each row, and which values are not finite."""
    flat = leaf.reshape(rows, -1)
    at_once = max(1, _AT_ONCE // max(1, flat.shape[1]))
    parts = [_projected(flat[start : start + at_once]) for start in range(0, rows, at_once)]
    return np.concatenate([found for found, _ in parts]), np.concatenate([marks for _, marks in parts])


def _projected(rows: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    wide = rows.astype(np.float64)
    finite = np.isfinite(wide)
    if finite.all():
        marks = np.zeros(wide.shape, dtype=np.uint8)
    else:
        marks = np.where(np.isnan(wide), 1, np.where(finite, 0, np.where(wide > 0, 2, 3))).astype(np.uint8)
        wide = np.where(finite, wide, 0.0)
    norms = np.sqrt(np.einsum("ij,ij->i", wide, wide))[:, None]
    # Not a matrix product: its threads wait busily afterwards, on the cores that the dataset is read with.
    return np.concatenate([np.einsum("ij,kj->ik", wide, _weights(wide.shape[1])), norms], axis=1), marks


@functools.lru_cache(maxsize=16)
def _weights(size: int) -> np.ndarray:
    """A row for each projection."""
    return np.ascontiguousarray(np.random.default_rng(size).standard_normal((size, _PROJECTIONS)).T)


def _dense(leaf: Any) -> np.ndarray:
    if isinstance(leaf, tf.RaggedTensor):
        # One object per row keeps row boundaries without padding.
        rows = np.empty(leaf.shape[0], dtype=object)
        for index, row in enumerate(leaf):
            rows[index] = row.to_list() if isinstance(row, tf.RaggedTensor) else row.numpy().tolist()
        return rows
    if isinstance(leaf, tf.SparseTensor):
        return np.asarray(tf.sparse.to_dense(leaf, validate_indices=False))
    if isinstance(leaf, tf.data.Dataset):
        inside = fingerprint(leaf, batched=False, max_rows=_NESTED_ROWS)
        return np.asarray(repr((inside.exact, np.round(inside.floats, 3).tolist())), dtype=object)
    return np.asarray(leaf)
