"""The folder of a run: everything a study leaves behind, held by one controller at a time."""

from __future__ import annotations

import fcntl
import os
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from autotuner.errors import AutotunerError, StudyError


@dataclass
class RunFolder:
    """Paths in the folder; as a context manager, the lock that keeps a second controller out."""

    path: Path
    _lock: IO[str] | None = None

    @staticmethod
    def at(path: Path) -> RunFolder:
        """Makes the folder.

        Raises:
            AutotunerError: it cannot be written to.
        """
        folder = path.resolve()
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise _not_writable(path, error) from error
        if not os.access(folder, os.W_OK):
            raise _not_writable(path, PermissionError("permission denied"))
        return RunFolder(folder)

    @property
    def study_url(self) -> str:
        """Where Optuna keeps the study unless the caller says otherwise."""
        return f"sqlite:///{self.path / 'study.db'}"

    @property
    def worker_log(self) -> Path:
        """Everything workers print."""
        return self.path / "worker.log"

    @property
    def result(self) -> Path:
        """``result.json``."""
        return self.path / "result.json"

    @property
    def configuration(self) -> Path:
        """``configuration.json``."""
        return self.path / "configuration.json"

    @property
    def run(self) -> Path:
        """``run.json``: what was asked for."""
        return self.path / "run.json"

    @property
    def module(self) -> Path:
        """``tuned_pipeline.py``."""
        return self.path / "tuned_pipeline.py"

    @property
    def shim(self) -> Path:
        """``tuned_dataset_fn.py``: where there can be neither patch nor module."""
        return self.path / "tuned_dataset_fn.py"

    @property
    def patch(self) -> Path:
        """``tuned.patch``."""
        return self.path / "tuned.patch"

    @property
    def unchecked_module(self) -> Path:
        """The module until it was run and compared; beside the checked one, so that its relative paths hold."""
        return self.path / ".unchecked_pipeline.py"

    @property
    def report(self) -> Path:
        """``report.html``."""
        return self.path / "report.html"

    def function(self, name: str) -> Path:
        """A function that had to be pickled for the worker."""
        return self.path / f"{name}.cloudpickle"

    def __enter__(self) -> Self:
        try:
            self._lock = (self.path / ".lock").open("a+")
        except OSError as error:
            raise _not_writable(self.path, error) from error
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            self._lock.seek(0)
            holder = self._lock.read().strip() or "unknown"
            self._lock.close()
            raise StudyError(
                f"another autotuner (process {holder}) is working in {self.path}",
                "wait for it to end, or choose another folder with --out",
            ) from error
        self._lock.truncate(0)
        self._lock.write(str(os.getpid()))
        self._lock.flush()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


def _not_writable(path: Path, error: OSError) -> AutotunerError:
    reason = error.strerror or error
    return AutotunerError(f"the output folder {path} cannot be written to: {reason}", "choose another with --out")
