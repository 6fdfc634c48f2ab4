"""Measures on this machine: one warm worker for the search, a fresh fork for everything that is claimed."""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path

from autotuner.errors import UserCodeError
from autotuner.measure.answers import death, outcome_of, unexpected, unopened, with_peak
from autotuner.measure.limits import Limits
from autotuner.measure.messages import (
    Broken,
    Ceiling,
    Checked,
    CheckModule,
    CheckSources,
    Measure,
    MeasureCeiling,
    Open,
    Opened,
    Profile,
    Profiled,
    Request,
    Response,
    Timing,
    Traced,
    TraceParameters,
)
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.processes import (
    CAN_SEE_THREADS,
    Worker,
    WorkerGoneError,
    WorkerMemoryError,
    WorkerTimeoutError,
    Zygote,
)
from autotuner.measure.turn_clock import TurnClock
from autotuner.measure.turns import CannotTakeTurnsError, Seat, ask_in_turns
from autotuner.pipeline import Configuration

_ENDS_THE_WORKER = {FailureKind.CRASH, FailureKind.TIMEOUT, FailureKind.OUT_OF_MEMORY}


class LocalRunner:
    """See :class:`autotuner.measure.runner.Runner`."""

    def __init__(self, request: Open, log: Path, limits: Limits) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="autotuner-"))
        self._request = replace(request, scratch=str(self._scratch))
        self.limits = limits
        self.takes_turns = limits.together and not request.cold and CAN_SEE_THREADS
        self._zygote = Zygote(log, self._scratch)
        self._warm: Worker | None = None
        self._opened_rss_bytes = 0
        self.timed_seconds = 0.0

    def open(self) -> Opened:
        """Opens the warm worker; later workers reuse what it found out."""
        opened = self._open_warm()
        self._request = replace(self._request, calibrated=opened.calibrated, facts=opened.facts)
        return opened

    def ceiling(self, timing: Timing) -> Ceiling | Failure:
        """Times the model alone in the warm worker."""
        response = self._ask_warm(MeasureCeiling(timing))
        if isinstance(response, Ceiling | Failure):
            return response
        raise unexpected(response)

    def profile(self, autotune: Configuration) -> Profiled | Failure:
        """Reads and fits in the warm worker."""
        response = self._ask_warm(Profile(dict(autotune)))
        if isinstance(response, Profiled | Failure):
            return response
        raise unexpected(response)

    def measure(self, configuration: Configuration, timing: Timing) -> Outcome:
        """Verifies and times in the warm worker."""
        started = time.perf_counter()
        try:
            response = self._ask_warm(Measure(dict(configuration), timing))
        except UserCodeError as error:
            return unopened(error, time.perf_counter() - started)
        return outcome_of(response, time.perf_counter() - started)

    def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
        """Times each in a fork of its own, without verifying again; in turns, where that is fair."""
        return measure_together([(self, configuration) for configuration in configurations], timing)

    def measure_alone(self, configuration: Configuration, timing: Timing) -> Outcome:
        """Times in a fork of its own while nothing else is measured."""
        started = time.perf_counter()
        try:
            with self.forked() as worker:
                self._open(worker)
                response = self._ask(worker, Measure(dict(configuration), timing, verify=False))
                return outcome_of(with_peak(response, worker), time.perf_counter() - started)
        except UserCodeError as error:
            return unopened(error, time.perf_counter() - started)

    @contextmanager
    def forked(self) -> Iterator[Worker]:
        """A worker that ends with its use."""
        worker = self._zygote.spawn()
        try:
            yield worker
        finally:
            worker.kill()

    def begin_to_open(self, worker: Worker) -> None:
        """Asks ``worker`` to open the pipeline; :meth:`end_opening` waits until it has."""
        worker.send(self._request)

    def end_opening(self, worker: Worker) -> Opened:
        """What ``worker`` opened.

        Raises:
            UserCodeError: the pipeline cannot be opened.
        """
        return self._opened(worker, self._answer(worker, self.limits.open_seconds))

    @contextmanager
    def turn_clock(self) -> Iterator[TurnClock]:
        """A clock for a worker of this runner."""
        descriptor, name = tempfile.mkstemp(prefix="clock-", dir=self._scratch)
        os.close(descriptor)
        try:
            yield TurnClock.create(Path(name))
        finally:
            Path(name).unlink()

    def trace(self) -> Traced | Failure:
        """Runs the user's function with other arguments, in a fork of its own."""
        response = self._ask_fresh(TraceParameters())
        if isinstance(response, Traced | Failure):
            return response
        raise unexpected(response)

    def check(self, request: CheckModule | CheckSources) -> Checked | Failure:
        """Runs emitted code in a fork of its own."""
        response = self._ask_fresh(request)
        if isinstance(response, Checked | Failure):
            return response
        raise unexpected(response)

    def _ask_fresh(self, request: Request) -> Response:
        """Asks a fork of its own, which needs no model."""
        try:
            with self.forked() as worker:
                self._open(worker, replace(self._request, model=None))
                return self._ask(worker, request)
        except UserCodeError as error:
            return Failure(FailureKind.ERROR, error.message, error.user_traceback)

    def close(self) -> None:
        """Ends all processes."""
        if self._warm is not None:
            self._warm.kill()
            self._warm = None
        self._zygote.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _open_warm(self) -> Opened:
        if self._warm is not None:
            self._warm.kill()
            self._warm = None
        worker = self._zygote.spawn()
        opened = self._open(worker)
        self._warm = worker
        self._opened_rss_bytes = worker.rss_bytes
        return opened

    def _ask_warm(self, request: Request) -> Response:
        if self._warm is None:
            self._open_warm()
        worker = self._warm
        assert worker is not None  # noqa: S101 - just opened
        response = with_peak(self._ask(worker, request), worker)
        ended = isinstance(response, Failure) and response.kind in _ENDS_THE_WORKER
        if ended or worker.rss_bytes > self._opened_rss_bytes + self.limits.growth_bytes:
            worker.kill()
            self._warm = None
        if ended:
            self._empty_scratch()
        return response

    def _empty_scratch(self) -> None:
        """A worker that was killed has left its trial's files."""
        for folder in self._scratch.glob("autotuner-trial-*"):
            shutil.rmtree(folder, ignore_errors=True)

    def _open(self, worker: Worker, request: Open | None = None) -> Opened:
        return self._opened(worker, self._ask(worker, request or self._request))

    def _opened(self, worker: Worker, response: Response) -> Opened:
        if isinstance(response, Opened):
            return response
        worker.kill()
        if isinstance(response, Broken):
            raise UserCodeError(response.message, response.hint, response.user_traceback)
        if isinstance(response, Failure):
            raise UserCodeError(
                f"the pipeline as written cannot be run: {response.message}",
                f"what it printed is in {self._zygote.log}",
                response.user_traceback,
            )
        raise unexpected(response)

    def _ask(self, worker: Worker, request: Request) -> Response:
        try:
            worker.send(request)
        except WorkerGoneError as error:
            return death(error.status)
        is_open = isinstance(request, Open)
        return self._answer(worker, self.limits.open_seconds if is_open else self.limits.trial_seconds)

    def _answer(self, worker: Worker, limit_seconds: float) -> Response:
        try:
            response = worker.wait(limit_seconds=limit_seconds, memory_limit_bytes=self.limits.memory_bytes)
        except WorkerTimeoutError:
            return Failure(FailureKind.TIMEOUT, f"no end within {limit_seconds:.0f} s; the worker was stopped")
        except WorkerMemoryError:
            allowed = self.limits.memory_bytes / 1e9
            return Failure(FailureKind.OUT_OF_MEMORY, f"used more than the allowed {allowed:.1f} GB of memory")
        except WorkerGoneError as error:
            return death(error.status)
        if isinstance(response, Measurement | Ceiling):
            self.timed_seconds += response.timed_seconds
        return response


def measure_together(sides: Sequence[tuple[LocalRunner, Configuration]], timing: Timing) -> list[Outcome]:
    """Times each side in a fork of its own, all at the same time in turns; one after the other where that is unfair.

    Sides of several runners can be compared: of several functions that make a dataset.
    """
    runners = [runner for runner, _ in sides]
    if len(sides) > 1 and all(runner.takes_turns for runner in runners):
        try:
            outcomes = _in_turns(sides, timing)
        except CannotTakeTurnsError:
            for runner in runners:
                runner.takes_turns = False
        except (UserCodeError, WorkerGoneError, WorkerTimeoutError, WorkerMemoryError):
            pass  # measured alone, it is seen whose fault that was
        else:
            if all(isinstance(outcome, Measurement) for outcome in outcomes):
                return outcomes
    return [runner.measure_alone(configuration, timing) for runner, configuration in sides]


def _in_turns(sides: Sequence[tuple[LocalRunner, Configuration]], timing: Timing) -> list[Outcome]:
    started = time.perf_counter()
    with ExitStack() as stack:
        workers = [stack.enter_context(runner.forked()) for runner, _ in sides]
        for (runner, _), worker in zip(sides, workers, strict=True):
            runner.begin_to_open(worker)
        seats = []
        for (runner, configuration), worker in zip(sides, workers, strict=True):
            runner.end_opening(worker)
            clock = stack.enter_context(runner.turn_clock())
            request = Measure(dict(configuration), timing, verify=False, clock=str(clock.path))
            seats.append(Seat(worker, request, clock))
        limits = sides[0][0].limits
        answers = ask_in_turns(
            seats, limit_seconds=len(seats) * limits.trial_seconds, memory_limit_bytes=limits.memory_bytes
        )
        wall_seconds = (time.perf_counter() - started) / len(sides)
        outcomes = list[Outcome]()
        for (runner, _), seat, answer in zip(sides, seats, answers, strict=True):
            outcomes.append(outcome_of(with_peak(answer, seat.worker), wall_seconds))
            runner.timed_seconds += answer.timed_seconds if isinstance(answer, Measurement) else 0.0
        return outcomes


def search_path() -> list[str]:
    """Where this process finds modules: the worker must find the user's in the same places."""
    return [str(Path(entry or ".").resolve()) for entry in sys.path]
