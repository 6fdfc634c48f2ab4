from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from mlflow import MlflowClient

from autotuner.cli.main import run
from tests.search.world import World

Tune = Callable[..., tuple[int, str, str]]
"""Runs ``autotuner tune`` in this process; gives the exit code, standard output and standard error."""


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty store; copied, because migrating a new one takes seconds."""
    path = tmp_path_factory.mktemp("migrated") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").search_experiments(max_results=1)
    return path


@pytest.fixture
def world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, migrated_database: Path) -> World:
    """A user's folder, and made-up rates in place of a worker."""
    (tmp_path / "mlflow.db").write_bytes(migrated_database.read_bytes())
    (tmp_path / "pipe.py").write_text("def dataset_fn(): ...\ndef model_fn(): ...\n", "utf-8")
    made_up = World(tmp_path)

    def runner(*arguments: Any) -> object:
        del arguments
        return made_up.runner()

    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'mlflow.db'}")
    monkeypatch.setattr("autotuner.api.tune.LocalRunner", runner)
    return made_up


@pytest.fixture
def tune(world: World, capsys: pytest.CaptureFixture[str]) -> Tune:
    del world

    def command(*options: str, dataset: str = "pipe.py:dataset_fn", model: str = "pipe.py:model_fn") -> Any:
        code = run(["tune", dataset, model, "--trials", "5", *options])
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return command
