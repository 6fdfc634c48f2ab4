"""Does a pipeline that wants too much memory harm anything? ``python -m experiments.memory_limit``.

Twenty of them, each in a runner of its own with a small memory limit: it has to end as OUT_OF_MEMORY or be refused
before, the same runner's next trial has to work where the pipeline as written does, and nothing may be left: no
process, no file.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from autotuner.errors import UserCodeError
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Ceiling, Open, Timing
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from experiments.evidence import RESULTS, Finding, publish
from experiments.hungry_pipelines import Hungry, cases

_MODULE = "experiments.hungry_pipelines"
_TIMING = Timing(window_seconds=1.0)
_HUNGRY = Timing(window_seconds=15.0, longest_seconds=15.0)
"""Long enough to reach the limit on a machine that gives memory slowly."""
_EPOCHS = 3
_CASES = 20
REFUSED_AT_OPEN, REFUSED = "refused when opened", "refused before the trial"
_CONTAINED = (FailureKind.OUT_OF_MEMORY.value, REFUSED_AT_OPEN, REFUSED)


@dataclass(frozen=True)
class Contained:
    """What became of one case."""

    name: str
    ended: str
    """``OUT_OF_MEMORY``, ``refused when opened``, ``refused before the trial``, or what it should not be."""
    message: str
    contained: bool
    goes_on: bool
    """The runner's next request was answered; there is none where opening was refused."""
    left_behind: list[str]
    """Processes and files."""


def contained(case: Hungry, memory_bytes: int) -> Contained:
    """Runs one case in a runner of its own."""
    with tempfile.TemporaryDirectory(prefix="autotuner-memory-") as folder:
        scratch, log = Path(folder) / "scratch", Path(folder) / "worker.log"
        scratch.mkdir()
        before = _children()
        with _temporary_files_in(scratch):
            request = Open(Target("module", _MODULE, case.dataset), Target("module", _MODULE, "model_fn"),
                           search_path(), _EPOCHS)  # fmt: skip
            with closing(LocalRunner(request, log, Limits(memory_bytes=memory_bytes))) as runner:
                ended, message, goes_on = _run(runner, case)
        left = [f"process {pid}" for pid in sorted(_children() - before)]
        left += [str(path.relative_to(scratch)) for path in scratch.iterdir()]
    return Contained(case.name, ended, message, ended in _CONTAINED, goes_on, left)


def _run(runner: LocalRunner, case: Hungry) -> tuple[str, str, bool]:
    """How the case ended, what was said, and whether the runner went on."""
    try:
        runner.open()
    except UserCodeError as error:
        return ending_of_open(error), error.message, True
    outcome = runner.measure(case.configuration, _HUNGRY)
    message = outcome.message if isinstance(outcome, Failure) else ""
    if case.configuration:
        goes_on = isinstance(runner.measure(Configuration(), _TIMING), Measurement)
    else:
        goes_on = isinstance(runner.ceiling(_TIMING), Ceiling)
    return ending_of(outcome), message, goes_on


def ending_of_open(error: UserCodeError) -> str:
    """A user whose own pipeline does not fit has to be told that it is for memory."""
    return REFUSED_AT_OPEN if "memory" in error.message else "ERROR"


def ending_of(outcome: Outcome) -> str:
    """Only a cache that was projected to be too large counts as refused; other illegal cases test nothing."""
    if isinstance(outcome, Measurement):
        return "it fitted"
    if outcome.kind is FailureKind.ILLEGAL and outcome.message.startswith("the cache would take"):
        return REFUSED
    return outcome.kind.value


@contextmanager
def _temporary_files_in(folder: Path) -> Iterator[None]:
    """This process and its children put temporary files there."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    had = os.environ.get("TMPDIR")
    os.environ["TMPDIR"] = str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before
        os.environ.pop("TMPDIR")
        if had is not None:
            os.environ["TMPDIR"] = had


def _children() -> set[int]:
    return {process.pid for process in psutil.Process().children(recursive=True)}


def findings(rows: Sequence[Contained]) -> list[Finding]:
    """All must be contained, all must go on, nothing may be left."""
    total = f"of {len(rows)}"
    loose = [row.name for row in rows if not row.contained]
    stuck = [row.name for row in rows if not row.goes_on]
    dirty = [row.name for row in rows if row.left_behind]
    return [
        Finding("cases tried", len(rows), at_least=_CASES),
        Finding("not contained", len(loose), at_most=0, over="; ".join([total, *loose])),
        Finding("after which the runner did not go on", len(stuck), at_most=0, over="; ".join([total, *stuck])),
        Finding("that left a process or a file", len(dirty), at_most=0, over="; ".join([total, *dirty])),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Runs every case, or those whose name contains ``--about``."""
    options = _parser().parse_args(arguments)
    wanted = [case for case in cases() if options.about in case.name][: options.cases]
    rows = []
    for case in wanted:
        rows.append(contained(case, round(options.limit_gib * 2**30)))
        print(f"{case.name}: {rows[-1].ended}; {rows[-1].message}", file=sys.stderr)
    details = {"limit_gib": options.limit_gib, "cases": [asdict(row) for row in rows]}
    return publish("memory_limit", findings(rows), details, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.memory_limit", description=__doc__)
    parser.add_argument("--about", default="", help="only cases whose name contains this")
    parser.add_argument("--cases", type=int, default=None, help="so many of them at most; all by default")
    parser.add_argument("--limit-gib", type=float, default=2.0, help="memory of a worker and all it starts")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
