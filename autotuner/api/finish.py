"""From a conclusion to what the user keeps: code that was run and compared, the result, the report."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from autotuner.api.emission import Code, Wanted, machine_line, write_code, write_configuration
from autotuner.api.folder import RunFolder
from autotuner.emit.atomic import write_text
from autotuner.measure.observer import Observer
from autotuner.measure.outcome import Measurement
from autotuner.measure.records import TrialRecord
from autotuner.measure.result import Interval, StudyResult, Verdict
from autotuner.measure.runner import Runner
from autotuner.pipeline import Configuration
from autotuner.search.ablation import BUYS
from autotuner.search.baselines import BASELINES
from autotuner.search.conclusion import Conclusion, Prepared
from autotuner.track import report_html

_PLAIN = 1.1
"""Below it, one digit would say that nothing was gained."""


def finish(conclusion: Conclusion, runner: Runner, folder: RunFolder, observer: Observer) -> tuple[StudyResult, Code]:
    """Writes everything the run's folder is to hold; gives the result and the code, empty where there is none."""
    observer.phase_started("emit")
    found = study_result(conclusion)
    code = write_code(wanted_of(found, conclusion.prepared, conclusion.info.dataset_target), runner, folder)
    result = observer.study_finished(replace(found, notes=(*found.notes, *code.notes)))
    shown = code.module or code.diff or code.shim or None
    report = report_html(conclusion.info, conclusion.records, result, shown, conclusion.ceiling_steps_per_second)
    write_configuration(conclusion.winner, code, folder)
    return _write_files(folder, result, report), code


def wanted_of(result: StudyResult, prepared: Prepared, dataset_target: str) -> Wanted:
    """The winner, and what is said of it."""
    told = (
        f"Training speed {result.speedup} over {result.speedup_baseline}, {result.epochs} epochs,",
        machine_line(result.machine),
    )
    return Wanted(prepared, Configuration(result.configuration), dataset_target, told, _effects(result))


def _effects(result: StudyResult) -> dict[str, str]:
    """Decision → how many times slower it is without; only what was kept for its speed."""
    return {
        entry.decision: _times(1 / entry.undone_ratio)
        for entry in result.ablation
        if entry.kept and 0 < entry.undone_ratio < BUYS
    }


def _times(ratio: float) -> str:
    return f"{ratio:.1f}x" if ratio >= _PLAIN else f"{ratio:.2f}x"


def study_result(conclusion: Conclusion) -> StudyResult:
    """The content of ``result.json`` before the code is written and observers complete it."""
    confirmation, decided = conclusion.confirmation, conclusion.decided
    winner = decided.winner
    over: dict[str, Interval] = {}
    if winner is not None and decided.speedup is not None:
        over = {
            name: confirmation.speedup(winner.name, name)
            for name in BASELINES
            if confirmation.complete(name) and name != conclusion.best_baseline
        }
        over[conclusion.best_baseline] = decided.speedup
    return StudyResult(
        study=conclusion.info.name,
        verdict=conclusion.verdict,
        reason=conclusion.reason,
        speedup=decided.speedup,
        speedup_baseline=conclusion.best_baseline,
        speedup_over=over,
        steps_per_second=_rates(conclusion),
        epochs=conclusion.info.epochs,
        projected_seconds=_projected(conclusion),
        trials=conclusion.counts,
        wall_seconds=conclusion.wall_seconds,
        timed_seconds=conclusion.timed_seconds,
        configuration=dict(conclusion.winner),
        machine=conclusion.info.machine,
        ablation=conclusion.ablation,
        notes=conclusion.notes,
    )


def _field(conclusion: Conclusion, field: str) -> dict[str, float]:
    """A field by contestant: of those confirmed, or of the baselines' trials where nothing was confirmed."""
    confirmation, winner = conclusion.confirmation, conclusion.decided.winner
    found = {name: confirmation.median(name, field) for name in BASELINES if confirmation.complete(name)}
    if winner is not None and conclusion.verdict is Verdict.IMPROVED:
        found["tuned"] = confirmation.median(winner.name, field)
    return found or of_baselines(conclusion.records, field)


def of_baselines(records: Sequence[TrialRecord], field: str) -> dict[str, float]:
    """A field of the baselines' own trials."""
    return {
        record.role: float(getattr(record.outcome, field))
        for record in records
        if record.role in BASELINES and isinstance(record.outcome, Measurement)
    }


def _rates(conclusion: Conclusion) -> dict[str, float]:
    return _field(conclusion, "steps_per_second") | {"ceiling": conclusion.ceiling_steps_per_second}


def _projected(conclusion: Conclusion) -> dict[str, float]:
    return _field(conclusion, "projected_seconds")


def _write_files(folder: RunFolder, result: StudyResult, report: str) -> StudyResult:
    """Writes ``report.html`` and ``result.json``; the result names the files there are."""
    write_text(folder.report, report)
    files = {"report": folder.report.name, "configuration": folder.configuration.name}
    written = {"module": folder.module, "patch": folder.patch, "shim": folder.shim}
    files |= {role: path.name for role, path in written.items() if path.is_file()}
    complete = replace(result, files=files)
    write_text(folder.result, complete.dumps() + "\n")
    return complete
