from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from autotuner.errors import AutotunerError
from autotuner.track import MlflowObserver, run_ui
from tests.track.conftest import wait_until_healthy
from tests.track.made_up import measured, study_info, study_result

PROGRAM = """
import sys
from pathlib import Path
from autotuner.track import run_ui
sys.exit(run_ui(None, int(sys.argv[1]), Path(sys.argv[2])))
"""


def keep_a_study(folder: Path) -> None:
    observer = MlflowObserver(pytest.fail, f"sqlite:///{folder}/mlflow.db")
    observer.study_started(study_info(), ())
    observer.trial_finished(measured(0))
    observer.study_finished(study_result())
    observer.close()


@contextlib.contextmanager
def interface(port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", PROGRAM, str(port), str(folder)]
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    with subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as ui:
        try:
            yield ui
        finally:
            ui.kill()


def family_of(ui: subprocess.Popen[bytes]) -> list[psutil.Process]:
    deadline = time.monotonic() + 20
    while not (family := psutil.Process(ui.pid).children(recursive=True)) and time.monotonic() < deadline:
        time.sleep(0.05)
    return family


def all_gone(family: list[psutil.Process]) -> bool:
    return not any(process.is_running() and process.status() != psutil.STATUS_ZOMBIE for process in family)


def test_it_shows_the_folder_until_ctrl_c(free_port: int, tmp_path: Path, migrated_database: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(migrated_database.read_bytes())
    keep_a_study(tmp_path)
    with interface(free_port, tmp_path) as ui:
        wait_until_healthy(f"http://127.0.0.1:{free_port}")
        assert "autotuner" in experiments(free_port)
        family = family_of(ui)
        ui.send_signal(signal.SIGINT)
        output, _ = ui.communicate(timeout=20)
    assert (ui.returncode, output) == (130, b"")
    assert family
    assert all_gone(family)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", free_port), timeout=1)


def test_being_terminated_leaves_nothing_running(free_port: int, tmp_path: Path) -> None:
    with interface(free_port, tmp_path) as ui:
        family = family_of(ui)
        ui.send_signal(signal.SIGTERM)
        ui.communicate(timeout=20)
    assert ui.returncode == 143
    assert family
    assert all_gone(family)


def experiments(port: int) -> list[str]:
    url = f"http://127.0.0.1:{port}/api/2.0/mlflow/experiments/search?max_results=10"
    with urllib.request.urlopen(url, timeout=5) as answer:
        return [item["name"] for item in json.load(answer)["experiments"]]


def test_a_server_is_its_own_interface(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://mlflow.example.org")
    with pytest.raises(AutotunerError, match="in a browser"):
        run_ui(None, None, tmp_path)


@pytest.mark.parametrize("port", [None, 70_000])
def test_a_port_that_cannot_be_used_is_said(port: int | None, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(AutotunerError, match="--port"):
        run_ui(None, port or taken.getsockname()[1], tmp_path)


def test_a_store_that_cannot_be_opened_ends_with_its_exit_code(free_port: int, tmp_path: Path) -> None:
    started = time.monotonic()
    assert run_ui("foo://bar", free_port, tmp_path) != 0
    assert time.monotonic() - started < 30
