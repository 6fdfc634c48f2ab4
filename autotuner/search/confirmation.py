"""Finalists against baselines, alternating, each measurement in a fresh process: what may be claimed.

A shared machine drifts by tens of percent within seconds, so sides are only compared within a round, and take turns in
it; their order changes from round to round, so that no contestant always follows the same one.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from autotuner.measure.messages import Timing
from autotuner.measure.outcome import Measurement
from autotuner.measure.result import Interval, Verdict
from autotuner.measure.runner import FreshRunner
from autotuner.measure.statistics import paired_ratio
from autotuner.pipeline import Configuration

LEAST_RATIO = 1.02
"""An improvement is claimed only when the whole interval lies above this."""
ROUNDS = 5
MOST_ROUNDS = 10
_NARROW = 1.3
"""An interval whose ends differ by no more than this factor is worth no further rounds."""
_DROP_AFTER = 2
_DROP_BELOW = 0.92
"""Whoever is this far behind the best of the same side after two rounds or more is not measured further."""
_AS_FAST = 0.98
"""The first finalist holds only changes that pay: another must be faster by more than this to be preferred."""
_LEAST_WINDOW_SECONDS = 1.5
"""A pause of ``fit`` must not be most of a window whose number is claimed."""
_TRIES = 2
"""A fresh process can meet a passing shortage; twice is no accident."""
AS_WRITTEN = "as_written"


@dataclass(frozen=True)
class Contestant:
    """One side; ``finalist`` ones were found by the search."""

    name: str
    configuration: Configuration
    finalist: bool


@dataclass(frozen=True)
class Confirmation:
    """Every round's measurements by contestant; only contestants measured in every round are compared."""

    rounds: tuple[Mapping[str, Measurement], ...]

    def seconds(self, name: str) -> list[float]:
        """Projected training seconds of a contestant, one for each round."""
        return [measured[name].projected_seconds for measured in self.rounds]

    def complete(self, name: str) -> bool:
        """The contestant has a measurement in every round."""
        return bool(self.rounds) and all(name in measured for measured in self.rounds)

    def mean_log_seconds(self, contestant: Contestant) -> float:
        """Logarithm of the geometric mean over the rounds."""
        return statistics.fmean(map(math.log, self.seconds(contestant.name)))

    def speedup(self, name: str, over: str, *, comparisons: int = 1) -> Interval:
        """How many times faster ``name`` is than ``over``: 95 % for all ``comparisons`` together (Bonferroni)."""
        return paired_ratio(self.seconds(over), self.seconds(name), confidence=1 - 0.05 / comparisons)

    def median(self, name: str, field: str) -> float:
        """Median over the rounds of one field of the measurements."""
        return statistics.median(float(getattr(measured[name], field)) for measured in self.rounds)


@dataclass(frozen=True)
class Decided:
    """The verdict on one confirmation."""

    verdict: Verdict
    winner: Contestant | None
    over: str
    """The best baseline of the rounds; empty when nothing could be compared."""
    speedup: Interval | None


class Rounds(Protocol):
    """Where the measurements are kept while they come in."""

    def load(self) -> list[dict[str, Measurement]]:
        """What an interrupted confirmation of the same contestants has."""
        ...

    def save(self, rounds: Sequence[Mapping[str, Measurement]]) -> None:
        """Keeps everything measured so far."""
        ...


def confirming(timing: Timing) -> Timing:
    """``timing`` for a confirmation: one short window, for it is the rounds that average a noisy machine out.

    One after the other, windows of 3 s spread as widely as those of 1.5 s; in turns, all go on until the last one knows
    enough.
    """
    window_seconds = max(timing.window_seconds, _LEAST_WINDOW_SECONDS)
    return replace(timing, window_seconds=window_seconds, longest_seconds=window_seconds)


def confirm(
    runner: FreshRunner,
    contestants: Sequence[Contestant],
    timing: Timing,
    *,
    rounds: Rounds,
    may_extend: Callable[[], bool],
    measured: Callable[[int, int], None],
) -> Confirmation:
    """Measures in rounds until the question is decided and the ratio is known well enough.

    Five rounds at least, up to ten while ``may_extend`` allows it.
    """
    rows = rounds.load()
    field = list(contestants)
    index = 0
    while index < MOST_ROUNDS and field:
        if index >= ROUNDS and (_is_settled(rows[:index], field) or not may_extend()):
            break
        if index == len(rows):
            rows.append({})
        row = rows[index]
        _measure(runner, _turned(field, index), timing, row)
        rounds.save(rows)
        done = sum(map(len, rows))
        measured(done, max(done, len(field) * max(ROUNDS, index + 1)))
        field = [contestant for contestant in field if contestant.name in row]
        index += 1
        if index >= _DROP_AFTER:
            field = _still_in(Confirmation(tuple(rows[:index])), field)
    return Confirmation(tuple(rows[:index]))


def decide(confirmation: Confirmation, contestants: Sequence[Contestant]) -> Decided:
    """The fastest finalist, or the first where that is as fast, against the best baseline, as the rounds show them."""
    complete = [item for item in contestants if confirmation.complete(item.name)]
    finalists = [item for item in complete if item.finalist]
    baselines = [item for item in complete if not item.finalist]
    if not finalists or not baselines:
        return Decided(Verdict.INCONCLUSIVE, None, "", None)
    winner, over = (min(side, key=confirmation.mean_log_seconds) for side in (finalists, baselines))
    lead = confirmation.mean_log_seconds(finalists[0]) - confirmation.mean_log_seconds(winner)
    if math.exp(-lead) >= _AS_FAST:
        winner = finalists[0]
    speedup = confirmation.speedup(winner.name, over.name, comparisons=len(finalists))
    if speedup.low > LEAST_RATIO:
        return Decided(Verdict.IMPROVED, winner, over.name, speedup)
    if speedup.high < LEAST_RATIO or speedup.estimate < 1.0:
        return Decided(Verdict.KEEP_BASELINE, winner, over.name, speedup)
    return Decided(Verdict.INCONCLUSIVE, winner, over.name, speedup)


def _is_settled(rows: Sequence[Mapping[str, Measurement]], field: Sequence[Contestant]) -> bool:
    decided = decide(Confirmation(tuple(rows)), field)
    if decided.verdict is Verdict.INCONCLUSIVE or decided.speedup is None:
        return False
    return decided.verdict is Verdict.KEEP_BASELINE or decided.speedup.high <= _NARROW * decided.speedup.low


def _turned(field: Sequence[Contestant], index: int) -> list[Contestant]:
    turn = index % len(field)
    return [*field[turn:], *field[:turn]]


def _measure(runner: FreshRunner, field: Sequence[Contestant], timing: Timing, row: dict[str, Measurement]) -> None:
    for _ in range(_TRIES):
        missing = [contestant for contestant in field if contestant.name not in row]
        if not missing:
            return
        outcomes = runner.measure_fresh([contestant.configuration for contestant in missing], timing)
        for contestant, outcome in zip(missing, outcomes, strict=True):
            if isinstance(outcome, Measurement):
                row[contestant.name] = outcome


def _still_in(confirmation: Confirmation, field: Sequence[Contestant]) -> list[Contestant]:
    """Without those clearly behind the best of their side; the user's own pipeline always stays."""
    kept = []
    for contestant in field:
        side = [item for item in field if item.finalist == contestant.finalist and confirmation.complete(item.name)]
        best = min(map(confirmation.mean_log_seconds, side))
        lag = math.exp(best - confirmation.mean_log_seconds(contestant))
        if contestant.name == AS_WRITTEN or lag >= _DROP_BELOW:
            kept.append(contestant)
    return kept
