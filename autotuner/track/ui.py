"""The MLflow web interface on a study's tracking store, in the foreground."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from urllib.parse import urlsplit

from autotuner.errors import AutotunerError

HOST = "127.0.0.1"
DEFAULT_PORT = 5000
INTERRUPTED = 130
_TERMINATED = 143
_GRACE_SECONDS = 5.0
_POLL_SECONDS = 0.05
_STANDARD_ERROR = 2


def run_ui(tracking_uri: str | None, port: int | None, folder: Path) -> int:
    """Serve the interface on 127.0.0.1 until it is stopped; nothing of it is left running afterwards.

    Args:
        tracking_uri: The store to show; ``None`` means ``MLFLOW_TRACKING_URI``, else MLflow's default in ``folder``.
        port: Where to listen; ``None`` means MLflow's own, 5000.
        folder: Relative stores are looked up here.

    Returns:
        The server's exit code, or 130 after Ctrl-C.

    Raises:
        AutotunerError: The store is a server, which has its own interface, or the port is taken.
    """
    uri = tracking_uri or os.environ.get("MLFLOW_TRACKING_URI")
    if uri and urlsplit(uri).scheme in {"http", "https"}:
        raise AutotunerError(f"{uri} is a tracking server and shows the studies itself.", f"open {uri} in a browser")
    chosen = DEFAULT_PORT if port is None else port
    _check_free(chosen)
    command = [sys.executable, "-m", "mlflow", "server", "--host", HOST, "--port", str(chosen), "--workers", "1"]
    command += ["--backend-store-uri", uri] if uri else []
    # Looking at studies needs no job runner, and its processes leave the group that is ended below.
    environment = {"MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false", **os.environ}
    environment.pop("MLFLOW_BACKEND_STORE_URI", None)  # a server's own setting; studies are not logged there
    with _terminable():
        # Standard output stays free for what the CLI prints.
        child = subprocess.Popen(command, cwd=folder, env=environment, stdout=_STANDARD_ERROR, start_new_session=True)
        try:
            return child.wait()
        except KeyboardInterrupt:
            return INTERRUPTED
        finally:
            _end_group(child)


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except (OSError, OverflowError) as error:
            raise AutotunerError(
                f"Port {port} of {HOST} cannot be used: {error}.", "choose another with --port"
            ) from error


def _end_group(child: subprocess.Popen[bytes]) -> None:
    """Ask the group to stop as Ctrl-C would, then insist; another Ctrl-C insists at once."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(child.pid, number)
        with contextlib.suppress(KeyboardInterrupt):
            if _gone_within(child, _GRACE_SECONDS):
                return


def _gone_within(child: subprocess.Popen[bytes], seconds: float) -> bool:
    """Whether the whole group ends in time; it can outlive its leader."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if child.poll() is not None and not _group_alive(child.pid):
            return True
        time.sleep(_POLL_SECONDS)
    return False


def _group_alive(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@contextlib.contextmanager
def _terminable() -> Iterator[None]:
    """Turn SIGTERM into an exception, so that a terminated CLI ends its server too."""
    if threading.current_thread() is not threading.main_thread():
        yield  # signal handlers can only be set there
        return

    def stop(_number: int, _frame: FrameType | None) -> None:
        raise SystemExit(_TERMINATED)

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
