"""Lets go of a fit's iterators outside of what is timed.

Whoever drops the last reference to an iterator waits for tf.data's AUTOTUNE thread to end. That thread sleeps for
periods that double up to a minute; it is woken when it is cancelled, but it may look whether it was a moment before
that can be seen, and then it sleeps on (TensorFlow 2.21: ``Model::OptimizeLoop`` asks ``IsCancelled``, which becomes
true after the callbacks that wake it). So the end of an epoch now and then takes up to as long again as the epoch
took, by chance, in any pipeline that has not switched AUTOTUNE off and with the model alone: a pause that says nothing
about a pipeline and would drown what does.

A ``fit`` of Keras that is ended within an epoch leaves its iterator in a cycle of references. The garbage collector
would find it some time later, in a thread that happens to allocate then, such as that of the next fit: so garbage is
collected aside as well.
"""

from __future__ import annotations

import gc
import math
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import tensorflow as tf

_ALIVE = 3
"""A training loop may hold on to the iterator of the last epoch while it makes the next one."""


@dataclass
class Waits:
    """What letting go of iterators took."""

    threads: list[threading.Thread] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)

    def total_seconds(self) -> float:
        """Of all together; waits for those that still go on."""
        for thread in self.threads:
            thread.join()
        return math.fsum(self.seconds)

    def release(self, iterators: list[Any], *, collect: bool = False) -> None:
        """Lets go of the last references in a thread of its own; with ``collect``, of those in cycles, too."""

        def release() -> None:
            started = time.perf_counter()
            iterators.clear()
            if collect:
                gc.collect()
            self.seconds.append(time.perf_counter() - started)

        thread = threading.Thread(target=release, daemon=True)
        self.threads.append(thread)
        thread.start()


@contextmanager
def iterators_released_aside() -> Iterator[Waits]:
    """Within it, a thread of its own waits for the end of each iterator that is not in use any more."""
    make, alive, waits = tf.data.Dataset.__iter__, deque[Any](), Waits()

    def made(dataset: tf.data.Dataset) -> Any:
        alive.append(make(dataset))
        if len(alive) > _ALIVE:
            waits.release([alive.popleft()])
        return alive[-1]

    tf.data.Dataset.__iter__ = made
    try:
        yield waits
    finally:
        tf.data.Dataset.__iter__ = make
        rest = [*alive]
        alive.clear()  # before the thread begins, or the last reference could be this one
        waits.release(rest, collect=True)
