"""The code of any trial of a stored study, written again."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

from autotuner.api.emission import Code, Wanted, machine_line, write_code, write_configuration
from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import StoredRun, stored_configuration
from autotuner.errors import AutotunerError, UsageError
from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner
from autotuner.pipeline import Configuration
from autotuner.search.conclusion import Prepared
from autotuner.search.store import StudyStore


def emit_code(path: Path, *, trial: int | None = None) -> tuple[Path, Code]:
    """Writes the code of trial ``trial`` of the run in ``path``, or of its winner; gives the folder it is in.

    A trial's code goes into a folder of its own beside the run's files.

    Raises:
        UsageError: there is no run, no such trial, or nothing to write.
        AutotunerError: it cannot be written as code; the hint says why.
    """
    run = StoredRun.load(path)
    folder = RunFolder(path.resolve())
    configuration = stored_configuration(path) if trial is None else _configuration(run, folder, trial)
    if not configuration:
        raise UsageError("the status quo needs no code: it is your own pipeline", "choose another trial with --trial")
    written_to = folder if trial is None else RunFolder.at(folder.path / f"trial-{trial}")
    machine = Machine.detect()
    limits = Limits.of(machine)
    with closing(LocalRunner(run.request(model=False), folder.worker_log, limits)) as runner:
        prepared = Prepared.of(runner.open())
        of = "the winner" if trial is None else f"trial {trial}"
        told = (f"The configuration of {of} of {run.study}.", machine_line(machine.to_json()))
        code = write_code(Wanted(prepared, configuration, str(run.dataset), told), runner, written_to)
    write_configuration(configuration, code, written_to)
    if not (code.module or code.shim or code.diff):
        raise AutotunerError("there is no code for this configuration", "; ".join(code.notes))
    return written_to.path, code


def _configuration(run: StoredRun, folder: RunFolder, trial: int) -> Configuration:
    records = StudyStore(run.storage or folder.study_url, run.study).records()
    for record in records:
        if record.number == trial:
            return record.configuration
    numbers = ", ".join(str(record.number) for record in records)
    raise UsageError(f"there is no trial {trial} in {run.study}", f"it has {numbers or 'none yet'}")
