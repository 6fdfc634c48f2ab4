"""What ``autotune`` gives back: the verdict, the numbers, the code, and the tuned dataset itself."""

from __future__ import annotations

import atexit
import shutil
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from autotuner.api.emission import Code, Wanted, module_for, shim_for
from autotuner.api.explanation import explanation, html
from autotuner.emit.atomic import write_text
from autotuner.emit.module import EmittedModule
from autotuner.errors import AutotunerError
from autotuner.measure.result import Interval, StudyResult, Verdict
from autotuner.pipeline import Configuration, DecisionValue

if TYPE_CHECKING:
    import tensorflow as tf


@dataclass(frozen=True)
class TuneResult:
    """The honest statement and what follows from it.

    Attributes:
        summary: the content of ``result.json``.
        folder: the run's folder, with the study, the report and the code.
    """

    summary: StudyResult
    folder: Path
    _dataset_fn: Callable[..., Any]
    _wanted: Wanted
    _code: Code

    @property
    def code(self) -> str:
        """The emitted module's text; empty when nothing was improved or none could be written.

        Where there is no patch either, that of the shim: it runs the user's own function and makes its calls again
        as they were tuned.
        """
        return self._code.module or self._code.shim

    @property
    def diff(self) -> str:
        """The same as a patch of the user's own files; empty when none could be written."""
        return self._code.diff

    @property
    def _status_quo(self) -> dict[str, DecisionValue]:
        return {decision.name: decision.status_quo for decision in self._wanted.prepared.decisions}

    @property
    def verdict(self) -> Verdict:
        """``IMPROVED``, ``KEEP_BASELINE`` or ``INCONCLUSIVE``."""
        return self.summary.verdict

    @property
    def speedup(self) -> Interval | None:
        """Training speed over the best baseline, with its 95 % interval."""
        return self.summary.speedup

    @property
    def configuration(self) -> Mapping[str, DecisionValue]:
        """The confirmed decisions; empty unless the verdict is ``IMPROVED``."""
        return self.summary.configuration

    def explain(self) -> str:
        """In words: the verdict and why, each change with what it was and what it buys, the rates, the notes."""
        return explanation(self.summary, self._status_quo)

    def _repr_html_(self) -> str:
        """How a notebook shows it."""
        return html(self.summary, self._status_quo, self.diff)

    def dataset_fn(self, *args: Any, **kwargs: Any) -> tf.data.Dataset:  # noqa: ANN401 - the user's own parameters
        """The tuned dataset, made in this process; the user's own unless the verdict is ``IMPROVED``.

        Works where no module can be written, too: the user's function runs, and the decisions are applied to what
        it builds. Arguments go to the user's function.
        """
        if not self.configuration:
            return self._dataset_fn(*args, **kwargs)
        from autotuner.rewrites import apply
        from autotuner.rewrites.cache import CACHE_FILE
        from autotuner.tfdata.build import build
        from autotuner.tfdata.oracle import checked
        from autotuner.tfdata.record import record

        recorded = checked(record(lambda: self._dataset_fn(*args, **kwargs)))
        recorded.live.put(CACHE_FILE, str(_cache_folder() / "cache"))
        return build(recorded, apply(recorded.pipeline, self._wanted.prepared.facts, Configuration(self.configuration)))

    def save(self, folder: str | Path) -> Path:
        """Puts the code, the configuration, the result and the report into ``folder``, made where it is missing.

        The code is the same but for the relative path under which it finds the user's own modules.

        Raises:
            AutotunerError: ``folder`` cannot be written to.
        """
        target = Path(folder).resolve()
        try:
            target.mkdir(parents=True, exist_ok=True)
            if target != self.folder:
                self._copy(target)
        except OSError as error:
            raise AutotunerError(f"cannot save to {target}: {error.strerror}", "choose another folder") from error
        return target

    def _copy(self, target: Path) -> None:
        for name in ("configuration.json", "result.json", "report.html"):
            shutil.copy2(self.folder / name, target / name)
        if self.diff:
            write_text(target / "tuned.patch", self.diff)
        for emit, text, name in (
            (module_for, self._code.module, "tuned_pipeline.py"),
            (shim_for, self._code.shim, "tuned_dataset_fn.py"),
        ):
            moved = emit(self._wanted, target, self._code.traced) if text else None
            if isinstance(moved, EmittedModule):
                write_text(target / name, moved.text)


def _cache_folder() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="autotuner-cache-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder
