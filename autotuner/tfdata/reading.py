"""Reads a dataset for a limited time: never longer, whatever the dataset does."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

_AHEAD = 8
"""Elements read before they are asked for."""


class Reading:
    """One pass over a dataset, given up after ``seconds``.

    A thread of its own reads, because an element that never comes cannot be interrupted: the thread is left behind
    then.
    """

    def __init__(self, dataset: tf.data.Dataset, seconds: float) -> None:
        self.ended = False
        """The dataset came to its own end."""
        self._deadline = time.monotonic() + seconds
        self._elements: queue.Queue[tuple[str, Any]] = queue.Queue(_AHEAD)
        self._stopped = threading.Event()
        threading.Thread(target=self._read, args=(dataset,), name="reading", daemon=True).start()

    def __iter__(self) -> Iterator[Any]:
        try:
            while True:
                try:
                    what, value = self._elements.get(timeout=max(self._deadline - time.monotonic(), 0.001))
                except queue.Empty:
                    return
                if what == "error":
                    raise value
                if what == "end":
                    self.ended = True
                    return
                yield value
        finally:
            self._stopped.set()

    def _read(self, dataset: tf.data.Dataset) -> None:
        try:
            for element in dataset:
                if not self._put("element", element):
                    return
            self._put("end", None)
        except Exception as error:  # noqa: BLE001 - raised again on the thread that waits
            self._put("error", error)

    def _put(self, what: str, value: object) -> bool:
        while not self._stopped.is_set():
            try:
                self._elements.put((what, value), timeout=0.1)
            except queue.Full:
                continue
            return True
        return False
