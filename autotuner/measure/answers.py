"""What a worker's answers, and its end, mean to whoever asked."""

from __future__ import annotations

import signal
from dataclasses import replace
from typing import TypeAlias

from autotuner.errors import AutotunerError, UserCodeError
from autotuner.measure.limits import Limits
from autotuner.measure.messages import Broken, Open, Opened, Request, Response
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.processes import Worker, WorkerGoneError, WorkerMemoryError, WorkerTimeoutError

WorkerEnd: TypeAlias = WorkerGoneError | WorkerTimeoutError | WorkerMemoryError
WORKER_ENDS = (WorkerGoneError, WorkerTimeoutError, WorkerMemoryError)


def ask(worker: Worker, request: Request, limits: Limits) -> Response:
    """What ``worker`` answers, or how it ended instead."""
    try:
        worker.send(request)
    except WorkerGoneError as error:
        return death(error.status)
    return wait_for(worker, limits.open_seconds if isinstance(request, Open) else limits.trial_seconds, limits)


def wait_for(worker: Worker, limit_seconds: float, limits: Limits) -> Response:
    """The answer to what was sent before, or how the worker ended instead."""
    try:
        return worker.wait(limit_seconds=limit_seconds, memory_limit_bytes=limits.memory_bytes)
    except WORKER_ENDS as error:
        return end_of(error, limit_seconds, limits.memory_bytes)


def end_of(error: WorkerEnd, limit_seconds: float, memory_limit_bytes: int) -> Failure:
    """The failure of a request during which the worker ended."""
    match error:
        case WorkerTimeoutError():
            return Failure(FailureKind.TIMEOUT, f"no end within {limit_seconds:.0f} s; the worker was stopped")
        case WorkerMemoryError():
            allowed = f"{memory_limit_bytes / 1e9:.1f} GB"
            return Failure(FailureKind.OUT_OF_MEMORY, f"used more than the allowed {allowed} of memory")
        case WorkerGoneError():
            return death(error.status)


def opened_by(worker: Worker, response: Response) -> Opened:
    """What ``worker`` opened; it is ended where that failed.

    Raises:
        UserCodeError: the pipeline cannot be opened.
    """
    if isinstance(response, Opened):
        return response
    worker.kill()
    if isinstance(response, Failure):
        raise UserCodeError(
            f"the pipeline as written cannot be run: {response.message}",
            f"what it printed is in {worker.zygote.log}",
            response.user_traceback,
        )
    raise unexpected(response)


def with_peak(response: Response, worker: Worker) -> Response:
    """Adds the memory that was seen from outside."""
    if isinstance(response, Measurement | Failure):
        return replace(response, peak_rss_bytes=worker.peak_rss_bytes)
    return response


def outcome_of(response: Response, wall_seconds: float) -> Outcome:
    """The answer to a request to measure, with the time it took in all."""
    if isinstance(response, Measurement | Failure):
        return replace(response, wall_seconds=wall_seconds)
    raise unexpected(response)


def unopened(error: UserCodeError, wall_seconds: float) -> Failure:
    """The pipeline could be opened before, and now cannot."""
    return Failure(FailureKind.ERROR, error.message, error.user_traceback, wall_seconds)


def death(status: int | None) -> Failure:
    """How a worker ended."""
    if status == -signal.SIGKILL:
        return Failure(FailureKind.OUT_OF_MEMORY, "the system killed the worker, most likely for lack of memory")
    if status is not None and status < 0:
        name = signal.Signals(-status).name if -status in set(signal.Signals) else f"signal {-status}"
        return Failure(FailureKind.CRASH, f"the worker died of {name}")
    return Failure(FailureKind.CRASH, f"the worker ended with exit code {status}")


def unexpected(response: Response) -> AutotunerError:
    """The error to raise for an answer that does not belong to the request."""
    if isinstance(response, Broken):
        return UserCodeError(response.message, response.hint, response.user_traceback)
    return AutotunerError(f"the worker answered with {type(response).__name__}", "please report this")
