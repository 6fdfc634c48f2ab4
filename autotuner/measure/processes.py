"""Worker processes, seen from the controller: started, watched, and always ended with all they started."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import psutil

from autotuner.errors import AutotunerError
from autotuner.measure.messages import Request, Response, request_to_line, response_from_line

_START_SECONDS = 120.0
_TICK_SECONDS = 0.05
_SCANS = 4
"""Of a process's threads, before it counts as idle: work that one hands to another can be missed by a single scan."""
_LISTS_CHILDREN = Path("/proc/thread-self/children").exists()
CAN_SEE_THREADS = Path("/proc/thread-self/stat").exists()
"""Whether a thread has anything to run can be told."""


class WorkerGoneError(Exception):
    """The worker ended without an answer; ``status`` is its exit code, negative for a signal."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.status = status


class WorkerTimeoutError(Exception):
    """No answer within the limit; the worker has been killed."""


class WorkerMemoryError(Exception):
    """The worker's process tree passed its memory limit; it has been killed."""


@dataclass
class Worker:
    """One forked worker and the controller's end of its connection."""

    pid: int
    connection: socket.socket
    zygote: Zygote
    peak_rss_bytes: int = 0
    _buffer: bytes = b""

    def send(self, request: Request) -> None:
        """Sends a request, whose answer :meth:`wait` or :meth:`answer` waits for.

        Raises:
            WorkerGoneError: it died.
        """
        self.peak_rss_bytes = 0
        try:
            self.connection.sendall(request_to_line(request))
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerGoneError(self.zygote.exit_status(self.pid)) from error

    def wait(self, *, limit_seconds: float, memory_limit_bytes: int) -> Response:
        """Waits for the answer, watching time and memory.

        Raises:
            WorkerGoneError: it died.
            WorkerTimeoutError: it took longer than ``limit_seconds``.
            WorkerMemoryError: it used more than ``memory_limit_bytes``.
        """
        deadline = time.monotonic() + limit_seconds
        while (response := self.answer(_TICK_SECONDS)) is None:
            self.watch(deadline, memory_limit_bytes)
        return response

    def answer(self, seconds: float) -> Response | None:
        """The answer if it comes within ``seconds``.

        Raises:
            WorkerGoneError: it died.
        """
        try:
            if not self._has_answer(seconds):
                return None
        except (BrokenPipeError, ConnectionResetError) as error:
            raise WorkerGoneError(self.zygote.exit_status(self.pid)) from error
        line, _, self._buffer = self._buffer.partition(b"\n")
        return response_from_line(line)

    def watch(self, deadline: float, memory_limit_bytes: int) -> None:
        """Ends the worker when it is ``deadline`` or it has used too much.

        Raises:
            WorkerTimeoutError: it is later than ``deadline``, of ``time.monotonic``.
            WorkerMemoryError: it used more than ``memory_limit_bytes``.
        """
        if self.peak_rss_bytes > memory_limit_bytes:
            self.kill()
            raise WorkerMemoryError
        if time.monotonic() > deadline:
            self.kill()
            raise WorkerTimeoutError

    def stop(self) -> None:
        """Stops it with everything it started, until it is resumed."""
        self._signal(signal.SIGSTOP)

    def resume(self) -> None:
        """Lets it run on."""
        self._signal(signal.SIGCONT)

    @property
    def has_work(self) -> bool:
        """One of its threads is running, or could if there were a free core."""
        return any(self._has_runnable_thread() for _ in range(_SCANS))

    @property
    def rss_bytes(self) -> int:
        """Resident memory of its process tree now."""
        return tree_rss_bytes(self.pid)

    def kill(self) -> None:
        """Ends the worker and everything it started."""
        self.connection.close()
        if self.zygote.exit_status(self.pid, patience_seconds=0.0) is not None:
            return  # its number may be another process's by now
        descendants = _descendants(self.pid)
        for kill in (os.killpg, os.kill):  # it may not lead its own group yet
            with contextlib.suppress(ProcessLookupError, PermissionError):
                kill(self.pid, signal.SIGKILL)
        for process in descendants:
            with contextlib.suppress(psutil.Error):
                process.kill()
        self.zygote.exit_status(self.pid)

    def _has_answer(self, seconds: float) -> bool:
        """Takes in what comes within ``seconds``; true once that is a whole line."""
        readable, _, _ = select.select([self.connection], [], [], seconds)
        if readable:
            data = self.connection.recv(1 << 20)
            if not data:
                raise ConnectionResetError
            self._buffer += data
        self.peak_rss_bytes = max(self.peak_rss_bytes, self.rss_bytes)
        return b"\n" in self._buffer

    def _has_runnable_thread(self) -> bool:
        for stat in Path(f"/proc/{self.pid}/task").glob("*/stat"):
            with contextlib.suppress(OSError):
                if stat.read_text(encoding="ascii", errors="replace").rpartition(")")[2].split()[0] == "R":
                    return True
        return False

    def _signal(self, number: signal.Signals) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self.pid, number)


class Zygote:
    """The process workers are forked from.

    ``log`` receives everything they print. ``scratch`` is where they put files; it is removed when the zygote ends,
    also when that is because the controller died.
    """

    def __init__(self, log: Path, scratch: Path) -> None:
        self._log: IO[bytes] = log.open("ab")
        self.log = log
        mine, theirs = socket.socketpair()
        self._control = mine
        self._exited: dict[int, int] = {}
        self._buffer = b""
        with theirs:
            self._process = subprocess.Popen(
                # -P: a file of the user's named like a module of Python's own must not take its place.
                [sys.executable, "-P", "-m", "autotuner.worker.zygote", str(theirs.fileno()), str(scratch)],
                pass_fds=[theirs.fileno()],
                stdin=subprocess.DEVNULL,
                stdout=self._log,
                stderr=self._log,
                start_new_session=True,  # Ctrl-C is the controller's to handle
            )
        self._ready = False

    def spawn(self) -> Worker:
        """Forks a worker.

        Raises:
            AutotunerError: TensorFlow is missing or does not import.
        """
        if not self._ready:
            self._answer("ready")
            self._ready = True
        mine, theirs = socket.socketpair()
        with theirs:
            try:
                socket.send_fds(self._control, [b"spawn"], [theirs.fileno(), self._log.fileno()])
                pid = int(str(self._answer("pid")))
            except OSError as error:
                mine.close()
                raise self._broken() from error
        self._exited.pop(pid, None)  # an earlier worker may have had this number
        return Worker(pid, mine, self)

    def exit_status(self, pid: int, *, patience_seconds: float = 5.0) -> int | None:
        """The exit status of a worker that has ended or is about to; ``None`` when it is not known."""
        deadline = time.monotonic() + patience_seconds
        self._read(0.0)
        while pid not in self._exited and time.monotonic() < deadline and self._read(0.05):
            pass
        return self._exited.get(pid)

    def close(self) -> None:
        """Ends the zygote, which ends its workers and removes what they left on disk."""
        self._control.close()
        if not self._ready:
            self._process.terminate()  # still importing, and nothing was forked yet
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()  # the system ends its workers with it
            self._process.wait()
        self._log.close()

    def _answer(self, key: str) -> object:
        deadline = time.monotonic() + _START_SECONDS
        while time.monotonic() < deadline:
            for message in self._messages():
                if key in message:
                    return message[key]
            if not self._read(0.05):
                raise self._broken()
        raise self._broken()

    def _read(self, seconds: float) -> bool:
        """Takes in what the zygote says; false when it is gone."""
        readable, _, _ = select.select([self._control], [], [], seconds)
        if not readable:
            return True
        try:
            data = self._control.recv(65536)
        except OSError:
            return False
        self._buffer += data
        self._note_exits()
        return bool(data)

    def _note_exits(self) -> None:
        kept = []
        for line in self._buffer.splitlines(keepends=True):
            if line.endswith(b"\n") and b'"exited"' in line:
                message = json.loads(line)
                self._exited[message["exited"]] = message["status"]
            else:
                kept.append(line)
        self._buffer = b"".join(kept)

    def _messages(self) -> list[dict[str, object]]:
        *lines, self._buffer = self._buffer.split(b"\n")
        return [json.loads(line) for line in lines]

    def _broken(self) -> AutotunerError:
        text = self.log.read_text(errors="replace")
        if "No module named 'tensorflow'" in text or "No module named 'keras'" in text:
            return AutotunerError(
                "TensorFlow is not installed", "pip install 'autotuner[cpu]', or 'autotuner[gpu]' for NVIDIA GPUs"
            )
        return AutotunerError("the worker process does not start", f"its output is in {self.log}")


def tree_rss_bytes(pid: int) -> int:
    """Resident memory of a process and all its descendants; 0 when it is gone."""
    total = 0
    with contextlib.suppress(psutil.Error):
        for member in [psutil.Process(pid), *_descendants(pid)]:
            with contextlib.suppress(psutil.Error):
                total += member.memory_info().rss
    return total


def _descendants(pid: int) -> list[psutil.Process]:
    """Linux lists a thread's children, so that not every process of the machine is read twenty times a second."""
    if not _LISTS_CHILDREN:
        with contextlib.suppress(psutil.Error):
            return list(psutil.Process(pid).children(recursive=True))
        return []
    found: list[psutil.Process] = []
    for listing in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError, psutil.Error):
            for child in map(int, listing.read_text().split()):
                found += [psutil.Process(child), *_descendants(child)]
    return found
