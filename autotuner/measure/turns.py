"""Several timed fits at the same time, of which only one runs at any moment.

The speed of a shared machine changes by tens of percent from one second to the next: what its other tenants do to a
core decides it. Fits that run one after the other each meet another machine; fits that take turns of a tenth of a
second meet the same one. A process is stopped by a signal and its clock stands still with it. What comes before the
fit, such as verifying, is not timed: all prepare at the same time, and wait for each other.

What a process waits for outside of itself, such as a disk or a sleep, goes on while it is stopped. Where that is what
it mostly waits for, its turns would flatter it: it has to be measured alone.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from autotuner.measure.answers import WORKER_ENDS, end_of
from autotuner.measure.limits import Limits
from autotuner.measure.messages import Measure, Response
from autotuner.measure.outcome import Failure
from autotuner.measure.processes import Worker
from autotuner.measure.turn_clock import TurnClock

TURN_SECONDS = 0.1
_LOOK_SECONDS = 0.01
_MOST_IDLE = 0.1
"""Share of its turns at whose end a process that computes may be found with nothing to run."""


class CannotTakeTurnsError(Exception):
    """These fits have to be measured one after the other; ``waiting`` are the places of those that wait outside."""

    def __init__(self, waiting: frozenset[int] = frozenset()) -> None:
        super().__init__(waiting)
        self.waiting = waiting


@dataclass
class Seat:
    """One worker with what it is asked, and the clock that it is to go by."""

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

    def answer(self, seconds: float, deadline: float, limits: Limits) -> Response | None:
        """The answer if it comes within ``seconds``, or how the worker ended."""
        try:
            answer = self.worker.answer(seconds)
            if answer is None:
                self.worker.watch(deadline, limits.memory_bytes)
        except WORKER_ENDS as error:
            return end_of(error, limits.trial_seconds, limits.memory_bytes)
        return answer

    def stop(self) -> None:
        """Lets others run."""
        self.worker.stop()
        self.stopped_at_seconds = time.perf_counter()

    def turn(self, deadline: float, limits: Limits) -> Response | None:
        """Runs for one turn; the answer if that comes in it."""
        self.clock.was_stopped(time.perf_counter() - self.stopped_at_seconds)
        self.worker.resume()
        answer = self.answer(TURN_SECONDS, deadline, limits)
        if answer is None:
            self.turns += 1
            self.idle_turns += not self.worker.has_work
            self.stop()
        return answer


def ask_in_turns(seats: Sequence[Seat], limits: Limits) -> list[Response]:
    """The answers to all requests, or how workers ended; where one has nothing to time, the others end early.

    Raises:
        CannotTakeTurnsError: one waits for something outside, or together they take too much memory. All are still
            in the middle of their requests.
        WorkerGoneError: one had died before it was asked.
    """
    for seat in seats:
        seat.worker.send(replace(seat.request, clock=str(seat.clock.path)))
    answers = _prepared(seats, limits)
    fitting = {place: seat for place, seat in enumerate(seats) if place not in answers}
    for seat in fitting.values():
        seat.stop()
        seat.clock.go()
    deadline, ending = time.monotonic() + len(seats) * limits.trial_seconds, False
    while fitting:
        if not ending and _may_end(fitting.values(), answers.values()):
            deadline, ending = time.monotonic() + len(seats) * limits.trial_seconds, True
            for seat in fitting.values():
                seat.clock.end()
        for place, seat in list(fitting.items()):
            waits_for_others = seat.clock.knows_enough and not ending
            answer = seat.turn(math.inf if waits_for_others else deadline, limits)
            if answer is not None:
                answers[place] = answer
                del fitting[place]
        _check(seats, limits)
    return [answers[place] for place in range(len(seats))]


def _may_end(fitting: Iterable[Seat], answers: Iterable[Response]) -> bool:
    """All know enough, or there is nothing to compare with any more."""
    return any(isinstance(answer, Failure) for answer in answers) or all(seat.clock.knows_enough for seat in fitting)


def _prepared(seats: Sequence[Seat], limits: Limits) -> dict[int, Response]:
    """What those answered that do not come to a fit; all others are about to begin theirs."""
    answers: dict[int, Response] = {}
    deadline = time.monotonic() + limits.trial_seconds
    waiting = dict(enumerate(seats))
    while waiting:
        for place, seat in list(waiting.items()):
            answer = seat.answer(_LOOK_SECONDS, deadline, limits)
            if answer is not None:
                answers[place] = answer
            if answer is not None or seat.clock.is_ready:
                del waiting[place]
        _check(seats, limits)
    return answers


def _check(seats: Sequence[Seat], limits: Limits) -> None:
    waiting = frozenset(place for place, seat in enumerate(seats) if seat.is_idle)
    if waiting or sum(seat.worker.peak_rss_bytes for seat in seats) > limits.memory_bytes:
        raise CannotTakeTurnsError(waiting)
