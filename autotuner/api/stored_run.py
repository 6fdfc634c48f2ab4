"""What a run was asked for, kept in its folder, so that its code can be written and checked again."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autotuner.api.folder import RunFolder
from autotuner.emit.atomic import write_text
from autotuner.errors import UsageError
from autotuner.measure.local_runner import search_path
from autotuner.measure.messages import Open
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration


@dataclass(frozen=True)
class StoredRun:
    """The content of ``run.json``."""

    study: str
    storage: str
    dataset: Target
    model: Target
    epochs: int
    steps_per_epoch: int | None
    keep: tuple[str, ...]
    sys_path: tuple[str, ...]
    answer: dict[str, Any] | None = None
    """To which question the result in the folder is the answer; see :mod:`autotuner.api.reuse`."""

    @staticmethod
    def of(request: Open, study: str, storage: str) -> StoredRun:
        """The run that ``request`` opens."""
        if request.model is None:
            raise ValueError("a run has a model")
        return StoredRun(
            study,
            storage,
            request.dataset,
            request.model,
            request.epochs,
            request.steps_per_epoch,
            tuple(request.keep),
            tuple(request.sys_path),
        )

    def save(self, folder: RunFolder) -> None:
        """Writes it to the run's folder."""
        write_text(folder.run, json.dumps({"schema": 1, **asdict(self)}, indent=2) + "\n")

    @staticmethod
    def load(path: Path) -> StoredRun:
        """The run of a folder.

        Raises:
            UsageError: no run was made there.
        """
        data = read_json(RunFolder(path.resolve()).run)
        targets: dict[str, Any] = {name: Target(**data[name]) for name in ("dataset", "model")}
        lists: dict[str, Any] = {name: tuple(data[name]) for name in ("keep", "sys_path")}
        kept = {name: data[name] for name in ("study", "storage", "epochs", "steps_per_epoch", "answer")}
        return StoredRun(**kept, **targets, **lists)

    def request(self, *, model: bool, sources: dict[str, str] | None = None) -> Open:
        """How a worker opens it again; ``model`` where something is to be timed."""
        here = search_path()
        request = Open(
            dataset=self.dataset,
            model=self.model if model else None,
            sys_path=[*here, *(folder for folder in self.sys_path if folder not in here)],
            epochs=self.epochs,
            steps_per_epoch=self.steps_per_epoch,
            keep=list(self.keep),
        )
        return replace(request, sources=sources or {})


def stored_configuration(path: Path) -> Configuration:
    """The decisions of ``configuration.json``.

    Raises:
        UsageError: the folder has none.
    """
    return Configuration(read_json(RunFolder(path.resolve()).configuration)["decisions"])


def read_json(path: Path) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """The content of one of the files of a run's folder.

    Raises:
        UsageError: there is no such file, or it is not what a run writes.
    """
    try:
        return json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise UsageError(
            f"{path.parent} has no {path.name}", "name the folder that `autotuner tune` wrote to with --out"
        ) from error
    except ValueError as error:
        raise UsageError(f"{path} is damaged: {error}", "run `autotuner tune` again") from error
