"""What AUTOTUNE makes of the knobs that are left to it, while a real ``fit`` runs."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from autotuner.pipeline import AUTOTUNE, INFINITE, Op, Pipeline
from autotuner.rewrites.prefetch import END
from autotuner.tfdata.build import build_all
from autotuner.tfdata.model_nodes import Found, found_nodes
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.serial import watched
from autotuner.tfdata.stages import stages
from autotuner.worker.trainee import Trainee

_LOOK_SECONDS = 0.05
_FIT_SECONDS = 2.5
_KNOBS = {
    "parallelism": ("num_parallel_calls", "num_parallel_reads"),
    "buffer_size": ("buffer_size",),
    "cycle_length": ("cycle_length",),
}
"""What the model calls an argument, and what the API does."""
_LEFT_TO_TENSORFLOW = {"cycle_length"}
"""Arguments that AUTOTUNE decides about where they are not given."""


def chosen(
    trainee: Trainee, recorded: Recorded, pipeline: Pipeline, *, steps: int, limit_seconds: float
) -> dict[str, int]:
    """Values by decision name, as they were when ``fit`` had run longest on one iterator.

    tf.data's own rewrites are off meanwhile: they would fuse stages, and a knob would have no stage of its own.
    """
    datasets = build_all(recorded, pipeline)
    try:
        tree = stages(pipeline, datasets)
    except (tf.errors.OpError, ValueError):
        return {}
    dataset = watched(datasets[pipeline.output.label])
    bounded = steps if int(dataset.cardinality()) == INFINITE else None
    with _latest_iterator() as latest:
        looking = _Looking(latest, min(_FIT_SECONDS, limit_seconds))
        trainee.fit(dataset, looking, steps=bounded)
    found: dict[str, int] = {}
    for seen in looking.in_order():
        found |= {name: value for item in found_nodes(seen, tree, pipeline) for name, value in _values(item, pipeline)}
    return found


@dataclass
class _Latest:
    """Only one is kept: each one has threads of its own."""

    iterator: Any | None = None


class _Looking:
    """Looks at tf.data's model between batches, and ends the fit."""

    def __init__(self, latest: _Latest, seconds: float) -> None:
        self._seen: dict[int, Any] = {}
        self._latest = latest
        self._seconds = seconds
        self._ends: float | None = None
        self._looked = 0.0
        self._epochs = 0

    def in_order(self) -> list[Any]:
        """The model after more and more batches: stages that end before the epoch are in the earlier ones."""
        return [model for _, model in sorted(self._seen.items())]

    def epoch_began(self) -> bool:
        """Ends a fit whose first epoch gave no batch."""
        self._epochs += 1
        return self._epochs > 1 and self._ends is None

    def step_ended(self, batch: int, wait: Callable[[], None]) -> bool:
        """Looks from time to time."""
        wait()
        now = time.monotonic()
        if self._ends is None:
            self._ends = now + self._seconds  # before it, Keras may trace
        ends = now > self._ends
        if ends or batch == 0 or now - self._looked > _LOOK_SECONDS:
            self._looked = now
            self._seen[batch] = tf.data.experimental.get_model_proto(self._latest.iterator)
        return ends

    def epoch_ended(self, *, complete: bool) -> bool:
        """Another epoch may follow."""
        del complete
        return False


@contextmanager
def _latest_iterator() -> Iterator[_Latest]:
    """The iterator that was made last of any dataset: ``fit`` keeps its own to itself."""
    latest = _Latest()
    original = tf.data.Dataset.__iter__

    def remembering(dataset: tf.data.Dataset) -> Any:
        latest.iterator = original(dataset)
        return latest.iterator

    tf.data.Dataset.__iter__ = remembering
    try:
        yield latest
    finally:
        tf.data.Dataset.__iter__ = original
        latest.iterator = None


def _values(found: Found, pipeline: Pipeline) -> Iterator[tuple[str, int]]:
    """Decision names with what AUTOTUNE chose, for what is left to it."""
    op = pipeline.at(found.path)
    for parameter in found.node.parameters if found.first else ():
        for argument in _KNOBS.get(parameter.name, ()):
            if _left_to_autotune(op, argument):
                yield _decision(found.path, op, argument, pipeline), int(parameter.value)


def _left_to_autotune(op: Op, argument: str) -> bool:
    if op.argument(argument) == AUTOTUNE:
        return True
    return argument in _LEFT_TO_TENSORFLOW and op.kind == "interleave" and op.argument(argument) is None


def _decision(path: str, op: Op, argument: str, pipeline: Pipeline) -> str:
    """The last prefetch is ``prefetch[end]``, whoever put it there."""
    last = op.kind == "prefetch" and all(later.kind == "with_options" for later in _after(pipeline, op))
    return f"{END if last else path}.{argument}"


def _after(pipeline: Pipeline, op: Op) -> tuple[Op, ...]:
    """Ops of the trunk behind ``op``; all of it for one that does not stand there."""
    trunk = pipeline.trunk()
    return trunk[trunk.index(op) + 1 :] if op in trunk else trunk
