"""Where the marks of the report's charts go; the template draws them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from autotuner.measure.records import TrialRecord

BASELINES = ("as_written", "autotune", "cores")
_LEFT, _RIGHT, _TOP, _BOTTOM = 56.0, 12.0, 14.0, 34.0
_HEADROOM = 1.06
_FARTHEST_CEILING = 3.0
_TICKS = 5


@dataclass(frozen=True)
class Bar:
    """One contestant."""

    name: str
    steps_per_second: float
    y: float
    width: float


@dataclass(frozen=True)
class BarChart:
    """Horizontal bars that begin at zero."""

    width: float
    height: float
    left: float
    thickness: float
    bars: tuple[Bar, ...]


@dataclass(frozen=True)
class Mark:
    """One trial; a failed one has no rate and stands at the foot of the chart."""

    x: float
    y: float
    kind: str
    """``baseline``, ``trial`` or ``failure``."""
    title: str


@dataclass(frozen=True)
class Tick:
    """A labelled place on an axis."""

    at: float
    label: str


@dataclass(frozen=True)
class History:
    """Steps per second of every trial in order, with the best so far."""

    width: float
    height: float
    left: float
    right: float
    top: float
    bottom: float
    marks: tuple[Mark, ...]
    best: str
    """Points of the best-so-far line."""
    x_ticks: tuple[Tick, ...]
    y_ticks: tuple[Tick, ...]
    ceiling: float | None
    """Height of the ceiling's line; ``None`` where it is unknown or would flatten everything else."""


def contestant_bars(rates: Mapping[str, float], width: float = 760.0) -> BarChart:
    """One bar per contestant, in the order given."""
    left, thickness, gap, room_for_value = 110.0, 20.0, 12.0, 70.0
    longest = max(rates.values(), default=0.0) or 1.0
    bars = tuple(
        Bar(name, rate, gap / 2 + place * (thickness + gap), (width - left - room_for_value) * rate / longest)
        for place, (name, rate) in enumerate(rates.items())
    )
    return BarChart(width, len(bars) * (thickness + gap), left, thickness, bars)


def trial_history(
    trials: Sequence[TrialRecord], ceiling: float | None, width: float = 760.0, height: float = 300.0
) -> History:
    """Every trial's rate over the projected training."""
    ordered = sorted(trials, key=lambda trial: trial.number)
    fastest = max((_rate(trial) for trial in ordered), default=0.0) or 1.0
    with_ceiling = ceiling is not None and ceiling <= _FARTHEST_CEILING * fastest
    top_rate = _HEADROOM * max(fastest, ceiling if with_ceiling and ceiling else 0.0)
    last = max((trial.number for trial in ordered), default=0)
    right, bottom = width - _RIGHT, height - _BOTTOM

    def x(number: float) -> float:
        return _LEFT + (right - _LEFT) * (number + 0.5) / (last + 1)

    def y(rate: float) -> float:
        return bottom - (bottom - _TOP) * rate / top_rate

    return History(
        width=width,
        height=height,
        left=_LEFT,
        right=right,
        top=_TOP,
        bottom=bottom,
        marks=tuple(Mark(x(trial.number), y(_rate(trial)), _kind(trial), _title(trial)) for trial in ordered),
        best=" ".join(f"{x(number):.1f},{y(rate):.1f}" for number, rate in _best_so_far(ordered)),
        x_ticks=tuple(Tick(x(number), f"{number:g}") for number in _ticks(last, whole=True)),
        y_ticks=tuple(Tick(y(rate), f"{rate:g}") for rate in _ticks(top_rate)),
        ceiling=y(ceiling) if with_ceiling and ceiling else None,
    )


def _rate(trial: TrialRecord) -> float:
    return trial.measurement.steps_per_second if trial.measurement else 0.0


def _kind(trial: TrialRecord) -> str:
    if trial.measurement is None:
        return "failure"
    return "baseline" if trial.role in BASELINES else "trial"


def _title(trial: TrialRecord) -> str:
    if trial.measurement:
        changes = ", ".join(f"{name} = {value}" for name, value in trial.configuration.items())
        return f"{trial.number} {trial.role}: {_rate(trial):.1f} steps/s\n{changes}".rstrip()
    return f"{trial.number} {trial.role}: no number"


def _best_so_far(ordered: Sequence[TrialRecord]) -> list[tuple[int, float]]:
    """Corners of the staircase, ending at the last trial."""
    corners: list[tuple[int, float]] = []
    best = 0.0
    for trial in ordered:
        rate = max(best, _rate(trial))
        if rate > best:
            corners += [(trial.number, best)] if best else []
            corners.append((trial.number, rate))
            best = rate
    return [*corners, (ordered[-1].number, best)] if corners else []


def _ticks(end: float, *, whole: bool = False) -> list[float]:
    """About five round numbers from zero to ``end``."""
    if end <= 0:
        return [0.0]
    rough = end / _TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(factor * magnitude for factor in (1, 2, 5, 10) if factor * magnitude >= rough)
    step = max(step, 1.0) if whole else step
    return [place * step for place in range(int(end / step) + 1)]
