"""Measures on this machine: one warm worker for the search, a fresh fork for everything that is claimed."""

from __future__ import annotations

import shutil
import signal
import sys
import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from autotuner.errors import AutotunerError, UserCodeError
from autotuner.machine import Machine
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
    Worker,
    WorkerGoneError,
    WorkerMemoryError,
    WorkerTimeoutError,
    Zygote,
)
from autotuner.pipeline import Configuration

_MEMORY_SHARE = 0.8
_ENDS_THE_WORKER = {FailureKind.CRASH, FailureKind.TIMEOUT, FailureKind.OUT_OF_MEMORY}


@dataclass(frozen=True)
class Limits:
    """What one request may take before its worker is killed."""

    trial_seconds: float = 60.0
    open_seconds: float = 300.0
    memory_bytes: int = 8 << 30
    """Resident memory of the worker's whole process tree."""
    growth_bytes: int = 1 << 30
    """A warm worker that has grown by this much is replaced between trials."""

    @staticmethod
    def of(machine: Machine) -> Limits:
        """Four fifths of the machine's memory; the rest is for the system and for this process."""
        return Limits(memory_bytes=int(machine.memory_bytes * _MEMORY_SHARE))


class LocalRunner:
    """See :class:`autotuner.measure.runner.Runner`."""

    def __init__(self, request: Open, log: Path, limits: Limits) -> None:
        self._scratch = Path(tempfile.mkdtemp(prefix="autotuner-"))
        self._request = replace(request, scratch=str(self._scratch))
        self._limits = limits
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
        raise _unexpected(response)

    def profile(self, autotune: Configuration) -> Profiled | Failure:
        """Reads and fits in the warm worker."""
        response = self._ask_warm(Profile(dict(autotune)))
        if isinstance(response, Profiled | Failure):
            return response
        raise _unexpected(response)

    def measure(self, configuration: Configuration, timing: Timing) -> Outcome:
        """Verifies and times in the warm worker."""
        started = time.perf_counter()
        try:
            response = self._ask_warm(Measure(dict(configuration), timing))
        except UserCodeError as error:
            return _unopened(error, started)
        return _outcome(response, started)

    def measure_fresh(self, configuration: Configuration, timing: Timing) -> Outcome:
        """Times in a fork of its own, without verifying again."""
        started = time.perf_counter()
        worker = self._zygote.spawn()
        try:
            self._open(worker)
            response = self._ask(worker, Measure(dict(configuration), timing, verify=False))
            return _outcome(_with_peak(response, worker), started)
        except UserCodeError as error:
            return _unopened(error, started)
        finally:
            worker.kill()

    def trace(self) -> Traced | Failure:
        """Runs the user's function with other arguments, in a fork of its own."""
        response = self._ask_fresh(TraceParameters())
        if isinstance(response, Traced | Failure):
            return response
        raise _unexpected(response)

    def check(self, request: CheckModule | CheckSources) -> Checked | Failure:
        """Runs emitted code in a fork of its own."""
        response = self._ask_fresh(request)
        if isinstance(response, Checked | Failure):
            return response
        raise _unexpected(response)

    def _ask_fresh(self, request: Request) -> Response:
        """Asks a fork of its own, which needs no model."""
        worker = self._zygote.spawn()
        try:
            self._open(worker, replace(self._request, model=None))
            return self._ask(worker, request)
        except UserCodeError as error:
            return Failure(FailureKind.ERROR, error.message, error.user_traceback)
        finally:
            worker.kill()

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
        response = _with_peak(self._ask(worker, request), worker)
        ended = isinstance(response, Failure) and response.kind in _ENDS_THE_WORKER
        if ended or worker.rss_bytes > self._opened_rss_bytes + self._limits.growth_bytes:
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
        response = self._ask(worker, request or self._request)
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
        raise _unexpected(response)

    def _ask(self, worker: Worker, request: Request) -> Response:
        limit = self._limits.open_seconds if isinstance(request, Open) else self._limits.trial_seconds
        try:
            response = worker.ask(request, limit_seconds=limit, memory_limit_bytes=self._limits.memory_bytes)
        except WorkerTimeoutError:
            return Failure(FailureKind.TIMEOUT, f"no end within {limit:.0f} s; the worker was stopped")
        except WorkerMemoryError:
            allowed = self._limits.memory_bytes / 1e9
            return Failure(FailureKind.OUT_OF_MEMORY, f"used more than the allowed {allowed:.1f} GB of memory")
        except WorkerGoneError as error:
            return _death(error.status)
        if isinstance(response, Measurement | Ceiling):
            self.timed_seconds += response.timed_seconds
        return response


def _with_peak(response: Response, worker: Worker) -> Response:
    if isinstance(response, Measurement | Failure):
        return replace(response, peak_rss_bytes=worker.peak_rss_bytes)
    return response


def _outcome(response: Response, started: float) -> Outcome:
    if isinstance(response, Measurement | Failure):
        return replace(response, wall_seconds=time.perf_counter() - started)
    raise _unexpected(response)


def _unopened(error: UserCodeError, started: float) -> Failure:
    """The pipeline could be opened before, and now cannot."""
    return Failure(FailureKind.ERROR, error.message, error.user_traceback, time.perf_counter() - started)


def _death(status: int | None) -> Failure:
    if status == -signal.SIGKILL:
        return Failure(FailureKind.OUT_OF_MEMORY, "the system killed the worker, most likely for lack of memory")
    if status is not None and status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return Failure(FailureKind.CRASH, f"the worker died of {name}")
    return Failure(FailureKind.CRASH, f"the worker ended with exit code {status}")


def _unexpected(response: Response) -> AutotunerError:
    if isinstance(response, Broken):
        return UserCodeError(response.message, response.hint, response.user_traceback)
    return AutotunerError(f"the worker answered with {type(response).__name__}", "please report this")


def search_path() -> list[str]:
    """Where this process finds modules: the worker must find the user's in the same places."""
    return [str(Path(entry or ".").resolve()) for entry in sys.path]
