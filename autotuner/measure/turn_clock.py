"""The clock of a timed fit, also of one whose process is stopped now and then so that others can run."""

from __future__ import annotations

import mmap
import struct
import time
from pathlib import Path

_STOPPED_SECONDS = struct.Struct("d")
_READY, _GO, _ENOUGH, _OVER = range(_STOPPED_SECONDS.size, _STOPPED_SECONDS.size + 4)
_PAGE_BYTES = _STOPPED_SECONDS.size + 4
_WAIT_SECONDS = 0.002


class Clock:
    """That of a process which is never stopped."""

    def now(self) -> float:
        """Seconds that the process has been running, from an arbitrary start."""
        return time.perf_counter()

    def begin(self) -> None:
        """Waits for the others."""

    def ends(self, *, enough: bool) -> bool:
        """The fit is over: as soon as it knows ``enough``."""
        return enough


class TurnClock(Clock):
    """That of a process which takes turns: a page of a file, which the controller and its worker have in memory.

    The controller writes while the worker is stopped, so neither ever sees half of what the other wrote.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        with path.open("r+b") as file:
            self._page = mmap.mmap(file.fileno(), _PAGE_BYTES)

    @staticmethod
    def create(path: Path) -> TurnClock:
        """A new one, at zero."""
        path.write_bytes(bytes(_PAGE_BYTES))
        return TurnClock(path)

    def now(self) -> float:
        """``perf_counter``, which is one clock for all processes of a machine, less the time spent stopped."""
        while True:
            before = self._stopped_seconds()
            now = time.perf_counter()
            if self._stopped_seconds() == before:  # else it was stopped between the two
                return now - before

    def begin(self) -> None:
        """Tells the controller that the fit is about to begin, and waits until it may."""
        self._page[_READY] = True
        while not self._page[_GO]:
            time.sleep(_WAIT_SECONDS)

    def ends(self, *, enough: bool) -> bool:
        """Tells the controller that ``enough`` is known; the fit goes on until all others know enough, too."""
        self._page[_ENOUGH] = enough
        return bool(self._page[_OVER])

    @property
    def is_ready(self) -> bool:
        """The worker is about to begin its fit."""
        return bool(self._page[_READY])

    def go(self) -> None:
        """Lets the fit begin."""
        self._page[_GO] = True

    @property
    def knows_enough(self) -> bool:
        """What the worker told."""
        return bool(self._page[_ENOUGH])

    def was_stopped(self, seconds: float) -> None:
        """Adds to the time that does not count."""
        _STOPPED_SECONDS.pack_into(self._page, 0, self._stopped_seconds() + seconds)

    def end(self) -> None:
        """Lets the fit end at its next look."""
        self._page[_OVER] = True

    def _stopped_seconds(self) -> float:
        return float(_STOPPED_SECONDS.unpack_from(self._page)[0])
