"""Reads a serial build of the pipeline for a few seconds and asks tf.data's model what each stage took."""

from __future__ import annotations

import itertools
import queue
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from autotuner.pipeline import Facts, Pipeline
from autotuner.pipeline.profile import StageCost
from autotuner.tfdata.build import build_all
from autotuner.tfdata.model_nodes import found_nodes
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.serial import lengthened, serial, watched
from autotuner.tfdata.stages import stages
from autotuner.tfdata.tally import Tally

_ENOUGH_ELEMENTS = 200
_LEAST_SECONDS = 1.0
_LOOK_SECONDS = 0.005
_PATIENCE_SECONDS = 0.1
_FIRST_LOOKS = 10
_KEPT = {"cache", "snapshot"}


@dataclass(frozen=True)
class Profile:
    """What reading showed; ``stopped_by`` is the error that ended it, in TensorFlow's words."""

    costs: dict[str, StageCost]
    elements: int
    """Of the output, that were read."""
    stopped_by: str = ""


def profile(recorded: Recorded, facts: Facts, scratch: Path, limit_seconds: float) -> Profile:
    """The cost of every op while a first epoch is read without parallelism.

    Reads for a second at least, and for ``limit_seconds`` where elements are slow to come. ``scratch`` holds what the
    user's pipeline keeps in files.
    """
    deadline = time.monotonic() + limit_seconds
    pipeline = serial(recorded.pipeline, scratch)
    longer = lengthened(pipeline, facts)
    found = _profile(recorded, longer, facts, deadline)
    if found.stopped_by and longer != pipeline and not any(op.kind in _KEPT for op in pipeline.ops):
        return _profile(recorded, pipeline, facts, deadline)  # the repeats may have been the reason
    return found


def _profile(recorded: Recorded, pipeline: Pipeline, facts: Facts, deadline: float) -> Profile:
    datasets = build_all(recorded, pipeline)
    try:
        tree = stages(pipeline, datasets)
    except (tf.errors.OpError, ValueError):
        return Profile({}, 0, "TensorFlow cannot serialise the pipeline, so its stages cannot be told apart")
    dataset = watched(datasets[pipeline.output.label])
    again = not any(op.kind in _KEPT for op in pipeline.ops)  # what is kept would be read, not made
    tally, elements, started = Tally(), 0, time.monotonic()
    for number in itertools.count():
        reading = _Reading(dataset, deadline)
        for model in reading.models():
            tally.add(number, found_nodes(model, tree, pipeline))
        elements += reading.elements
        if reading.error or not reading.elements or not again or time.monotonic() - started > _LEAST_SECONDS:
            break
    return Profile(tally.costs(recorded.pipeline, facts), elements, reading.error)


class _Reading:
    """One pass, or a part of it, by a thread of its own: an element that does not come must not be waited for."""

    def __init__(self, dataset: tf.data.Dataset, deadline: float) -> None:
        self.elements = 0
        self.error = ""
        self._deadline = deadline
        self._enough = time.monotonic() + _LEAST_SECONDS
        self._stopped = threading.Event()
        self._models: queue.SimpleQueue[Any] = queue.SimpleQueue()
        self._iterator = iter(dataset)
        threading.Thread(target=self._read, name="profile", daemon=True).start()

    def models(self) -> Iterator[Any]:
        """The model as it was seen from time to time, also while an element is being made."""
        try:
            while (left := self._deadline - time.monotonic()) > 0:
                try:
                    model = self._models.get(timeout=min(left, _PATIENCE_SECONDS))
                except queue.Empty:
                    model = tf.data.experimental.get_model_proto(self._iterator)
                if model is None:
                    return
                yield model
        finally:
            self._stopped.set()

    def _read(self) -> None:
        try:
            self._look()
        except Exception as error:  # noqa: BLE001 - the user's code may raise anything
            self.error = str(error)
        self._models.put(None)

    def _look(self) -> None:
        looked = 0.0
        for _ in self._iterator:
            self.elements += 1
            now = time.monotonic()
            done = now > self._enough and self.elements >= _ENOUGH_ELEMENTS
            if self.elements <= _FIRST_LOOKS or now - looked > _LOOK_SECONDS or done:
                self._models.put(tf.data.experimental.get_model_proto(self._iterator))
                looked = now
            if done or self._stopped.is_set():
                return
