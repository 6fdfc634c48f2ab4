"""A tracking server that is down, slow or wrong never stops a study, and nothing is lost or sent twice."""

from __future__ import annotations

import logging
import os
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from autotuner.track import MlflowObserver
from autotuner.track.connection import quiet_and_impatient, shown
from tests.track.conftest import ServerStarter
from tests.track.made_up import failed, measured, study_info, study_result

TRIALS = (measured(0), measured(1), failed(2), measured(3))


@pytest.fixture
def told() -> list[str]:
    return []


def whole_study(observer: MlflowObserver, folder: Path) -> tuple[str, ...]:
    observer.phase_started("prepare")
    observer.ceiling_measured(228.0)
    observer.study_started(study_info(), TRIALS[:2])
    for trial in TRIALS[2:]:
        observer.trial_finished(trial)
    result = observer.study_finished(study_result())
    (folder / "result.json").write_text(result.dumps(), "utf-8")
    observer.log_artifacts(folder)
    observer.close()
    return result.notes


def test_a_closed_port_costs_one_message_and_no_time(free_port: int, told: list[str], tmp_path: Path) -> None:
    before = dict(os.environ)
    started = time.monotonic()
    observer = MlflowObserver(told.append, f"http://127.0.0.1:{free_port}")
    notes = whole_study(observer, tmp_path)
    assert time.monotonic() - started < 10
    assert len(told) == 1
    assert "Connection refused" in told[0]
    assert "Repeat the same command" in told[0]
    assert notes == (*study_result().notes, told[0])
    assert dict(os.environ) == before


def test_a_server_that_never_answers_is_given_up(
    told: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_TIMEOUT", "1")  # what the user set is respected
    with socket.create_server(("127.0.0.1", 0)) as silent:
        started = time.monotonic()
        whole_study(MlflowObserver(told.append, f"http://127.0.0.1:{silent.getsockname()[1]}"), tmp_path)
    assert time.monotonic() - started < 10
    assert len(told) == 1


@pytest.mark.parametrize(
    "uri",
    [
        "foo://bar",
        "http://",
        "http://[::1",
        "http://127.0.0.1:99999",
        "sqlite:",
        "sqlite:////proc/nowhere/mlflow.db",
        "postgresql://user:hunter2@127.0.0.1:1/db",
        "./some/folder",
    ],
)
def test_an_unusable_address_is_one_message(uri: str, told: list[str], tmp_path: Path) -> None:
    started = time.monotonic()
    whole_study(MlflowObserver(told.append, uri), tmp_path)
    assert time.monotonic() - started < 5
    [text] = told
    assert "MLflow" in text
    assert "\n  " not in text
    assert "hunter2" not in text


def test_a_file_that_is_no_database_is_one_message(told: list[str], tmp_path: Path) -> None:
    (tmp_path / "mlflow.db").write_bytes(b"not a database at all" * 100)
    whole_study(MlflowObserver(told.append, f"sqlite:///{tmp_path}/mlflow.db"), tmp_path)
    assert len(told) == 1


def test_everything_is_sent_once_when_the_server_is_back(
    start_server: ServerStarter, free_port: int, told: list[str], tmp_path: Path
) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    whole_study(MlflowObserver(told.append, uri), tmp_path)
    with start_server():
        lost_midway = MlflowObserver(told.append, uri)
        lost_midway.phase_started("prepare")
        lost_midway.study_started(study_info(), TRIALS[:1])
        lost_midway.trial_finished(TRIALS[1])
    assert len(told) == 1
    lost_midway.trial_finished(TRIALS[2])
    lost_midway.trial_finished(TRIALS[3])
    result = lost_midway.study_finished(study_result())
    lost_midway.log_artifacts(tmp_path)
    lost_midway.close()
    assert len(told) == 2
    assert result.mlflow["run_id"]
    assert told[1] in result.notes
    with start_server():
        for _ in range(2):
            repeated = MlflowObserver(told.append, uri)
            repeated.study_started(study_info(), TRIALS)
            assert repeated.study_finished(study_result()).mlflow == result.mlflow
            repeated.log_artifacts(tmp_path)
            repeated.close()
        assert len(told) == 2
        _holds_every_trial_once(MlflowClient(tracking_uri=uri), result.mlflow["run_id"])


def _holds_every_trial_once(client: MlflowClient, parent_id: str) -> None:
    parent = client.get_run(parent_id)
    runs = client.search_runs([parent.info.experiment_id])
    numbers = sorted(run.data.tags["autotuner.trial"] for run in runs if run.info.run_id != parent_id)
    assert numbers == ["0", "1", "2", "3"]
    assert parent.info.status == "FINISHED"
    assert [item.path for item in client.list_artifacts(parent_id)] == ["result.json"]
    [failure] = [run for run in runs if run.info.status == "FAILED"]
    assert [item.path for item in client.list_artifacts(failure.info.run_id)] == ["failure.txt"]


def test_the_terminal_stays_quiet(tmp_path: Path) -> None:
    program = (
        "from tests.track.made_up import *\n"
        "from autotuner.track import MlflowObserver\n"
        "observer = MlflowObserver(lambda text: None)\n"
        "observer.phase_started('prepare'); observer.study_started(study_info(), ())\n"
        "observer.trial_finished(failed(0)); observer.study_finished(study_result()); observer.close()\n"
    )
    root = Path(__file__).parents[2]
    run = subprocess.run(
        [sys.executable, "-c", program],
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(root)},
        capture_output=True,
        check=True,
        text=True,
    )
    assert (run.stdout, run.stderr) == ("", "")
    assert (tmp_path / "mlflow.db").is_file()


def test_log_levels_and_environment_are_put_back() -> None:
    logger = logging.getLogger("urllib3.connectionpool")
    before = logger.level, dict(os.environ)
    with quiet_and_impatient():
        assert logger.level == logging.CRITICAL
        assert os.environ["MLFLOW_HTTP_REQUEST_MAX_RETRIES"] == "1"
    assert (logger.level, dict(os.environ)) == before


def test_passwords_are_not_shown() -> None:
    assert shown("postgresql://me:secret@host/db") == "postgresql://me:***@host/db"
    assert shown("sqlite:///mlflow.db") == "sqlite:///mlflow.db"
    assert shown("http://[::1") == "http://[::1"
