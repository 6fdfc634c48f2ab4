"""How long a study may take, and how it is divided."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from autotuner.errors import UsageError

_MOST_RESERVED = 0.65
"""Of the time after the baselines: the search has the rest, however short the timeout."""
_CONFIRMING = 0.8
_UNITS = {"s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}


def parse_duration(text: str | float) -> float:
    """Seconds of ``90``, ``"90s"``, ``"10m"``, ``"1h30m"``.

    Raises:
        UsageError: it is none of these, or not positive.
    """
    if isinstance(text, str):
        parts = re.findall(r"(\d+(?:\.\d+)?)([smhd])", text)
        if "".join(number + unit for number, unit in parts) == text.strip() and parts:
            return sum(float(number) * _UNITS[unit] for number, unit in parts) or _refuse(text)
    try:
        seconds = float(text)
    except ValueError:
        seconds = -1.0
    return seconds if 0 < seconds < float("inf") else _refuse(text)


def _refuse(text: str | float) -> float:
    raise UsageError(f"{text!r} is not a timeout", "write a positive time such as 90s, 10m or 8h")


@dataclass
class Budget:
    """Time and trials left. Confirmation has its share of the time set aside before the search starts."""

    timeout_seconds: float | None
    trials: int | None
    clock: Callable[[], float] = time.monotonic
    _reserved_seconds: float = 0.0
    _spent_seconds: float = 0.0
    _searching_from_seconds: float = 0.0
    _started: float = field(init=False)

    def __post_init__(self) -> None:
        if self.trials is not None and self.trials < 1:
            raise UsageError(f"{self.trials} trials is not a budget", "give at least one trial")
        self._started = self.clock()

    @property
    def elapsed_seconds(self) -> float:
        """Since the study started, earlier runs of it included."""
        return self._spent_seconds + self.clock() - self._started

    def resume_after(self, seconds: float) -> None:
        """Counts what earlier runs of the same study took."""
        self._spent_seconds = seconds

    def start_search(self) -> None:
        """The baselines are measured: what is left is divided between the search and what follows it."""
        self._searching_from_seconds = self.elapsed_seconds

    def reserve(self, seconds: float) -> None:
        """Sets time aside for what follows the search, as far as that leaves time for it."""
        if self.timeout_seconds is not None:
            left = max(self.timeout_seconds - self._searching_from_seconds, 0.0)
            self._reserved_seconds = min(seconds, _MOST_RESERVED * left)

    @property
    def left_seconds(self) -> float:
        """Until the timeout; without end where there is none."""
        return math.inf if self.timeout_seconds is None else max(self.timeout_seconds - self.elapsed_seconds, 0.0)

    def allows(self, trials_done: int, next_seconds: float) -> bool:
        """Another trial of about ``next_seconds`` fits before the confirmation."""
        if self.timeout_seconds is not None:
            left = self.timeout_seconds - self._reserved_seconds - self.elapsed_seconds
            if left < next_seconds:
                return False
        return self.trials is None or trials_done < self.trials

    @property
    def spare_seconds(self) -> float:
        """Left beside what the confirmation needs: four fifths of what was set aside."""
        return self.left_seconds - _CONFIRMING * self._reserved_seconds

    def has_time_to_spare(self) -> bool:
        """More than the confirmation needs is left."""
        return self.spare_seconds > 0

    def has_time(self) -> bool:
        """The timeout has not passed."""
        return self.timeout_seconds is None or self.elapsed_seconds < self.timeout_seconds
