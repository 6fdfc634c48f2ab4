"""The plot of one workload: what each contestant reaches, with its interval, under the model's own rate."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

_COLORS = {"tuned": "#2563eb", "expert": "#64748b", "guide": "#64748b"}
_OTHER = "#cbd5e1"


def plot(report: Mapping[str, Any], path: Path) -> None:
    """Writes an SVG file with the same bytes for the same report."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    contestants = report["contestants"]
    names = list(reversed(contestants))
    rates = [contestants[name]["steps_per_second"] for name in names]
    middles = [rate["estimate"] for rate in rates]
    errors = [[rate["estimate"] - rate["low"] for rate in rates], [rate["high"] - rate["estimate"] for rate in rates]]
    with mpl.rc_context({"svg.hashsalt": report["workload"], "svg.fonttype": "none"}):
        figure = Figure(figsize=(7.5, 0.42 * len(names) + 1.1), layout="constrained")
        axes = figure.subplots()
        axes.barh(names, middles, color=[_COLORS.get(name, _OTHER) for name in names], height=0.7)
        axes.errorbar(middles, names, xerr=errors, fmt="none", ecolor="#0f172a", elinewidth=1.0, capsize=2.5)
        ceiling = report["ceiling_steps_per_second"]
        axes.axvline(ceiling, color="#dc2626", linestyle="--", linewidth=1.0)
        axes.annotate(
            f"ceiling {ceiling:.0f}",
            (ceiling, 1.0),
            (-3, 2),
            xycoords=("data", "axes fraction"),
            textcoords="offset points",
            ha="right",
            va="bottom",
            color="#dc2626",
            fontsize=8,
        )
        axes.set_xlabel(f"steps per second, over {report['epochs']} epochs; lines are 95 % intervals")
        axes.set_title(report["workload"], loc="left", fontsize=10)
        axes.set_xlim(0, 1.05 * max(ceiling, *(min(rate["high"], 1.5 * rate["estimate"]) for rate in rates)))
        axes.spines[["top", "right"]].set_visible(False)
        figure.savefig(path, metadata={"Date": None})
