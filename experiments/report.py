"""The report over all results of a folder: tables, plots, and the targets with what was reached."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from experiments.plot import plot
from experiments.targets import targets

_TUNED = "tuned"
Report = Mapping[str, Any]


def write_report(folder: Path) -> None:
    """Writes ``README.md`` and the plots beside the results of ``folder``."""
    reports = [json.loads(path.read_text("utf-8")) for path in sorted(folder.glob("*.json"))]
    reports = [report for report in reports if "contestants" in report]
    for report in reports:
        plot(report, folder / f"{report['workload']}.svg")
    text = "\n\n".join([_head(reports), _summary(reports), _targets(reports), *map(section, reports)]) + "\n"
    (folder / "README.md").write_text(text, "utf-8")


def _head(reports: Sequence[Report]) -> str:
    lines = [
        "# Results",
        "",
        "Written by `python -m experiments.benchmark`; each workload has its numbers in a JSON file.",
    ]
    machines = sorted({f"{machine_line(report)}, {report['timeout_seconds']:g} s for the tuner" for report in reports})
    return "\n".join([*lines, "", *(f"- {machine}" for machine in machines)])


def machine_line(report: Report) -> str:
    """When, on what and with which versions the numbers were taken."""
    machine = report["machine"]
    return (
        f"{report['date']}: {machine['cores']} cores ({machine['cpu']}), {machine['memory_bytes'] / 2**30:.0f} GiB, "
        f"GPU {machine['gpu'] or 'none'}, TensorFlow {machine['tensorflow']}, Keras {machine['keras']}, "
        f"Python {machine['python']}; {report['rounds']} rounds"
    )


def _summary(reports: Sequence[Report]) -> str:
    names = list(dict.fromkeys(name for report in reports for name in report["contestants"] if name != _TUNED))
    rows = [
        [
            f"[{report['workload']}](#{report['workload']})",
            report["verdict"],
            *(_ratio(report["contestants"].get(name, {}).get("tuned_over_this")) for name in names),
            _share(report),
        ]
        for report in reports
    ]
    head = ["workload", "verdict", *(f"over {name}" for name in names), "of the ceiling"]
    return "## Tuned, over each contestant\n\n" + table(head, rows)


def _targets(reports: Sequence[Report]) -> str:
    rows = [[item.wanted, item.reached, "yes" if item.met else "**no**"] for item in targets(reports)]
    return "## Targets\n\n" + table(["target", "reached", "met"], rows)


def section(report: Report) -> str:
    """What is said of one workload."""
    search = report["search"]
    rows = [
        [name, _rate(item["steps_per_second"]), f"{item['later_epoch_steps_per_second']:.1f}",
         _ratio(item.get("tuned_over_this")), _decisions(item["configuration"])]
        for name, item in report["contestants"].items()
    ]  # fmt: skip
    lines = [
        f"## {report['workload']}",
        "",
        report["about"],
        "",
        f"![{report['workload']}]({report['workload']}.svg)",
        "",
    ]
    lines += [table(["contestant", "steps/s", "later epochs", "tuned is faster by", "decisions"], rows), ""]
    lines += [f"Ceiling {report['ceiling_steps_per_second']:.1f} steps/s. {report['verdict']}: {report['reason']}.", ""]
    lines += [f"{search['trials']} trials in {search['seconds']:.0f} s; {_soon(search)}."]
    lines += [f"- {name} failed: {reason}" for name, reason in report["failures"].items()]
    return "\n".join(lines)


def _soon(search: Mapping[str, Any]) -> str:
    if search["trials_to_90_percent"] is None:
        return "none was faster than the best baseline"
    return f"90 % of the gain after {search['trials_to_90_percent']} trials, {search['seconds_to_90_percent']:.0f} s"


def _share(report: Report) -> str:
    tuned = report["contestants"].get(_TUNED)
    return f"{tuned['later_epoch_steps_per_second'] / report['ceiling_steps_per_second']:.0%}" if tuned else ""


def _decisions(configuration: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} = {value}" for name, value in configuration.items())


def _rate(interval: Mapping[str, float]) -> str:
    return f"{interval['estimate']:.1f} [{interval['low']:.1f}, {interval['high']:.1f}]"


def _ratio(interval: Mapping[str, float] | None) -> str:
    return f"{interval['estimate']:.2f}× [{interval['low']:.2f}, {interval['high']:.2f}]" if interval else ""


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
