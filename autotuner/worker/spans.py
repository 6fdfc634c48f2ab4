"""What the clock readings of a ``fit`` tell about a whole training: plain arithmetic."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

from autotuner.worker.precision import fastest_rate, relative_error, warm_up
from autotuner.worker.stalls import Gap, is_stalled, long_seconds, stalled_seconds, stalled_starts

LEAST_STEPS = 3


@dataclass(frozen=True)
class Reading:
    """The end of a batch callback."""

    at_seconds: float
    """Of ``perf_counter``."""
    steps: int
    """Done in this epoch by then."""
    cpu_seconds: float
    """Spent by the process by then."""


@dataclass
class Epoch:
    """Clock readings of one epoch."""

    started_seconds: float
    started_cpu_seconds: float
    readings: list[Reading] = field(default_factory=list)
    complete: bool = False
    """It ended by itself."""


@dataclass(frozen=True)
class Span:
    """Steps with the time they took, gap by gap between readings, stalls left out."""

    gaps: tuple[tuple[int, float], ...]
    """Steps and seconds."""
    cpu_seconds: float
    stalled: tuple[float, ...] = ()
    """Seconds of each stall."""

    @property
    def stalls(self) -> int:
        """How often ``fit`` stood still."""
        return len(self.stalled)

    @property
    def steps(self) -> int:
        """Done in all."""
        return sum(steps for steps, _ in self.gaps)

    @property
    def seconds(self) -> float:
        """Taken in all."""
        return max(math.fsum(seconds for _, seconds in self.gaps), 1e-9)

    @property
    def rate(self) -> float:
        """Steps per second."""
        return self.steps / self.seconds

    @property
    def relative_error(self) -> float:
        """Half the 95 % interval of the rate over the rate; infinite where too little was seen."""
        return relative_error(*self._columns())

    def fastest_rate(self, confidence: float) -> float:
        """Upper end of the rate's interval."""
        return fastest_rate(*self._columns(), confidence)

    def _columns(self) -> tuple[list[int], list[float]]:
        return [steps for steps, _ in self.gaps], [seconds for _, seconds in self.gaps]


@dataclass(frozen=True)
class Rates:
    """What one timed fit tells."""

    first_batch_seconds: float
    """From the start of the fit to the end of the first step."""
    epoch_start_seconds: float
    """From the last step of an epoch to the end of the next one's first."""
    steps_at_start: int
    """Steps within those two: one, or ``steps_per_execution``."""
    starts_seen: int
    """Of later epochs; with none, they are taken to start like the first."""
    stalled_starts: tuple[float, ...]
    """Seconds of starts in which ``fit`` stood still: left out."""
    first: Span
    later: Span
    filled_steps: int = 0
    """Of the first epoch, where that filled a cache; 0 where it did not. It may have been shorter than the user's."""
    timed_seconds: float = 0.0
    pruned: bool = False
    """It was ended early, for it could not come in under the time it had to beat."""

    @property
    def stalls(self) -> int:
        """All that was left out."""
        later = 0 if self.later is self.first else self.later.stalls
        return len(self.stalled_starts) + self.first.stalls + later

    def time_to_first_batch_seconds(self, steps: int) -> float:
        """From the start of a training with epochs of ``steps`` steps to the end of its first step.

        A cache may be filled before that, as by a shuffle behind it: where a shorter one was seen filled, what this
        took beyond the start of a later epoch is in proportion to the length.
        """
        longer = max(steps / self.filled_steps, 1.0) if self.filled_steps else 1.0
        filling = max(self.first_batch_seconds - self.epoch_start_seconds, 0.0)
        return self.first_batch_seconds + (longer - 1.0) * filling

    def projected_seconds(self, epochs: int, steps: int) -> float:
        """Seconds of a training of ``epochs`` epochs of ``steps`` steps."""
        return self._projected(epochs, steps, self.epoch_start_seconds, self.first.rate, self.later.rate)

    def least_seconds(self, epochs: int, steps: int, confidence: float) -> float:
        """The same if the steps come as fast as what was seen allows with ``confidence``.

        The first epoch counts as it was where it is told from later ones, the start of an epoch where one was seen.
        """
        later = self.later.fastest_rate(confidence)
        first = later if self.first is self.later else self.first.rate
        start = self.epoch_start_seconds if self.starts_seen else 0.0
        return self._projected(epochs, steps, start, first, later)

    def _projected(self, epochs: int, steps: int, start_seconds: float, first_rate: float, later_rate: float) -> float:
        rest = max(steps - self.steps_at_start, 0)
        first = self.time_to_first_batch_seconds(steps) + rest / first_rate
        return first + (epochs - 1) * (start_seconds + rest / later_rate)


class NotEnoughStepsError(Exception):
    """The dataset ended, or the time passed, before there was anything to time."""


def rates_of(epochs: Sequence[Epoch], *, fills: bool) -> Rates:
    """The rates of a fit; with ``fills`` its first epoch filled a cache and tells nothing about later ones.

    Raises:
        NotEnoughStepsError: fewer than three steps came.
    """
    seen = [epoch for epoch in epochs if epoch.readings]
    if not seen:
        raise NotEnoughStepsError("the dataset gave no batch")
    first, later = seen[0], seen[1:]
    came = sum(epoch.readings[-1].steps for epoch in seen)
    if came < LEAST_STEPS:
        raise NotEnoughStepsError(f"only {came} steps came; a trial needs {LEAST_STEPS}")
    first_span = span_of([first], warm=not (fills or first.complete))
    later_span = _later_span(later)
    if later_span is None:
        later_span = first_span if first_span.steps else _whole([first])
    if not first_span.steps or (not fills and first_span.steps < LEAST_STEPS):
        first_span = later_span
    filled_steps = first.readings[-1].steps if fills else 0
    return replace(_starts(seen, fills=fills), first=first_span, later=later_span, filled_steps=filled_steps)


def _starts(seen: Sequence[Epoch], *, fills: bool) -> Rates:
    """Rates that know how epochs start, and no more."""
    starts = starts_of(seen)
    stalled = stalled_starts(starts)
    usual = [seconds for seconds, _ in starts if seconds not in stalled]
    begin = _begin(seen[0])
    # Filling a cache may begin with a long look at slow storage; without one all epochs begin alike.
    stood_still = bool(usual) and not fills and is_stalled(begin, statistics.median(usual))
    nothing = Span((), 0.0)
    return Rates(
        first_batch_seconds=statistics.median(usual) if stood_still else begin[0],
        epoch_start_seconds=statistics.median(usual) if usual else begin[0],
        steps_at_start=seen[0].readings[0].steps,
        starts_seen=len(starts),
        stalled_starts=(*stalled, *((begin[0],) if stood_still else ())),
        first=nothing,
        later=nothing,
    )


def starts_of(epochs: Sequence[Epoch]) -> list[Gap]:
    """From the last step of each epoch to the end of the next one's first."""
    seen = [epoch for epoch in epochs if epoch.readings]
    return [_gap(before.readings[-1], after.readings[0]) for before, after in itertools.pairwise(seen)]


def span_of(epochs: Sequence[Epoch], *, warm: bool = False) -> Span:
    """Steps after each epoch's first reading; with ``warm``, after the warm-up that the gaps themselves show."""
    pairs = [pair for epoch in epochs for pair in _without_compilation(list(itertools.pairwise(epoch.readings)), epoch)]
    if warm:
        left_out = warm_up([_gap(*pair)[0] for pair in pairs])
        pairs = pairs[left_out:] if len(pairs) - left_out >= LEAST_STEPS else pairs
    stalled = stalled_seconds([_gap(*pair) for pair in pairs])
    steps = tuple(
        (after.steps - before.steps, after.at_seconds - before.at_seconds)
        for before, after in pairs
        if after.at_seconds - before.at_seconds not in stalled
    )
    return Span(steps, math.fsum(_gap(*pair)[1] for pair in pairs), tuple(stalled))


def _begin(epoch: Epoch) -> Gap:
    reading = epoch.readings[0]
    return reading.at_seconds - epoch.started_seconds, reading.cpu_seconds - epoch.started_cpu_seconds


def _later_span(epochs: Sequence[Epoch]) -> Span | None:
    """``None`` where the epochs after the first say too little; with one step each they are taken whole."""
    span = span_of(epochs)
    if span.steps >= LEAST_STEPS:
        return span
    return _whole(epochs) if sum(epoch.readings[-1].steps for epoch in epochs) >= LEAST_STEPS else None


def _whole(epochs: Sequence[Epoch]) -> Span:
    """Epochs with their starts."""
    stalled = set(stalled_starts(starts_of(epochs)))
    ends = [epochs[0].started_seconds, *(epoch.readings[-1].at_seconds for epoch in epochs)]
    starts = [math.inf, *(seconds for seconds, _ in starts_of(epochs))]
    steps = tuple(
        (epoch.readings[-1].steps, after - before)
        for epoch, start, (before, after) in zip(epochs, starts, itertools.pairwise(ends), strict=True)
        if start not in stalled
    )
    cpu = epochs[-1].readings[-1].cpu_seconds - epochs[0].started_cpu_seconds
    return Span(steps, cpu)


def _without_compilation(pairs: list[tuple[Reading, Reading]], epoch: Epoch) -> list[tuple[Reading, Reading]]:
    """The last batch of an epoch may have a shape of its own, for which XLA compiles once: that is left out."""
    if not epoch.complete or len(pairs) <= LEAST_STEPS:
        return pairs
    seconds = [_gap(*pair)[0] for pair in pairs]
    return pairs[:-1] if seconds[-1] > long_seconds(statistics.median(seconds)) else pairs


def _gap(before: Reading, after: Reading) -> Gap:
    return after.at_seconds - before.at_seconds, after.cpu_seconds - before.cpu_seconds
