"""Whether what is in the working tree still is what a run found: the same data, the same structure, still faster."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path

from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import StoredRun, stored_configuration
from autotuner.api.working_tree import State, WorkingTree
from autotuner.errors import AutotunerError, UsageError
from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.messages import CheckModule, CheckSources, Timing
from autotuner.measure.outcome import Failure, Measurement
from autotuner.measure.result import Interval, Verdict
from autotuner.pipeline import Configuration
from autotuner.search.baselines import baseline_configurations
from autotuner.search.conclusion import Prepared
from autotuner.search.confirmation import Contestant, confirm, decide


@dataclass(frozen=True)
class CheckedCode:
    """What was found."""

    what: str
    """What was run: the patched files, the module, or the shim."""
    reason: str
    """How it differs from the configuration; empty where it does not."""
    speedup: Interval | None = None
    """Over the best baseline, where it was measured."""
    faster: bool | None = None

    @property
    def passed(self) -> bool:
        """Nothing differs, and what was measured is still faster."""
        return not self.reason and self.faster is not False

    def to_json(self) -> dict[str, object]:
        """The object ``check --json`` prints."""
        speedup = vars(self.speedup) if self.speedup else None
        return {
            "schema": 1,
            "passed": self.passed,
            "what": self.what,
            "reason": self.reason,
            "speedup": speedup,
            "faster": self.faster,
        }


def check_code(path: Path, *, measure: bool = False) -> CheckedCode:
    """Runs what is in the working tree in a fresh process and compares it with ``configuration.json``.

    Where the patch of the run in ``path`` is applied, that is the user's own files; else the module or the shim.

    Raises:
        UsageError: there is no run, or nothing to check.
        AutotunerError: the files have changed so that neither patch nor original can be told.
    """
    folder, run, configuration = RunFolder(path.resolve()), StoredRun.load(path), stored_configuration(path)
    if not configuration:
        raise UsageError(f"{path} improved nothing, so there is no code to check", "")
    tree = WorkingTree.of(path) if folder.patch.is_file() else None
    originals: dict[str, str] = {}
    request: CheckModule | CheckSources
    if tree is not None and tree.state is State.APPLIED:
        originals = tree.without_patch()
        what, request = ", ".join(tree.texts), CheckSources(tree.as_they_are(), dict(configuration))
    elif (written := next(filter(Path.is_file, (folder.module, folder.shim)), None)) is not None:
        what, request = written.name, CheckModule(str(written), dict(configuration))
    elif tree is not None:
        what, request = folder.patch.name, CheckSources(tree.with_patch(), dict(configuration))
    else:
        raise UsageError(f"{path} holds no tuned code", "see the notes in its result.json")
    limits = Limits.of(Machine.detect())
    runner = LocalRunner(run.request(model=measure, sources=originals), folder.worker_log, limits)
    with closing(runner):
        prepared = Prepared.of(runner.open())
        answer = runner.check(request)
        reason = answer.message if isinstance(answer, Failure) else answer.reason
        if reason or not measure:
            return CheckedCode(what, reason)
        return _measured(runner, prepared, configuration, what)


@dataclass
class _Rows:
    """Rounds that nobody continues."""

    rows: list[dict[str, Measurement]] = field(default_factory=list)

    def load(self) -> list[dict[str, Measurement]]:
        return []

    def save(self, rounds: Sequence[Mapping[str, Measurement]]) -> None:
        """Nothing to keep."""


def _measured(runner: LocalRunner, prepared: Prepared, configuration: Configuration, what: str) -> CheckedCode:
    baselines = baseline_configurations(prepared.decisions, Machine.detect().cores)
    contestants = [Contestant(name, baseline, finalist=False) for name, baseline in baselines.items()]
    contestants.append(Contestant("tuned", configuration, finalist=True))
    confirmation = confirm(
        runner,
        contestants,
        Timing(),
        rounds=_Rows(),
        may_extend=lambda: False,
        measured=lambda _done, _planned: None,
    )
    decided = decide(confirmation, contestants)
    if decided.speedup is None:
        raise AutotunerError("the pipelines could not be measured", "see worker.log in the run's folder")
    return CheckedCode(what, "", decided.speedup, decided.verdict is Verdict.IMPROVED)
