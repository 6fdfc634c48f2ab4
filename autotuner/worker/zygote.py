"""The process every worker is forked from: TensorFlow and Keras are imported once, and nothing else is done.

Importing costs seconds, forking milliseconds, so each confirmation can have a process of its own. Nothing here may
touch a device: a forked child could not use it.

The controller asks over a socket: each ``spawn`` comes with two file descriptors, the worker's socket and its log.
Answers are JSON lines: ``{"pid": …}`` for a spawn and ``{"exited": pid, "status": …}`` when a worker ends, with the
negative signal number where it was killed. When the controller's end closes, however that came about, the workers
are ended and the folder that is the second argument is removed.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import json
import os
import select
import shutil
import signal
import socket
import sys
from pathlib import Path

from autotuner.worker.generated import keep_generated_code_in

_PR_SET_PDEATHSIG = 1


def main() -> None:
    """Serves spawn requests until the controller closes its end."""
    control = socket.socket(fileno=int(sys.argv[1]))
    workers: set[int] = set()
    try:
        import autotuner.worker.serve  # noqa: F401 - the imports a worker needs, made once

        keep_generated_code_in(Path(sys.argv[2]))
        gc.collect()
        gc.freeze()  # workers share what is loaded by now, and collecting their own garbage takes 5 ms, not 300
        _send(control, {"ready": True})
        _serve(control, workers)
    except (BrokenPipeError, ConnectionResetError):
        pass  # the controller is gone
    finally:
        _end(workers)
        shutil.rmtree(sys.argv[2], ignore_errors=True)
    sys.stderr.flush()
    os._exit(0)  # taking TensorFlow down in order takes a second, and there is nothing to save


def _serve(control: socket.socket, workers: set[int]) -> None:
    while True:
        readable, _, _ = select.select([control], [], [], 0.05)
        _report_exits(control, workers)
        if not readable:
            continue
        message, descriptors, _, _ = socket.recv_fds(control, 1024, 2)
        if not message:
            return
        pid = os.fork()
        if pid == 0:
            control.close()
            _become_worker(*descriptors)
        workers.add(pid)
        for descriptor in descriptors:
            os.close(descriptor)
        _send(control, {"pid": pid})


def _become_worker(connection: int, log: int) -> None:
    status = 1
    try:
        os.setsid()  # its descendants are ended with it
        _die_with_parent()
        with contextlib.suppress(OSError):
            # If memory runs out, the trial goes, not the controller.
            Path("/proc/self/oom_score_adj").write_text("1000", encoding="ascii")
        os.dup2(log, 1)
        os.dup2(log, 2)
        from autotuner.worker.serve import serve  # imported before the fork

        serve(socket.socket(fileno=connection))
        status = 0
    except BaseException:  # noqa: BLE001 - a fork must never return into the zygote's loop
        import traceback

        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)


def _die_with_parent() -> None:
    """Linux ends this process when the zygote is gone, should that be killed before it can end its workers."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)


def _report_exits(control: socket.socket, workers: set[int]) -> None:
    for pid in sorted(workers):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            workers.remove(pid)
            _kill_group(pid)  # what a worker left running
            _send(control, {"exited": pid, "status": os.waitstatus_to_exitcode(status)})


def _end(workers: set[int]) -> None:
    for pid in sorted(workers):
        _kill_group(pid)
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)  # it may not lead its group yet
        os.waitpid(pid, 0)


def _kill_group(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


def _send(control: socket.socket, message: dict[str, object]) -> None:
    control.sendall(json.dumps(message).encode() + b"\n")


if __name__ == "__main__":
    main()
