"""The first rows that each map is given, for trying its function on."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from autotuner.pipeline import Op, Pipeline
from autotuner.pipeline.batched import is_given_batches
from autotuner.tfdata.build import build_all
from autotuner.tfdata.reading import Reading
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.small_epoch import shortened, unshuffled

_ROWS = 12
_FEW_ROWS, _MOST_BYTES = 4, 1 << 20
"""Of rows that are larger, a few will do."""
_LEAST_ROWS = 2
_SAMPLE_SECONDS = 2.0
_SOURCE_ELEMENTS = 64


class UnfitError(Exception):
    """Why a function cannot be tried on batches."""


class SampledRows:
    """A short pipeline that is built once, as far as it is asked for, and read at every map."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._datasets: dict[str, tf.data.Dataset] = {}

    def of(self, op: Op) -> Any:
        """Rows that ``op`` is given, stacked.

        Raises:
            UnfitError: rows of one shape cannot be had.
        """
        dataset = self._given(op)
        batches = is_given_batches(self._recorded.pipeline, op)  # the last one may be smaller
        for leaf in tf.nest.flatten(dataset.element_spec):
            if not isinstance(leaf, tf.TensorSpec) or not leaf.shape[int(batches) :].is_fully_defined():
                raise UnfitError("the elements it is given have no fixed shape")
        rows: list[Any] = []
        for row in Reading(dataset, _SAMPLE_SECONDS):
            if rows and _shapes(row) != _shapes(rows[0]):
                continue
            rows.append(row)
            if len(rows) == _ROWS or (len(rows) >= _FEW_ROWS and len(rows) * _bytes(row) > _MOST_BYTES):
                break
        if len(rows) < _LEAST_ROWS:
            raise UnfitError("too few elements to try it on")
        return tf.nest.map_structure(lambda *parts: np.stack([np.asarray(part) for part in parts]), *rows)

    def _given(self, op: Op) -> tf.data.Dataset:
        receiver = str(self._short[op.label].receiver)
        if receiver not in self._datasets:
            part = Pipeline(self._short.upstream(receiver))
            self._datasets |= build_all(self._recorded, part, self._datasets)
        return self._datasets[receiver]

    @cached_property
    def _short(self) -> Pipeline:
        return shortened(unshuffled(self._recorded.pipeline), _SOURCE_ELEMENTS)


def _shapes(row: Any) -> list[Any]:
    return [leaf.shape for leaf in tf.nest.flatten(row)]


def _bytes(row: Any) -> int:
    return sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(row))
