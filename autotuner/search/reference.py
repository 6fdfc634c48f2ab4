"""The reference: the best baseline, measured again through the study, for a shared machine drifts."""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autotuner.measure.statistics import coefficient_of_variation

_RECENT = 3
"""The median of so many tells how fast the machine is now; one alone may be off."""
_FIRST_INTERVAL = 6
_LEAST_INTERVAL, _LONGEST_INTERVAL = 2, 24
_STEADY, _DRIFTING = math.log(1.04), math.log(1.10)
_LEAST_LOOKS = 4
NOISY = 0.15
"""Coefficient of variation from which on a machine is called noisy."""


@dataclass(frozen=True)
class Reference:
    """Projected seconds of one and the same pipeline through a study, the first of them its baseline trial."""

    seconds: tuple[float, ...]
    interval_trials: int = _FIRST_INTERVAL
    """Trials until the next look: fewer while the machine drifts, more while it does not."""
    trials_since: int = 0

    @property
    def drift(self) -> float:
        """How many times as long as at first the same pipeline takes now."""
        return statistics.median(self.seconds[-_RECENT:]) / self.seconds[0]

    @property
    def is_due(self) -> bool:
        """It is time to look again."""
        return self.trials_since >= self.interval_trials

    @property
    def variation(self) -> float | None:
        """Coefficient of variation of all looks; ``None`` where there are too few to tell."""
        return coefficient_of_variation(self.seconds) if len(self.seconds) >= _LEAST_LOOKS else None

    def after_trial(self) -> Reference:
        """One more trial was measured."""
        return replace(self, trials_since=self.trials_since + 1)

    def looked(self, seconds: float) -> Reference:
        """One more look at the same pipeline."""
        moved = abs(math.log(seconds / statistics.median(self.seconds[-_RECENT:])))
        interval = self.interval_trials
        if moved > _DRIFTING:
            interval = max(_LEAST_INTERVAL, interval // 2)
        elif moved < _STEADY:
            interval = min(_LONGEST_INTERVAL, interval * 2)
        return Reference((*self.seconds, seconds), interval)


def noise_note(seconds: Sequence[float]) -> str:
    """What a user must know of a machine that is noisy; empty where it is not."""
    variation = Reference(tuple(seconds)).variation if seconds else None
    if variation is None or variation < NOISY:
        return ""
    return (
        f"this machine is noisy: the speed of one and the same pipeline varied by {100 * variation:.0f} % "
        f"(coefficient of variation of {len(seconds)} measurements)"
    )
