"""Compares the data of two pipelines over a small epoch that is long enough to say something, and quick to read."""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from functools import cached_property

import tensorflow as tf

from autotuner.pipeline import Pipeline
from autotuner.rewrites import Preserves
from autotuner.rewrites.order import natural_preserve
from autotuner.tfdata.derandomise import UndecidableError, derandomised
from autotuner.tfdata.fingerprint import (
    Fingerprint,
    difference,
    fingerprint,
    same_batches,
    same_content,
    same_order,
)
from autotuner.tfdata.order_laws import BATCHING
from autotuner.tfdata.shared_parts import SharedParts
from autotuner.tfdata.short_files import short_files
from autotuner.tfdata.small_batches import size_that_epochs_fill
from autotuner.tfdata.small_epoch import in_order, shortened, unshuffled

_CONSTANTS = (0.23, 0.81)
_MAX_ROWS = 2_000
_FIRST_PREFIX = 67
"""No multiple of a usual batch size: what does not fill a batch is compared as well."""
_LARGEST_PREFIX = 65_537
_GOOD_SECONDS = 0.5
"""A reading that takes longer is tried with a shorter prefix: every structure pays for several."""
_WORTHWHILE = 0.7
"""A prefix a quarter as long that takes this share of the time saves too little: what takes long is the start."""
_SLOW_SECONDS = 3.0
"""After this a reading is given up."""
_SEARCH_SECONDS = 15.0
_CANDIDATE_SECONDS = 30.0
_EPOCHS = 12
"""Readings of a candidate before it counts as frozen: by chance, few rows come in the same order again."""


_CONTENT, _ORDER, _BATCHES = "what is in the examples", "the order", "which examples share a batch"
_VARIATIONS = (_CONTENT, _ORDER, _BATCHES)


@dataclass(frozen=True)
class Side:
    """A pipeline of a recording."""

    parts: SharedParts
    pipeline: Pipeline


@dataclass(frozen=True)
class _Reference:
    prefix: int
    max_rows: int
    whole: bool
    """The small epoch ended by itself; else only its beginning is compared, in order."""
    first: Fingerprint
    """With the first constant for every draw."""


class Comparison:
    """The user's side, read once, and what is compared with it."""

    def __init__(self, mine: Side) -> None:
        self._mine = mine

    def prepare(self) -> None:
        """Reads the user's side now."""
        if self.repeatable:
            self._varies, self._fixed_draws  # noqa: B018 - computed and kept

    @property
    def rows_compared(self) -> int:
        """Rows of the user's side that every candidate is held to."""
        return self._reference.first.count

    @cached_property
    def repeatable(self) -> bool:
        """The user's side, built and read again, gives the same; else nothing can be learnt from comparing."""
        anew = replace(self._mine, parts=SharedParts(self._mine.parts.recorded))
        again = self._fixed(anew, _CONSTANTS[0])
        return not difference(self._reference.first, again, ordered=self._ordered)

    def difference(self, theirs: Side) -> str:
        """How the data of ``theirs`` differ; empty when they do not.

        Raises:
            UndecidableError: they cannot be read in reasonable time, or not without random draws.
        """
        for constant, expected in zip(_CONSTANTS, self._fixed_draws, strict=True):
            found = self._fixed(theirs, constant)
            if not found.ended and found.count < expected.count:
                raise UndecidableError(f"reading {expected.count} examples takes more than {_CANDIDATE_SECONDS:.0f} s")
            if reason := difference(expected, found, ordered=self._ordered):
                return reason
        return self._frozen(theirs)

    def unordered_difference(self, theirs: Side) -> str:
        """How the examples of ``theirs`` differ, whatever their order; empty where no whole epoch can be read."""
        if not self._reference.whole:
            return ""
        found = self._fixed(theirs, _CONSTANTS[0])
        return difference(self._reference.first, found, ordered=False)

    @property
    def _ordered(self) -> bool:
        return natural_preserve(self._mine.pipeline) is Preserves.SEQUENCE or not self._reference.whole

    def _frozen(self, theirs: Side) -> str:
        """What is new in every epoch of the user's pipeline and the same in every epoch of ``theirs``."""
        waiting = set(self._varies)
        if not waiting:
            return ""
        epochs = self._epochs(theirs)
        first = epochs()
        for _ in range(_EPOCHS):
            waiting -= _variations(first, epochs())
            if not waiting:
                return ""
        frozen = next(name for name in _VARIATIONS if name in waiting)
        return f"{frozen}, new in each epoch, would be frozen"

    @cached_property
    def _varies(self) -> frozenset[str]:
        epochs = self._epochs(self._mine)
        return frozenset(_variations(epochs(), epochs()))

    @cached_property
    def _reference(self) -> _Reference:
        prefix, first, max_rows = self._search()
        return _Reference(prefix, max_rows, first.ended, first)

    @cached_property
    def _fixed_draws(self) -> tuple[Fingerprint, ...]:
        """The user's side with each constant for every draw."""
        return (self._reference.first, *(self._fixed(self._mine, constant) for constant in _CONSTANTS[1:]))

    def _search(self) -> tuple[int, Fingerprint, int]:
        """Prefix, first reading and number of rows."""
        started = time.monotonic()
        prefix, best, took = _FIRST_PREFIX, None, math.inf
        tried: set[int] = set()
        while prefix not in tried and time.monotonic() - started < _SEARCH_SECONDS:
            tried.add(prefix)
            at = time.monotonic()
            found = self._read(self._mine, prefix, _CONSTANTS[0], _MAX_ROWS, _SLOW_SECONDS)
            seconds = time.monotonic() - at
            if best is not None and best[1].ended and seconds > took * _WORTHWHILE:
                break
            if found.count and (best is None or found.ended or not best[1].ended):
                took = seconds
                best = (prefix, found, _MAX_ROWS if found.ended else found.count)
            if not found.count and best is not None:
                break
            if not found.count and found.ended:
                prefix = min(prefix * 8, _LARGEST_PREFIX)  # every element was dropped: nothing would be compared
            elif found.ended and seconds <= _GOOD_SECONDS:
                break
            else:
                prefix = max(1, prefix // (4 if found.count else 16))
        if best is None:
            raise UndecidableError("no example comes out of the pipeline in reasonable time")
        return best

    def _fixed(self, side: Side, constant: float) -> Fingerprint:
        """The same rows of any side, draws replaced by a constant."""
        return self._read(side, self._reference.prefix, constant, self._reference.max_rows, _CANDIDATE_SECONDS)

    def _read(self, side: Side, prefix: int, constant: float, max_rows: int, seconds: float) -> Fingerprint:
        # A cache is built for each reading: it would give what it was filled with, with another constant.
        dataset = side.parts.build(_small(side, unshuffled(side.pipeline), self._filling(prefix)))
        fixed = derandomised(in_order(dataset), constant)
        return fingerprint(fixed, batched=self._batched, max_rows=max_rows, seconds=seconds)

    def _epochs(self, side: Side) -> _Epochs:
        dataset = side.parts.build(_small(side, side.pipeline, self._filling(self._reference.prefix)))
        return _Epochs(dataset, self._reference.max_rows, batched=self._batched)

    def _filling(self, prefix: int) -> int:
        """``prefix``, or more where whole epochs of the user's pipeline fill their batches: they still do then."""
        return -(-prefix // self._filled) * self._filled

    @cached_property
    def _filled(self) -> int:
        return size_that_epochs_fill(self._mine.parts.recorded, self._mine.pipeline)

    @property
    def _batched(self) -> bool:
        return any(op.kind in BATCHING for op in self._mine.pipeline.trunk())


class _Epochs:
    """Reads one dataset again and again."""

    def __init__(self, dataset: tf.data.Dataset, max_rows: int, *, batched: bool) -> None:
        self._dataset = dataset
        self._max_rows = max_rows
        self._batched = batched

    def __call__(self) -> Fingerprint:
        return fingerprint(self._dataset, batched=self._batched, max_rows=self._max_rows, seconds=_CANDIDATE_SECONDS)


def _small(side: Side, pipeline: Pipeline, prefix: int) -> Pipeline:
    return shortened(short_files(pipeline, side.parts.recorded.live, prefix), prefix)


def _variations(first: Fingerprint, second: Fingerprint) -> set[str]:
    """What differs between two epochs."""
    found = set()
    if not same_content(first, second):
        found.add(_CONTENT)
    if not same_order(first, second):
        found.add(_ORDER)
    if not same_batches(first, second):
        found.add(_BATCHES)
    return found
