"""The reference: the best baseline, measured again through the study, for a shared machine drifts.

Where the machine is another one from second to second, the reference runs beside every trial, in turns with it.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autotuner.measure.statistics import coefficient_of_variation

_RECENT = 3
"""The median of so many tells how fast the machine is now; one alone may be off."""
_BESIDE = 0
_LEAST_INTERVAL, _LONGEST_INTERVAL = 2, 24
_CALM_LOOKS = 6
_STEADY, _DRIFTING = math.log(1.04), math.log(1.10)
_LEAST_LOOKS = 4
NOISY = 0.15
"""Coefficient of variation from which on a machine is called noisy."""


@dataclass(frozen=True)
class Reference:
    """Projected seconds of one and the same pipeline through a study, the first of them its baseline trial."""

    seconds: tuple[float, ...]
    interval_trials: int = 1
    """Trials until the next look: fewer while the machine drifts, more while it does not; 0 for beside every trial."""
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

    @property
    def runs_beside(self) -> bool:
        """Every trial needs the reference beside it."""
        return self.interval_trials == _BESIDE

    def drift_beside(self, seconds: float) -> float:
        """The drift that a look beside a trial shows, for that trial."""
        return seconds / self.seconds[0]

    def looked(self, seconds: float, *, takes_turns: bool) -> Reference:
        """One more look at the same pipeline; it may run beside trials where the runner ``takes_turns``."""
        looks = (*self.seconds, seconds)
        moved = abs(math.log(seconds / statistics.median(self.seconds[-_RECENT:])))
        interval = self.interval_trials
        if moved > _DRIFTING:
            interval = interval // 2
        elif moved < _STEADY and (not self.runs_beside or _is_calm(looks)):
            interval = min(_LONGEST_INTERVAL, max(_LEAST_INTERVAL, interval * 2))
        return Reference(looks, interval if takes_turns else max(_LEAST_INTERVAL, interval))


def _is_calm(looks: Sequence[float]) -> bool:
    """One look that is like those before it says little about a machine that was restless until then."""
    recent = [math.log(seconds) for seconds in looks[-_CALM_LOOKS:]]
    return len(recent) == _CALM_LOOKS and max(recent) - min(recent) < _DRIFTING


def noise_note(seconds: Sequence[float]) -> str:
    """What a user must know of a machine that is noisy; empty where it is not."""
    variation = Reference(tuple(seconds)).variation if seconds else None
    if variation is None or variation < NOISY:
        return ""
    return (
        f"this machine is noisy: the speed of one and the same pipeline varied by {100 * variation:.0f} % "
        f"(coefficient of variation of {len(seconds)} measurements)"
    )
