"""From how far a preset goes to the values one decision may take on one machine."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TypeGuard

from autotuner.machine import Machine
from autotuner.pipeline import DecisionValue
from autotuner.rewrites.base import Decision

LINEAR_VALUES = 8
"""Values of a linear range: enough to see a slope, few enough to be tried."""
LARGEST_NUMBER = 2**31 - 1
"""TensorFlow stores thread counts in 32 bits."""


@dataclass(frozen=True)
class Extent:
    """How far one setting is searched: one table of a preset, already validated."""

    about: str = ""
    enabled: bool = True
    unit: str | None = None
    """``cores``: numbers are multiples of the machine's usable cores. ``None``: plain counts."""
    low: float | None = None
    high: float | None = None
    log: bool = False
    """Doubling steps from ``low`` to ``high`` instead of at most :data:`LINEAR_VALUES` equal ones."""
    special: tuple[str, ...] = ()
    values: tuple[float, ...] = ()
    """An explicit list instead of a range."""
    media: tuple[str, ...] = ()
    """Empty: every medium the decision offers."""
    max_share_of_free_memory: float = 0.5
    """The largest cache in memory, as a share of what is free when the study starts."""


def allowed_values(
    decision: Decision, extent: Extent, machine: Machine, *, active_at_status_quo: bool = True
) -> tuple[DecisionValue, ...]:
    """The values ``decision`` may take, numbers ascending, each once.

    The status quo is always among them, so that the empty configuration is, with one exception: a medium outside
    the preset's ``media`` while the status quo has no cache at all, where it would only mean the unwanted medium.
    """
    if decision.choices:
        return _chosen(decision, extent, active_at_status_quo=active_at_status_quo)
    numbers: list[DecisionValue] = list(_numbers(extent, machine.cores if extent.unit == "cores" else 1))
    if is_number(decision.status_quo):
        numbers.append(decision.status_quo)
    ascending = sorted((number for number in numbers if is_number(number)), key=float)
    left_out = [None] if decision.optional else []
    return distinct([*ascending, *extent.special, *left_out, decision.status_quo])


def is_number(value: DecisionValue) -> TypeGuard[int | float]:
    """A count or a size; ``True`` is none."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def same(one: DecisionValue, other: DecisionValue) -> bool:
    """Equal and of the same type: ``True`` is not 1."""
    return type(one) is type(other) and one == other


def distinct(values: Iterable[DecisionValue]) -> tuple[DecisionValue, ...]:
    """Each value once, in order of first appearance."""
    return tuple({(type(value), value): value for value in values}.values())


def _chosen(decision: Decision, extent: Extent, *, active_at_status_quo: bool) -> tuple[DecisionValue, ...]:
    choices = distinct(decision.choices)
    if extent.media and decision.setting == "cache.medium":
        choices = tuple(choice for choice in choices if choice in extent.media)
        if choices and not active_at_status_quo:
            return choices
    if any(same(choice, decision.status_quo) for choice in choices):
        return choices
    return (decision.status_quo, *choices)


def _numbers(extent: Extent, scale: int) -> Iterator[int]:
    if extent.low is None or extent.high is None:
        wanted: Iterable[float] = (value * scale for value in extent.values)
    elif extent.log:
        wanted = _doublings(extent.low * scale, extent.high * scale)
    else:
        wanted = _equal_steps(extent.low * scale, extent.high * scale)
    for value in wanted:
        # A range that starts above 0 must not reach it by rounding: 0 switches things off.
        yield 0 if value == 0 else max(1, min(LARGEST_NUMBER, math.floor(value + 0.5)))


def _doublings(low: float, high: float) -> Iterator[float]:
    if low == 0:
        yield 0
        low = min(1, high)
    value = low
    while 0 < value < high:
        yield value
        value *= 2
    yield high


def _equal_steps(low: float, high: float) -> Iterator[float]:
    steps = max(1, min(LINEAR_VALUES - 1, math.floor(high) - math.ceil(low)))
    yield from (low + (high - low) * step / steps for step in range(steps + 1))
