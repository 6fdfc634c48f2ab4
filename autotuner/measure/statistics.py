"""Paired ratios with their intervals."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence

from scipy.stats import t as student

from autotuner.measure.result import Interval

_LEAST_PAIRS = 2


def paired_ratio(numerators: Sequence[float], denominators: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Geometric mean of ``numerators[i] / denominators[i]`` with Student's interval of the paired log-ratios.

    Pairing by round takes out the drift of a shared machine, which moves both sides of a round alike.

    Raises:
        ValueError: fewer than two pairs, or a number that is not positive.
    """
    if not all(0 < number < math.inf for number in (*numerators, *denominators)):
        raise ValueError("only positive numbers have a ratio")
    logs = [math.log(top / bottom) for top, bottom in zip(numerators, denominators, strict=True)]
    if len(logs) < _LEAST_PAIRS:
        raise ValueError("an interval needs two pairs at least")
    mean = statistics.fmean(logs)
    error = statistics.stdev(logs) / math.sqrt(len(logs))
    half = float(student.ppf(0.5 + confidence / 2, len(logs) - 1)) * error
    return Interval(math.exp(mean - half), math.exp(mean), math.exp(mean + half))


def coefficient_of_variation(values: Sequence[float]) -> float:
    """Standard deviation over mean."""
    return statistics.stdev(values) / statistics.fmean(values) if len(values) > 1 else 0.0
