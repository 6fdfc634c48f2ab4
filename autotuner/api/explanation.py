"""What a result means, in words and as a notebook shows it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from html import escape

from autotuner.emit.comments import comment
from autotuner.measure.result import StudyResult, Verdict
from autotuner.pipeline import Configuration, DecisionValue

_COLOURS = {Verdict.IMPROVED: "#1a7f37", Verdict.KEEP_BASELINE: "#0969da", Verdict.INCONCLUSIVE: "#9a6700"}


def explanation(summary: StudyResult, status_quo: Mapping[str, DecisionValue]) -> str:
    """Verdict, rates and each change with what it was, what it is and what it buys."""
    lines = [f"{summary.verdict.value}: {summary.reason}"]
    if summary.configuration:
        lines += ["", "What changed:", *(f"  {line}" for line in changes(summary, status_quo))]
    lines += [
        "",
        "Steps per second:",
        *(f"  {name:<12}{rate:10.1f}" for name, rate in summary.steps_per_second.items()),
    ]
    if share := _share_of_ceiling(summary):
        lines.append(f"  {share}")
    lines += [f"note: {note}" for note in summary.notes]
    return "\n".join(lines)


def changes(summary: StudyResult, status_quo: Mapping[str, DecisionValue]) -> Iterator[str]:
    """One line for each decision."""
    measured = {entry.decision: entry.undone_ratio for entry in summary.ablation}
    configuration = Configuration(summary.configuration)
    for name, value in configuration.items():
        ratio = measured.get(name)
        worth = f"; without it {ratio:.2f}x the speed" if ratio is not None else ""
        yield f"{name}: {_shown(status_quo.get(name))} → {_shown(value)} ({comment([name], configuration, {})}{worth})"


def html(summary: StudyResult, status_quo: Mapping[str, DecisionValue], diff: str) -> str:
    """The same for a notebook: verdict, ratio, what changed, and the patch folded away."""
    colour = _COLOURS[summary.verdict]
    ratio = f" {summary.speedup} over {summary.speedup_baseline}" if summary.speedup else ""
    parts = [
        f'<p><b style="color:{colour}">{summary.verdict.value}</b>{escape(ratio)}<br>{escape(summary.reason)}</p>',
        _rates(summary),
    ]
    if summary.configuration:
        items = "".join(f"<li>{escape(line)}</li>" for line in changes(summary, status_quo))
        parts.append(f"<p>What changed:</p><ul>{items}</ul>")
    parts += [f"<p>note: {escape(note)}</p>" for note in summary.notes]
    if diff:
        parts.append(f"<details><summary>patch</summary><pre>{escape(diff)}</pre></details>")
    return f"<div>{''.join(parts)}</div>"


def _rates(summary: StudyResult) -> str:
    rows = "".join(
        f'<tr><td>{escape(name)}</td><td style="text-align:right">{rate:.1f}</td></tr>'
        for name, rate in summary.steps_per_second.items()
    )
    return f"<table><tr><th>pipeline</th><th>steps/s</th></tr>{rows}</table>"


def _share_of_ceiling(summary: StudyResult) -> str:
    tuned, ceiling = (summary.steps_per_second.get(name) for name in ("tuned", "ceiling"))
    return f"tuned is at {tuned / ceiling:.0%} of the ceiling" if tuned and ceiling else ""


def _shown(value: DecisionValue) -> str:
    return "none" if value is None else str(value)
