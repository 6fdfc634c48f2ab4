"""What the tuner is held to, and what it reached; a miss is shown like a hit."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Report = Mapping[str, Any]
_PLAIN = ("as_written", "autotune", "cores")
_NEVER_BEHIND, _OF_EXPERT, _OF_CEILING = 0.98, 0.95, 0.9
_CONTROL_SECONDS = 60.0
_SOON_TRIALS, _SOON_SECONDS = 30, 180.0


@dataclass(frozen=True)
class Target:
    """One line of the table."""

    wanted: str
    reached: str
    met: bool


def targets(reports: Sequence[Report]) -> Iterator[Target]:
    """All targets that the reports say something about."""
    held = [report for report in reports if "tuned" in report["contestants"]]
    gains = [report for report in held if not report["control"]]
    controls = [report for report in held if report["control"]]
    if held:
        yield _never_behind(held)
    if gains:
        yield _mean("the best of as_written, autotune, cores", 3.0, [_best_of(report, _PLAIN) for report in gains])
        yield _mean("guide", 1.2, [_best_of(report, ("guide",)) for report in gains])
        yield _share(
            "0.95 × expert or more", 0.8, {_name(report): _over_expert(report) >= _OF_EXPERT for report in gains}
        )
        yield _share(
            "90 % of the ceiling or more", 1.0, {_name(report): _of_ceiling(report) >= _OF_CEILING for report in gains}
        )
        yield _soon(gains)
    for report in held:
        if _name(report) == "object_store":
            yield _mean("autotune, object store", 20.0, [_best_of(report, ("autotune",))])
    if controls:
        yield _controls(controls)


def _name(report: Report) -> str:
    return str(report["workload"])


def _best_of(report: Report, names: Sequence[str]) -> float:
    """How much faster tuned is than the best of ``names``: the smallest ratio."""
    found = [report["contestants"][name]["tuned_over_this"] for name in names if name in report["contestants"]]
    return min((float(ratio["estimate"]) for ratio in found), default=math.nan)


def _over_expert(report: Report) -> float:
    return _best_of(report, ("expert",))


def _of_ceiling(report: Report) -> float:
    rate = report["contestants"]["tuned"]["later_epoch_steps_per_second"]
    return float(rate / report["ceiling_steps_per_second"])


def _never_behind(held: Sequence[Report]) -> Target:
    """The whole interval of no contestant may lie more than 2 % above the tuned one."""
    behind = {
        _name(report): [
            name
            for name, item in report["contestants"].items()
            if name != "tuned" and item["tuned_over_this"]["high"] < _NEVER_BEHIND
        ]
        for report in held
    }
    return _share("0.98 × the best contestant or more", 1.0, {name: not ahead for name, ahead in behind.items()})


def _mean(over: str, wanted: float, ratios: Sequence[float]) -> Target:
    known = [ratio for ratio in ratios if ratio == ratio]  # noqa: PLR0124 - leaves out what could not be measured
    mean = math.exp(statistics.fmean(map(math.log, known))) if known else math.nan
    return Target(f"≥ {wanted:g} × {over} (geometric mean)", f"{mean:.2f}×, {len(known)} workloads", mean >= wanted)


def _share(wanted: str, share: float, met: Mapping[str, bool]) -> Target:
    missed = [name for name, good in met.items() if not good]
    reached = f"{len(met) - len(missed)} of {len(met)}" + (f"; not {', '.join(missed)}" if missed else "")
    return Target(f"{wanted} on {share:.0%} of the workloads", reached, len(met) - len(missed) >= share * len(met))


def _soon(gains: Sequence[Report]) -> Target:
    searches = [report["search"] for report in gains if report["search"]["trials_to_90_percent"] is not None]
    trials = statistics.median([search["trials_to_90_percent"] for search in searches] or [math.inf])
    seconds = statistics.median([search["seconds_to_90_percent"] for search in searches] or [math.inf])
    wanted = f"90 % of the gain within {_SOON_TRIALS} trials or {_SOON_SECONDS / 60:.0f} min (median)"
    return Target(wanted, f"{trials:g} trials, {seconds:.0f} s", trials <= _SOON_TRIALS or seconds <= _SOON_SECONDS)


def _controls(controls: Sequence[Report]) -> Target:
    right = {
        _name(report): report["verdict"] == "KEEP_BASELINE" and report["tuner_seconds"] <= _CONTROL_SECONDS
        for report in controls
    }
    reached = "; ".join(f"{_name(item)}: {item['verdict']} in {item['tuner_seconds']:.0f} s" for item in controls)
    return Target("controls: KEEP_BASELINE within 1 min", reached, all(right.values()))
