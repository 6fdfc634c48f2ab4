"""The first rows that each map is given, for trying its function on."""

from __future__ import annotations

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
_SOURCE_ELEMENTS = (64, 2_048)
"""Of each source; the larger number where too few rows came of the smaller one, behind a large batch or a filter."""


class UnfitError(Exception):
    """Why a function cannot be tried on batches."""


class SampledRows:
    """A short pipeline that is built once, as far as it is asked for, and read at every map."""

    def __init__(self, recorded: Recorded) -> None:
        self._recorded = recorded
        self._short = {count: shortened(unshuffled(recorded.pipeline), count) for count in _SOURCE_ELEMENTS}
        self._datasets: dict[int, dict[str, tf.data.Dataset]] = {count: {} for count in _SOURCE_ELEMENTS}

    def of(self, op: Op) -> Any:
        """Rows that ``op`` is given, stacked.

        Raises:
            UnfitError: rows of one shape cannot be had.
        """
        batches = is_given_batches(self._recorded.pipeline, op)  # the last one may be smaller
        for count in _SOURCE_ELEMENTS:
            dataset = self._given(op, count)
            for leaf in tf.nest.flatten(dataset.element_spec):
                if not isinstance(leaf, tf.TensorSpec) or not leaf.shape[int(batches) :].is_fully_defined():
                    raise UnfitError("the elements it is given have no fixed shape")
            reading = Reading(dataset, _SAMPLE_SECONDS)
            rows = _equal_rows(reading)
            if len(rows) >= _LEAST_ROWS:
                return tf.nest.map_structure(lambda *parts: np.stack([np.asarray(part) for part in parts]), *rows)
            if not reading.ended:
                break  # more of them would take longer still
        raise UnfitError("too few elements to try it on")

    def _given(self, op: Op, count: int) -> tf.data.Dataset:
        short, datasets = self._short[count], self._datasets[count]
        receiver = str(short[op.label].receiver)
        if receiver not in datasets:
            datasets |= build_all(self._recorded, Pipeline(short.upstream(receiver)), datasets)
        return datasets[receiver]


def _equal_rows(reading: Reading) -> list[Any]:
    """The first rows of one shape."""
    rows: list[Any] = []
    for row in reading:
        if rows and _shapes(row) != _shapes(rows[0]):
            continue
        rows.append(row)
        if len(rows) == _ROWS or (len(rows) >= _FEW_ROWS and len(rows) * _bytes(row) > _MOST_BYTES):
            break
    return rows


def _shapes(row: Any) -> list[Any]:
    return [leaf.shape for leaf in tf.nest.flatten(row)]


def _bytes(row: Any) -> int:
    return sum(np.asarray(leaf).nbytes for leaf in tf.nest.flatten(row))
