"""Tells when ``fit`` stood still from when it waited for its input: plain arithmetic on gaps of clock readings.

``fit`` pauses at times for 0.5 to 10 s with an idle CPU, in any pipeline and with the model alone. Waiting for slow
storage looks the same once; but that comes back, and then it is what training will feel.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from typing import TypeAlias

Gap: TypeAlias = tuple[float, float]
"""Seconds and CPU seconds between two readings."""

LONG_SECONDS = 0.5
_LONG_TIMES_USUAL = 20.0
_IDLE_CPU_SHARE = 0.2
_PERIOD_SECONDS = 10.0
"""``fit`` stalls no more often than this; pauses that come faster are the pipeline's own rhythm."""


def stalled_seconds(gaps: Sequence[Gap]) -> list[float]:
    """Of the gaps between the steps of an epoch, those in which ``fit`` stood still: idle and far above the median."""
    if not gaps:
        return []
    limit = long_seconds(statistics.median(seconds for seconds, _ in gaps))
    return _believable([gap[0] for gap in gaps if _is_idle(gap, limit)], gaps)


def stalled_starts(starts: Sequence[Gap]) -> list[float]:
    """Of the starts of later epochs, those in which ``fit`` stood still: idle and far above the fastest.

    An epoch has few starts, so a median could be a stall itself; of one start alone nothing can be told.
    """
    if not starts:
        return []
    limit = long_seconds(min(seconds for seconds, _ in starts))
    idle = [start[0] for start in starts if _is_idle(start, limit)]
    return idle if 2 * len(idle) <= len(starts) else []


def is_suspect(start: Gap) -> bool:
    """This start may have been a stall; more of them will tell."""
    return _is_idle(start, LONG_SECONDS)


def is_stalled(start: Gap, usual_seconds: float) -> bool:
    """A start that was idle and far above the usual one."""
    return _is_idle(start, long_seconds(usual_seconds))


def long_seconds(usual: float) -> float:
    """What is far above ``usual``."""
    return max(LONG_SECONDS, _LONG_TIMES_USUAL * usual)


def _is_idle(gap: Gap, limit: float) -> bool:
    seconds, cpu = gap
    return seconds > limit and cpu < _IDLE_CPU_SHARE * seconds


def _believable(idle: list[float], gaps: Sequence[Gap]) -> list[float]:
    allowed = max(1, int(math.fsum(seconds for seconds, _ in gaps) / _PERIOD_SECONDS))
    return idle if len(idle) <= allowed else []
