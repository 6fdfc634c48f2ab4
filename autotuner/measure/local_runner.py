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
from autotuner.measure.answers import ask, opened_by, outcome_of, unexpected, unopened, wait_for, with_peak
from autotuner.measure.limits import Limits
from autotuner.measure.messages import (
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
from autotuner.measure.processes import CAN_SEE_THREADS, Worker, WorkerGoneError, Zygote
from autotuner.measure.turn_clock import TurnClock
from autotuner.measure.turns import CannotTakeTurnsError, Seat, ask_in_turns
from autotuner.measure.warm import WarmWorker
from autotuner.pipeline import Configuration

_OTHER = 1
"""Place of the one that is measured beside a configuration."""


class LocalRunner:
    """See :class:`autotuner.measure.runner.Runner`."""

    def __init__(self, request: Open, log: Path, limits: Limits) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="autotuner-"))
        self._request = replace(request, scratch=str(self._scratch))
        self.limits = limits
        self.takes_turns = limits.together and not request.cold and CAN_SEE_THREADS
        self._zygote = Zygote(log, self._scratch)
        self._warm = WarmWorker(self._zygote, limits)
        self._beside = WarmWorker(self._zygote, limits)
        self.timed_seconds = 0.0

    def open(self) -> Opened:
        """Opens the warm worker; later workers reuse what it found out."""
        opened = self._warm.open(self._request)
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

    def measure_beside(
        self, configuration: Configuration, other: Configuration, timing: Timing
    ) -> tuple[Outcome, Outcome]:
        """Verifies and times in the warm worker while ``other`` takes turns with it in a second one."""
        if self.takes_turns:
            try:
                return self._side_by_side(configuration, other, timing)
            except CannotTakeTurnsError as error:
                # What only this configuration cannot says nothing about the next one.
                self.takes_turns = _OTHER not in error.waiting
            except (UserCodeError, WorkerGoneError):
                pass  # measured alone, it is seen whose fault that was
        return self.measure(configuration, timing), self.measure(other, replace(timing, beat_seconds=None))

    def _side_by_side(
        self, configuration: Configuration, other: Configuration, timing: Timing
    ) -> tuple[Outcome, Outcome]:
        warm = (self._warm, self._beside)
        requests = (
            Measure(dict(configuration), timing),
            Measure(dict(other), replace(timing, beat_seconds=None), verify=False),
        )
        with ExitStack() as stack:
            workers = [one.worker(self._request) for one in warm]
            started = time.perf_counter()
            clocks = [stack.enter_context(self.turn_clock()) for _ in warm]
            try:
                answers = ask_in_turns(
                    [Seat(*seat) for seat in zip(workers, requests, clocks, strict=True)], self.limits
                )
            except BaseException:
                for one in warm:
                    one.close()  # it may be in the middle of a fit
                self._tidy()
                raise
        wall_seconds = (time.perf_counter() - started) / len(warm)
        first, second = (
            outcome_of(self.timed(one.answered(answer)), wall_seconds)
            for one, answer in zip(warm, answers, strict=True)
        )
        self._tidy()
        return first, second

    def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
        """Times each in a fork of its own, without verifying again; in turns, where that is fair."""
        return measure_together([(self, configuration) for configuration in configurations], timing)

    def measure_alone(self, configuration: Configuration, timing: Timing) -> Outcome:
        """Times in a fork of its own while nothing else is measured."""
        started = time.perf_counter()
        try:
            with self.forked() as worker:
                opened_by(worker, ask(worker, self._request, self.limits))
                request = Measure(dict(configuration), timing, verify=False)
                response = self.timed(with_peak(ask(worker, request, self.limits), worker))
                return outcome_of(response, time.perf_counter() - started)
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
        return opened_by(worker, wait_for(worker, self.limits.open_seconds, self.limits))

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
                opened_by(worker, ask(worker, replace(self._request, model=None), self.limits))
                return ask(worker, request, self.limits)
        except UserCodeError as error:
            return Failure(FailureKind.ERROR, error.message, error.user_traceback)

    def close(self) -> None:
        """Ends all processes."""
        self._warm.close()
        self._beside.close()
        self._zygote.close()
        shutil.rmtree(self._scratch, ignore_errors=True)

    def _ask_warm(self, request: Request) -> Response:
        response = ask(self._warm.worker(self._request), request, self.limits)
        response = self.timed(self._warm.answered(response))
        self._tidy()
        return response

    def _tidy(self) -> None:
        """A worker that was killed has left its trial's files."""
        if not self._warm.is_open:
            for folder in self._scratch.glob("autotuner-trial-*"):
                shutil.rmtree(folder, ignore_errors=True)

    def timed(self, response: Response) -> Response:
        """``response``, whose time is counted."""
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
            outcomes = _forked_in_turns(sides, timing)
        except CannotTakeTurnsError:
            for runner in runners:
                runner.takes_turns = False
        except (UserCodeError, WorkerGoneError):
            pass  # measured alone, it is seen whose fault that was
        else:
            if all(isinstance(outcome, Measurement) for outcome in outcomes):
                return outcomes
    return [runner.measure_alone(configuration, timing) for runner, configuration in sides]


def _forked_in_turns(sides: Sequence[tuple[LocalRunner, Configuration]], timing: Timing) -> list[Outcome]:
    started = time.perf_counter()
    with ExitStack() as stack:
        workers = [stack.enter_context(runner.forked()) for runner, _ in sides]
        for (runner, _), worker in zip(sides, workers, strict=True):
            runner.begin_to_open(worker)
        seats = []
        for (runner, configuration), worker in zip(sides, workers, strict=True):
            runner.end_opening(worker)
            clock = stack.enter_context(runner.turn_clock())
            seats.append(Seat(worker, Measure(dict(configuration), timing, verify=False), clock))
        answers = ask_in_turns(seats, sides[0][0].limits)
        wall_seconds = (time.perf_counter() - started) / len(sides)
        return [
            outcome_of(runner.timed(with_peak(answer, seat.worker)), wall_seconds)
            for (runner, _), seat, answer in zip(sides, seats, answers, strict=True)
        ]


def search_path() -> list[str]:
    """Where this process finds modules: the worker must find the user's in the same places."""
    return [str(Path(entry or ".").resolve()) for entry in sys.path]
