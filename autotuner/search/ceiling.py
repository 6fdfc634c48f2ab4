"""Whether the model is the bottleneck: the best baseline against the ceiling, on a machine that is not quiet."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from autotuner.measure.messages import Calibrated

AT_CEILING = 0.97
"""A pipeline this close to the ceiling leaves nothing to gain."""
_WORTH_A_LOOK = 0.7
_LEAST_LOOKS = 3
_MOST_LOOKS = 8
_REPRODUCED = 0.97
"""The second best rate of a side is this close to its best."""


def costs_nothing(input_alone: Calibrated, ceiling_steps_per_second: float) -> bool:
    """Making the batches takes so little that training would be at the ceiling even if nothing overlapped.

    No noise of the machine can hide that: it makes the input look slower than it is.
    """
    model_seconds = input_alone.steps_per_epoch / ceiling_steps_per_second
    return model_seconds >= AT_CEILING * (model_seconds + input_alone.epoch_seconds)


def is_at_ceiling(first_share: float, look: Callable[[], tuple[float, float] | None]) -> bool:
    """Looks at both sides in alternation, at most eight times, until each has reached its best rate twice.

    What else runs on the machine only ever takes speed away, and rarely from both sides alike: the best of several
    looks tells what a side can do, where a mean would tell how busy the machine was. When to stop does not depend
    on which side is ahead. ``look`` gives steps per second of the baseline and of the ceiling, ``None`` where the
    baseline could not be measured.
    """
    if first_share < _WORTH_A_LOOK:
        return False
    baseline: list[float] = []
    ceiling: list[float] = []
    while len(baseline) < _MOST_LOOKS and not (_is_known(baseline) and _is_known(ceiling)):
        seen = look()
        if seen is None:
            return False
        baseline.append(seen[0])
        ceiling.append(seen[1])
    return max(baseline) >= AT_CEILING * max(ceiling)


def _is_known(rates: Sequence[float]) -> bool:
    best = sorted(rates, reverse=True)
    return len(rates) >= _LEAST_LOOKS and best[1] >= _REPRODUCED * best[0]
