"""What is printed when a study is over; on standard error, so that ``--json`` owns standard output."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotuner.measure.result import StudyResult, Verdict

if TYPE_CHECKING:
    from autotuner.api import TuneResult

_COLOURS = {Verdict.IMPROVED: "bold green", Verdict.KEEP_BASELINE: "bold cyan", Verdict.INCONCLUSIVE: "bold yellow"}
_ADVICE = {
    Verdict.IMPROVED: "",
    Verdict.KEEP_BASELINE: "Keep your own pipeline.",
    Verdict.INCONCLUSIVE: "Keep your own pipeline, or repeat the command with more time to go on.",
}
_CEILING_NOTE = "the model alone, on one batch"


def tell(result: TuneResult, here: Path, console: Console | None = None) -> None:
    """Prints verdict, rates and where everything is, with paths relative to ``here``."""
    console = console or Console(stderr=True, highlight=False)
    summary = result.summary
    console.print()
    whole = not console.is_terminal  # no line is broken in a log
    verdict = f"[{_COLOURS[summary.verdict]}]{summary.verdict.value}[/]"
    console.print(f"{verdict}  {escape(summary.reason)}", soft_wrap=whole)
    if advice := _ADVICE[summary.verdict]:
        console.print(advice)
    console.print()
    console.print(_rates(summary))
    console.print()
    for note in summary.notes:
        console.print(f"note: {note}", markup=False, soft_wrap=whole)
    for line in _places(result, here):
        console.print(line, markup=False, soft_wrap=True)


def _rates(summary: StudyResult) -> Table:
    improved = summary.verdict is Verdict.IMPROVED
    table = Table(box=None, pad_edge=False, padding=(0, 3, 0, 0), collapse_padding=True)
    table.add_column("pipeline", no_wrap=True)
    table.add_column("steps/s", justify="right", no_wrap=True)
    table.add_column(_counted(summary.epochs, "epoch"), justify="right", no_wrap=True)
    table.add_column("tuned is faster by" if improved else "", no_wrap=True)
    for name, rate in summary.steps_per_second.items():
        seconds = summary.projected_seconds.get(name)
        over = summary.speedup_over.get(name) if improved else None
        note = _CEILING_NOTE if name == "ceiling" else str(over or "")
        styles = {"tuned": "bold", "ceiling": "dim"}
        shown = "" if seconds is None else _duration(seconds)
        table.add_row(name, f"{rate:.1f}", shown, escape(note), style=styles.get(name, ""))
    return table


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def _duration(seconds: float) -> str:
    """Seconds, minutes or hours, with three figures or so."""
    for unit, size in (("h", 3600.0), ("min", 60.0)):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.1f} s" if seconds >= 1 else f"{seconds:.2f} s"


def _places(result: TuneResult, here: Path) -> list[str]:
    folder = Path(os.path.relpath(result.folder, here))
    lines = []
    if result.diff:
        lines.append(f"patch   {folder / 'tuned.patch'}   (git apply)")
    if result.code:
        lines.append(f"code    {folder / result.summary.files.get('shim', 'tuned_pipeline.py')}")
    lines.append(f"report  {folder / 'report.html'}")
    if uri := result.summary.mlflow.get("tracking_uri"):
        lines.append(
            f"trials  {_way_to(uri, here)}   (MLflow, experiment {result.summary.mlflow.get('experiment_id')})"
        )
    return lines


def _way_to(uri: str, here: Path) -> str:
    """A tracking server shows itself; other stores are shown by our command, which finds the one of this folder."""
    if uri.startswith(("http://", "https://")):
        return uri
    return "autotuner ui" if uri == f"sqlite:///{here / 'mlflow.db'}" else f"autotuner ui --tracking-uri {uri}"
