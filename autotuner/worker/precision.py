"""How well the rate of a fit is known from what was seen of it, and from where on it was warm: plain arithmetic."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t as student

_CHUNKS = 8
"""Rates of neighbouring steps depend on each other, through buffers; those of eighths of a window hardly do."""
_LEAST_CHUNKS = 4
_POINTS = 40


def fastest_rate(steps: Sequence[int], seconds: Sequence[float], confidence: float) -> float:
    """Upper end of the one-sided interval of the rate; infinite where too little was seen to tell.

    ``steps`` were done in ``seconds``, gap by gap.
    """
    rates = chunk_rates(steps, seconds)
    if len(rates) < _LEAST_CHUNKS:
        return math.inf
    return statistics.fmean(rates) + _half_width(rates, confidence)


def relative_error(steps: Sequence[int], seconds: Sequence[float]) -> float:
    """Half the 95 % interval of the rate over the rate; infinite where too little was seen to tell."""
    rates = chunk_rates(steps, seconds)
    if len(rates) < _LEAST_CHUNKS:
        return math.inf
    return _half_width(rates, 0.975) / statistics.fmean(rates)


def chunk_rates(steps: Sequence[int], seconds: Sequence[float]) -> list[float]:
    """Rates of up to eight stretches of equal length in time."""
    limit = math.fsum(seconds) / _CHUNKS
    rates: list[float] = []
    done, took = 0, 0.0
    for count, duration in zip(steps, seconds, strict=True):
        done += count
        took += duration
        if took >= limit * (1 - 1e-9):
            rates.append(done / max(took, 1e-9))
            done, took = 0, 0.0
    return rates


def warm_up(seconds: Sequence[float]) -> int:
    """How many gaps to leave out at the beginning, at most half: where the rest has the least standard error.

    The MSER rule of White (1997) for the start of a simulation.
    """
    width = max(1, len(seconds) // _POINTS)
    means = [statistics.fmean(seconds[start : start + width]) for start in range(0, len(seconds) - width + 1, width)]
    best, least = 0, math.inf
    for left_out in range(len(means) // 2 + 1):
        rest = means[left_out:]
        error = statistics.pvariance(rest) / len(rest) if rest else math.inf
        if error < least * (1 - 1e-9):
            best, least = left_out, error
    return best * width


def _half_width(rates: Sequence[float], confidence: float) -> float:
    error = statistics.stdev(rates) / math.sqrt(len(rates))
    return float(student.ppf(confidence, len(rates) - 1)) * error
