"""One look at the user's own dataset: how long an epoch is, which batch shapes come, how fast it is alone."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import tensorflow as tf

from autotuner.errors import UserCodeError
from autotuner.measure.messages import Calibrated
from autotuner.pipeline import INFINITE, UNKNOWN, Facts, Pipeline

_LIMIT_SECONDS = 5.0
_COUNTING_SECONDS = 10.0
_MOST_SHAPES = 32
_ASSUMED_STEPS = 1_000
_KEEPS_BATCHES = {"map", "prefetch", "with_options", "cache", "shuffle", "repeat"}


def _uncounted(limit_seconds: float) -> None:
    """Nothing is known of how the elements are made."""
    del limit_seconds


@dataclass(frozen=True)
class Calibration:
    """What iterating the dataset once, without the model, showed."""

    found: Calibrated
    batches: tuple[object, ...]
    """One batch of each shape: the model must have seen them all before anything is timed."""

    def with_model(self, steps_per_second: float) -> Calibration:
        """A copy that knows the model's own rate."""
        return replace(self, found=replace(self.found, model_steps_per_second=steps_per_second))


def calibrate(
    dataset: tf.data.Dataset,
    steps_per_epoch: int | None,
    known: Calibrated | None,
    last_rows: int | None = None,
    count: Callable[[float], int | None] = _uncounted,
) -> Calibration:
    """Iterates ``dataset`` for at most one epoch or five seconds; for one batch where the rest is ``known``.

    Args:
        dataset: the user's own.
        steps_per_epoch: as the user gave it.
        known: what the first worker found.
        last_rows: size of the last batch, which five seconds may not reach.
        count: counts the steps of an epoch of unknown length, if it can within so many seconds.

    Raises:
        UserCodeError: the dataset is empty.
    """
    if known is not None and known.batch_rows is not None:
        return Calibration(known, _with_rows(_first(dataset), known.batch_rows))
    calibration = _iterated(dataset, steps_per_epoch, count)
    rows = calibration.found.batch_rows
    if rows is not None and last_rows is not None and len(rows) == 1 and 0 < last_rows < rows[0]:
        rows = [rows[0], last_rows]
        found = replace(calibration.found, batch_rows=rows)
        calibration = Calibration(found, _with_rows(calibration.batches[0], rows))
    return calibration if known is None else replace(calibration, found=known)


def last_batch_rows(pipeline: Pipeline, facts: Facts) -> int | None:
    """Size of the smaller batch an epoch ends with; ``None`` where there is none, or it is not known."""
    for op in reversed(pipeline.trunk()):
        if op.kind == "batch":
            size, rows = op.argument("batch_size"), facts[str(op.receiver)].cardinality
            kept = op.argument("drop_remainder") in {None, False}
            return rows % size or None if kept and isinstance(size, int) and rows > 0 else None
        if op.kind not in _KEEPS_BATCHES:
            return None
    return None


def _iterated(
    dataset: tf.data.Dataset, steps_per_epoch: int | None, count_steps: Callable[[float], int | None]
) -> Calibration:
    shapes: dict[str, object] = {}
    started = time.perf_counter()
    first = started
    count = 0
    ended = True
    for batch in dataset:
        count += 1
        now = time.perf_counter()
        if count == 1:
            first = now
        if len(shapes) < _MOST_SHAPES:
            shapes.setdefault(_shape(batch), batch)
        if now - started > _LIMIT_SECONDS or count == steps_per_epoch:
            ended = False
            break
    if count == 0:
        raise _empty()
    seconds = time.perf_counter() - first
    rate = (count - 1) / seconds if count > 1 and seconds > 0 else 1.0 / max(first - started, 1e-9)
    steps, warnings = _steps(dataset, steps_per_epoch, count if ended else None, count_steps)
    batches = tuple(shapes.values())
    if len(batches) == _MOST_SHAPES:
        warnings.append(
            f"batches come in {_MOST_SHAPES} shapes or more: for each one XLA compiles the training step anew; "
            "padding to a few fixed shapes, or model.compile(jit_compile=False), avoids it"
        )
    found = Calibrated(steps, rate, _rows(batches), warnings, time_to_first_batch_seconds=first - started)
    return Calibration(found, batches)


def _first(dataset: tf.data.Dataset) -> object:
    for batch in dataset:
        return batch
    raise _empty()


def _empty() -> UserCodeError:
    return UserCodeError("the dataset is empty", "check its file pattern and its filters; model.fit would fail too")


def _rows(batches: tuple[object, ...]) -> list[int] | None:
    """Leading sizes, where every component of every batch is a plain tensor and only they differ."""
    sizes: list[int] = []
    rests = set()
    for batch in batches:
        leaves = tf.nest.flatten(batch)
        if not all(isinstance(leaf, tf.Tensor) and leaf.shape.rank for leaf in leaves):
            return None
        leading = {leaf.shape[0] for leaf in leaves}
        rests.add(str([leaf.shape[1:] for leaf in leaves]))
        if len(leading) != 1 or len(rests) != 1:
            return None
        sizes.append(leading.pop())
    return sizes if sizes and sizes[0] == max(sizes) else None


def _with_rows(batch: object, sizes: list[int]) -> tuple[object, ...]:
    return tuple(tf.nest.map_structure(lambda leaf, size=size: leaf[:size], batch) for size in sizes)


def _steps(
    dataset: tf.data.Dataset, given: int | None, counted: int | None, count: Callable[[float], int | None]
) -> tuple[int, list[str]]:
    if given is not None:
        return given, []
    if counted is not None:
        return counted, []
    cardinality = int(dataset.cardinality())
    if cardinality >= 0:
        return cardinality, []
    if cardinality == UNKNOWN and (counted := count(_COUNTING_SECONDS)):
        return counted, []
    what = {INFINITE: "endless", UNKNOWN: "of unknown length"}[cardinality]
    warning = f"the dataset is {what}; an epoch is taken to be {_ASSUMED_STEPS} steps: give steps_per_epoch to be exact"
    return _ASSUMED_STEPS, [warning]


def _shape(batch: object) -> str:
    return str(tf.nest.map_structure(lambda leaf: getattr(leaf, "shape", None), batch))
