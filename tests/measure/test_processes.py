from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autotuner.errors import AutotunerError
from autotuner.measure.messages import MeasureCeiling, Timing
from autotuner.measure.processes import Worker, WorkerGoneError, Zygote, tree_rss_bytes
from autotuner.pipeline import Configuration
from tests.contracts import SHORT, measured
from tests.measure.test_local_runner import gone
from tests.measure.user_code import GOOD, MODEL, runner_of, write

CONTROLLER = """
import sys, time
from pathlib import Path
from tests.contracts import SHORT
from tests.measure.user_code import runner_of
from autotuner.pipeline import Configuration

if __name__ == "__main__":
    runner = runner_of(Path(sys.argv[1]))
    runner.open()
    (runner._scratch / "left").write_text("something")
    print(runner._zygote._process.pid, runner._warm._worker.pid, runner._scratch, flush=True)
    runner.measure(Configuration({"options.autotune": True}), SHORT)
    time.sleep(1_000)
"""


def test_after_close_no_process_and_no_file_is_left(tmp_path: Path) -> None:
    runner = runner_of(write(tmp_path, MODEL, GOOD))
    runner.open()
    measured(runner.measure(Configuration(), SHORT))
    assert runner._warm._worker is not None
    pids = {runner._zygote._process.pid, runner._warm._worker.pid}
    assert all(map(psutil.pid_exists, pids))
    started = time.monotonic()
    runner.close()
    assert time.monotonic() - started < 2
    assert gone(pids)
    assert not runner._scratch.exists()


def test_a_runner_that_never_started_closes_at_once(tmp_path: Path) -> None:
    runner = runner_of(write(tmp_path, MODEL, GOOD))
    started = time.monotonic()
    runner.close()
    assert time.monotonic() - started < 2
    assert not runner._scratch.exists()


def test_a_controller_that_is_killed_takes_everything_with_it(tmp_path: Path) -> None:
    script = tmp_path / "controller.py"
    script.write_text(CONTROLLER)
    here = str(Path(__file__).parents[2])
    controller = subprocess.Popen(
        [sys.executable, str(script), str(write(tmp_path, MODEL, GOOD))],
        stdout=subprocess.PIPE,
        env=os.environ | {"PYTHONPATH": here},
        text=True,
    )
    with controller:
        assert controller.stdout is not None
        zygote, worker, scratch = controller.stdout.readline().split()
        assert Path(scratch, "left").exists()
        controller.send_signal(signal.SIGKILL)
    assert gone({int(zygote), int(worker)})
    assert not Path(scratch).exists()


def test_a_killed_zygote_takes_its_workers_with_it(tmp_path: Path) -> None:
    zygote = Zygote(tmp_path / "log", tmp_path / "scratch")
    worker = zygote.spawn()
    zygote._process.kill()
    assert gone({worker.pid})
    with pytest.raises(AutotunerError, match="does not start"):
        zygote.spawn()
    with pytest.raises(WorkerGoneError):
        asked(worker)
    worker.kill()
    zygote.close()


def asked(worker: Worker) -> object:
    worker.send(MeasureCeiling(Timing()))
    return worker.wait(limit_seconds=5.0, memory_limit_bytes=10**10)


@pytest.fixture(scope="module")
def zygote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Zygote]:
    folder = tmp_path_factory.mktemp("zygote")
    made = Zygote(folder / "log", folder / "scratch")
    made.spawn().kill()
    yield made
    made.close()


def test_workers_are_forked_cheaply(zygote: Zygote) -> None:
    started = time.monotonic()
    worker = zygote.spawn()
    worker.kill()
    assert time.monotonic() - started < 1
    assert gone({worker.pid})


def test_the_process_that_is_forked_runs_no_thread_of_tensorflow(zygote: Zygote) -> None:
    tasks = Path(f"/proc/{zygote._process.pid}/task").iterdir()
    names = [task.joinpath("comm").read_text().strip() for task in tasks]
    # An allocator that some packages bring along starts a thread, too; it knows how to be forked.
    assert len([name for name in names if not name.startswith("jemalloc")]) == 1, names


def test_a_worker_killed_before_it_did_anything_is_gone(zygote: Zygote) -> None:
    for _ in range(5):
        worker = zygote.spawn()
        worker.kill()
        worker.kill()
        assert zygote.exit_status(worker.pid) in {0, -signal.SIGKILL}  # it may see the closed connection first


def test_the_memory_of_children_counts() -> None:
    with subprocess.Popen([sys.executable, "-c", "x = bytearray(200_000_000); print('ready', flush=True); input()"],
                          stdin=subprocess.PIPE, stdout=subprocess.PIPE) as child:  # fmt: skip
        assert child.stdout is not None
        child.stdout.readline()
        alone, with_child = psutil.Process().memory_info().rss, tree_rss_bytes(os.getpid())
        child.communicate(b"\n")
    assert with_child > alone + 190_000_000
    assert tree_rss_bytes(2**22 + 1) == 0
