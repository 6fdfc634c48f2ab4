"""A worker that stays open between requests."""

from __future__ import annotations

from autotuner.measure.answers import ask, opened_by, with_peak
from autotuner.measure.limits import Limits
from autotuner.measure.messages import Open, Opened, Response
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.processes import Worker, Zygote

_ENDS_THE_WORKER = {FailureKind.CRASH, FailureKind.TIMEOUT, FailureKind.OUT_OF_MEMORY}


class WarmWorker:
    """Opened once and asked again and again; another takes its place when it has ended or has grown too much."""

    def __init__(self, zygote: Zygote, limits: Limits) -> None:
        self._zygote = zygote
        self._limits = limits
        self._worker: Worker | None = None
        self._opened_rss_bytes = 0

    def open(self, request: Open) -> Opened:
        """Opens a new one.

        Raises:
            UserCodeError: the pipeline cannot be opened.
        """
        self.close()
        worker = self._zygote.spawn()
        opened = opened_by(worker, ask(worker, request, self._limits))
        self._worker = worker
        self._opened_rss_bytes = worker.rss_bytes
        return opened

    def worker(self, request: Open) -> Worker:
        """The open one; where there is none, one is opened with ``request``.

        Raises:
            UserCodeError: the pipeline cannot be opened.
        """
        if self._worker is None:
            self.open(request)
        assert self._worker is not None  # noqa: S101 - just opened
        return self._worker

    def answered(self, response: Response) -> Response:
        """The answer with the memory that it took; a worker that cannot answer again as it did is let go."""
        worker = self._worker
        assert worker is not None  # noqa: S101 - it has answered
        response = with_peak(response, worker)
        ended = isinstance(response, Failure) and response.kind in _ENDS_THE_WORKER
        if ended or worker.rss_bytes > self._opened_rss_bytes + self._limits.growth_bytes:
            self.close()
        return response

    @property
    def is_open(self) -> bool:
        """It would answer the next request without being opened."""
        return self._worker is not None

    def close(self) -> None:
        """Ends it."""
        if self._worker is not None:
            self._worker.kill()
            self._worker = None
