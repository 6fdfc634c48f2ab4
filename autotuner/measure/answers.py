"""What a worker's answers, and its end, mean to whoever asked."""

from __future__ import annotations

import signal
from dataclasses import replace

from autotuner.errors import AutotunerError, UserCodeError
from autotuner.measure.messages import Broken, Response
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.processes import Worker


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
