"""What each decision of the best trial is worth: undone alone, in alternation; what buys nothing is dropped.

Where there is no time for that, all decisions that other fast trials do without are undone together first, and the
rest in fewer rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from autotuner.measure.result import AblationEntry
from autotuner.measure.statistics import paired_ratio
from autotuner.pipeline import Configuration

BUYS = 0.98
"""A decision is kept when the pipeline without it runs below this share of the speed."""
ROUNDS = 2
_MOST_ROUNDS = 6
_WHOLE = ""

Seconds = Callable[[Configuration], float | None]
"""Projected seconds of a configuration; ``None`` where it cannot be measured."""
Same = Callable[[Configuration, Configuration], bool]
"""Two configurations make the same pipeline."""


@dataclass(frozen=True)
class Ablation:
    """The reduced winner, and what was seen on the way to it."""

    of: Configuration
    reduced: Configuration
    entries: tuple[AblationEntry, ...]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        entries = [[entry.decision, entry.undone_ratio, entry.kept] for entry in self.entries]
        return {"of": dict(self.of), "reduced": dict(self.reduced), "entries": entries}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Ablation:
        """What :meth:`to_json` wrote."""
        entries = tuple(AblationEntry(*entry) for entry in data["entries"])
        return Ablation(Configuration(data["of"]), Configuration(data["reduced"]), entries)


def ablate(
    winner: Configuration, seconds: Seconds, same: Same, may_go_on: Callable[[], bool], rounds: int = ROUNDS
) -> Ablation:
    """Undoes each decision of ``winner`` alone, drops what buys nothing, and checks what is left as a whole.

    Decisions may stand in for each other: each undone alone buys nothing, both together do. So the reduced winner
    runs against the whole one too, and gets back what it turns out to need, the most valuable first. ``rounds`` is the
    least for each decision alone.
    """
    ratios: dict[str, float] = {}
    asked: dict[str, Configuration] = {}
    for name in winner:
        undone = winner.without(name)
        if same(undone, winner):
            ratios[name] = 1.0
        else:
            asked[name] = undone
    ratios |= _ratios(winner, asked, seconds, may_go_on, rounds)
    dropped = sorted((name for name in winner if ratios[name] >= BUYS), key=lambda name: -ratios[name])
    reduced = _checked(winner, dropped, seconds, same, may_go_on)
    entries = tuple(AblationEntry(name, ratios[name], name in reduced) for name in winner)
    return Ablation(winner, reduced, entries)


def ablate_from(
    core: Configuration, winner: Configuration, seconds: Seconds, same: Same, may_go_on: Callable[[], bool]
) -> Ablation:
    """The same in less time: when ``core``, a part of ``winner``, is as fast, only its decisions are undone alone.

    Each decision outside of it has the ratio of all of them undone together. Decisions alone have one round.
    """
    together = _ratios(winner, {"core": core}, seconds, may_go_on)["core"] if core != winner else 0.0
    if together < BUYS:
        return ablate(winner, seconds, same, may_go_on, rounds=1)
    ablation = ablate(core, seconds, same, may_go_on, rounds=1)
    others = tuple(AblationEntry(name, together, kept=False) for name in winner if name not in core)
    return Ablation(winner, ablation.reduced, (*ablation.entries, *others))


def measurements(decisions: int) -> int:
    """How many :func:`ablate` makes of a winner of so many decisions, at the least."""
    return ROUNDS * (decisions + 1) + 2 * ROUNDS


def _checked(
    winner: Configuration, dropped: Sequence[str], seconds: Seconds, same: Same, may_go_on: Callable[[], bool]
) -> Configuration:
    left_out = list(dropped)
    while left_out:
        reduced = winner
        for name in left_out:
            reduced = reduced.without(name)
        if len(left_out) == 1 or same(reduced, winner):
            return reduced
        if _ratios(winner, {"reduced": reduced}, seconds, may_go_on)["reduced"] >= BUYS:
            return reduced
        left_out.pop()
    return winner


def _ratios(
    winner: Configuration,
    others: Mapping[str, Configuration],
    seconds: Seconds,
    may_go_on: Callable[[], bool],
    rounds: int = ROUNDS,
) -> dict[str, float]:
    """Speed of each over the winner's, from rounds in alternation; 0 for one that does not run."""
    rows: list[dict[str, float]] = []
    failed: set[str] = set()
    undecided = dict(others)
    while undecided and len(rows) < _MOST_ROUNDS and (len(rows) < rounds or may_go_on()):
        row: dict[str, float] = {}
        for name, configuration in _turned([(_WHOLE, winner), *undecided.items()], len(rows)):
            took = seconds(configuration)
            if took is None:
                failed.add(name)
            else:
                row[name] = took
        if _WHOLE in failed:
            return dict.fromkeys(others, 0.0)  # nothing can be compared, so nothing is dropped
        rows.append(row)
        settled = len(rows) >= rounds
        undecided = {
            name: configuration
            for name, configuration in undecided.items()
            if name not in failed and (not settled or _is_open(rows, name))
        }
    return {name: 0.0 if name in failed else statistics.geometric_mean(_speeds(rows, name)) for name in others}


def _is_open(rows: Sequence[Mapping[str, float]], name: str) -> bool:
    """Whether the decision buys anything is not settled."""
    speeds = _speeds(rows, name)
    if len(speeds) < ROUNDS:
        return True
    speed = paired_ratio(speeds, [1.0] * len(speeds), confidence=0.8)
    return speed.low < BUYS <= speed.high


def _speeds(rows: Sequence[Mapping[str, float]], name: str) -> list[float]:
    """Speed over the winner's in every round that measured it."""
    return [row[_WHOLE] / row[name] for row in rows if name in row]


def _turned(items: list[tuple[str, Configuration]], index: int) -> list[tuple[str, Configuration]]:
    turn = index % len(items)
    return [*items[turn:], *items[:turn]]
