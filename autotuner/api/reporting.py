"""The report of a study as it is now, also while it runs or after it was interrupted."""

from __future__ import annotations

from pathlib import Path

from autotuner.api.finish import of_baselines
from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import StoredRun, read_json
from autotuner.emit.atomic import write_text
from autotuner.errors import UsageError
from autotuner.measure.records import StudyInfo
from autotuner.measure.result import StudyResult, Verdict
from autotuner.search.conclusion import counts_of
from autotuner.search.store import StudyStore
from autotuner.track import report_html


def write_report(path: Path) -> Path:
    """Writes ``report.html`` of the study in ``path`` anew; gives its place.

    Raises:
        UsageError: there is no study, or it has not begun.
    """
    run, folder = StoredRun.load(path), RunFolder(path.resolve())
    store = StudyStore(run.storage or folder.study_url, run.study)
    stored = store.recall("info")
    if stored is None:
        raise UsageError(f"the study {run.study} in {path} has not begun", "repeat the command that was to start it")
    info = StudyInfo(**stored)
    found = StudyResult.from_json(read_json(folder.result)) if run.answer and folder.result.is_file() else None
    ended = found is not None and found.study == run.study
    result = found if found is not None and ended else _unfinished(info, store)
    files = (folder.module, folder.patch, folder.shim)
    shown = next((file.read_bytes().decode() for file in files if ended and file.is_file()), None)
    ceiling = store.recall("ceiling_steps_per_second")
    write_text(folder.report, report_html(info, store.records(), result, shown, ceiling, ended=ended))
    return folder.report


def _unfinished(info: StudyInfo, store: StudyStore) -> StudyResult:
    """What is known of a study that has not ended."""
    records = store.records()
    return StudyResult(
        study=info.name,
        verdict=Verdict.INCONCLUSIVE,
        reason=f"{len(records)} trials so far; those that look fastest are yet to be confirmed in fresh processes.",
        speedup=None,
        speedup_baseline="",
        speedup_over={},
        steps_per_second=of_baselines(records, "steps_per_second"),
        epochs=info.epochs,
        projected_seconds=of_baselines(records, "projected_seconds"),
        trials=counts_of(records),
        wall_seconds=float(store.recall("elapsed_seconds") or 0.0),
        timed_seconds=sum(record.measurement.timed_seconds for record in records if record.measurement),
        configuration={},
        machine=info.machine,
    )
