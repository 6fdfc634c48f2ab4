"""``autotuner inspect``: stages and their costs, the bottleneck, what could be changed."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from autotuner.pipeline.profile import duration, paid_once, shares

if TYPE_CHECKING:
    from autotuner.api import Inspection
    from autotuner.pipeline import OpFacts

_PLAIN_WIDTH = 160
_BAR_CELLS = 10
_NARROW_BAR_CELLS = 4
_WIDE = 100
_EIGHTHS = " ▏▎▍▌▋▊▉"
_SHORT = {
    "num_parallel_calls": "calls",
    "num_parallel_reads": "reads",
    "buffer_size": "buffer",
    "cycle_length": "cycle",
}


@click.command(short_help="Show a pipeline's stages and what could be changed.")
@click.argument("dataset")
@click.argument("model", required=False)
@click.option("--steps-per-epoch", type=int, help="As in fit; needed where the dataset has no known end.")
@click.option("--preset", default="default", show_default=True, help="How far a search would go.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON on standard output instead of tables.")
def inspect(dataset: str, model: str | None, steps_per_epoch: int | None, preset: str, *, as_json: bool) -> None:
    """Show what each stage of a pipeline costs, what could be changed, and what is refused and why.

    With MODEL, a real fit and its ceiling are timed as well, and it is shown what AUTOTUNE chooses.
    """
    from autotuner.api import inspect_pipeline

    found = inspect_pipeline(dataset, model, steps_per_epoch=steps_per_epoch, preset=preset)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
        return
    console = Console(highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = _PLAIN_WIDTH
    console.print(_stages(found, _BAR_CELLS if console.width >= _WIDE else _NARROW_BAR_CELLS))
    console.print()
    if found.profiled.stopped_by:
        console.print(f"reading ended early: {found.profiled.stopped_by}", markup=False)
    if found.bottleneck:
        console.print(found.bottleneck, markup=False, style="bold")
    _print_rates(console, found)
    console.print()
    console.print(_decisions(found))
    if found.prepared.refusals:
        console.print("\nrefused")
        for refusal in found.prepared.refusals:
            console.print(f"  {refusal.reason}", markup=False)


def _print_rates(console: Console, found: Inspection) -> None:
    rates = [(name, rate) for name, rate in found.steps_per_second.items() if rate is not None]
    console.print(", ".join(f"{name} {rate:.1f}" for name, rate in rates) + " steps/s", markup=False)


def _stages(found: Inspection, bar_cells: int) -> Table:
    pipeline = found.prepared.pipeline
    parts, once = shares({path: found.cost(path) for path, _ in pipeline.walk()}), paid_once(pipeline)
    table = _table("stage", "where", "per step", "share", "bytes", "AUTOTUNE", "notes")
    for path, op in pipeline.walk():
        outer, _, inner = path.partition("/")
        where = f"{op.call_site.file.rpartition('/')[2]}:{op.call_site.end_line}" if op.call_site else ""
        cost = found.cost(path)
        chose = ", ".join(f"{_SHORT.get(name, name)} {value}" for name, value in found.autotune_chose(path).items())
        notes = "" if inner else _notes(found.prepared.facts[path], first_epoch_only=outer in once)
        seconds, size = cost.seconds_per_step, cost.bytes_per_element
        table.add_row(
            escape(f"  {inner}" if inner else path),
            escape(where),
            "?" if seconds is None else duration(seconds),
            _bar(parts.get(path), bar_cells),
            "?" if size is None else f"{size:,.0f}",
            chose,
            escape(notes),
        )
    return table


def _bar(share: float | None, cells: int) -> str:
    if share is None:
        return ""
    eighths = round(share * cells * 8)
    bar = "█" * (eighths // 8) + (_EIGHTHS[eighths % 8] if eighths % 8 else "")
    return f"[cyan]{bar:<{cells}}[/] {100 * share:3.0f} %"


def _notes(facts: OpFacts, *, first_epoch_only: bool) -> str:
    parts = []
    if first_epoch_only:
        parts.append("first epoch only")
    if facts.random:
        parts.append("random")
    if facts.python:
        parts.append("calls Python")
    if facts.stated:
        parts.append("calls Python, stated deterministic")
    if facts.stateful:
        parts.append(f"side effects ({', '.join(facts.stateful)})")
    if facts.opaque_reason:
        parts.append(f"opaque: {facts.opaque_reason}")
    return "; ".join(parts)


def _decisions(found: Inspection) -> Table:
    table = _table("decision", "now", "AUTOTUNE chose", "would try", "keeps")
    for decision in found.prepared.decisions:
        domain = found.space.domains.get(decision.name)
        left_out = found.space.left_out.get(decision.name, "not searched with this preset")
        tried = ", ".join(_shown(value) for value in domain) if domain else left_out
        now, keeps = _shown(decision.status_quo), decision.preserves.value.lower()
        chose = str(found.profiled.autotune_chose.get(decision.name, ""))
        table.add_row(escape(decision.name), escape(now), chose, escape(tried), keeps)
    return table


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _table(*columns: str) -> Table:
    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        whole = column in {"where", "per step", "share", "bytes"}
        table.add_column(
            column, justify="right" if column in {"per step", "bytes"} else "left", no_wrap=whole, overflow="fold"
        )
    return table
