"""Several timed fits at the same time, of which only one runs at any moment.

The speed of a shared machine changes by tens of percent from one second to the next: what its other tenants do to a
core decides it. Fits that run one after the other each meet another machine; fits that take turns of a tenth of a
second meet the same one. A process is stopped by a signal and its clock stands still with it.

What a process waits for outside of itself, such as a disk or a sleep, goes on while it is stopped. Where that is what
it mostly waits for, its turns would flatter it: it has to be measured alone.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass

from autotuner.measure.messages import Measure, Response
from autotuner.measure.processes import Worker
from autotuner.measure.turn_clock import TurnClock

TURN_SECONDS = 0.1
_MOST_IDLE = 0.1
"""Share of its turns at whose end a process that computes may be found with nothing to run."""


class CannotTakeTurnsError(Exception):
    """These fits have to be measured one after the other."""


@dataclass
class Seat:
    """One worker with what it is asked; its clock is the one that the request names."""

    worker: Worker
    request: Measure
    clock: TurnClock
    turns: int = 0
    idle_turns: int = 0
    stopped_at_seconds: float = 0.0

    @property
    def is_idle(self) -> bool:
        """It waits for something that goes on while it is stopped."""
        return self.idle_turns > 1 + _MOST_IDLE * self.turns

    def stop(self) -> None:
        """Ends a turn."""
        self.turns += 1
        self.idle_turns += not self.worker.has_work
        self.worker.stop()
        self.stopped_at_seconds = time.perf_counter()

    def resume(self) -> None:
        """Begins a turn."""
        self.clock.was_stopped(time.perf_counter() - self.stopped_at_seconds)
        self.worker.resume()


def ask_in_turns(seats: Sequence[Seat], *, limit_seconds: float, memory_limit_bytes: int) -> list[Response]:
    """The answers to all requests.

    Raises:
        CannotTakeTurnsError: one waits for something outside, or together they take too much memory.
        WorkerGoneError: one died.
        WorkerTimeoutError: no end within ``limit_seconds``.
        WorkerMemoryError: one alone used more than ``memory_limit_bytes``.
    """
    deadline = time.monotonic() + limit_seconds
    for seat in seats:
        seat.worker.stop()
        seat.stopped_at_seconds = time.perf_counter()
        seat.worker.send(seat.request)
    answers: dict[int, Response] = {}
    while len(answers) < len(seats):
        for place, seat in enumerate(seats):
            if place in answers:
                continue
            seat.resume()
            answer = seat.worker.answer(TURN_SECONDS)
            if answer is not None:
                answers[place] = answer
                continue
            seat.worker.watch(deadline, memory_limit_bytes)
            seat.stop()
            if seat.is_idle or sum(other.worker.peak_rss_bytes for other in seats) > memory_limit_bytes:
                raise CannotTakeTurnsError
        if all(seat.clock.knows_enough for place, seat in enumerate(seats) if place not in answers):
            for seat in seats:
                seat.clock.end()
    return [answers[place] for place in range(len(seats))]
