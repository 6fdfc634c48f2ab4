"""What each decision of the best trial is worth: undone alone, beside the whole; what buys nothing is dropped.

Where there is no time for that, all decisions that other fast trials do without are undone together first, and the
rest in fewer rounds.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autotuner.measure.result import AblationEntry
from autotuner.measure.statistics import paired_ratio
from autotuner.pipeline import Configuration

BUYS = 0.98
"""A decision is kept when the pipeline without it runs below this share of the speed."""
ROUNDS = 2
_MOST_ROUNDS = 6

Speed = Callable[[Configuration, Configuration], float | None]
"""Of the first configuration over the second, measured beside each other; ``None`` where one does not run."""
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
    winner: Configuration, speed: Speed, same: Same, may_go_on: Callable[[], bool], rounds: int = ROUNDS
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
    ratios |= _ratios(winner, asked, speed, may_go_on, rounds)
    dropped = sorted((name for name in winner if ratios[name] >= BUYS), key=lambda name: -ratios[name])
    reduced = _checked(winner, dropped, speed, same, may_go_on)
    entries = tuple(AblationEntry(name, ratios[name], name in reduced) for name in winner)
    return Ablation(winner, reduced, entries)


def ablate_from(
    core: Configuration, winner: Configuration, speed: Speed, same: Same, may_go_on: Callable[[], bool]
) -> Ablation:
    """The same in less time: when ``core``, a part of ``winner``, is as fast, only its decisions are undone alone.

    Each decision outside of it has the ratio of all of them undone together. Decisions alone have one round.
    """
    together = _ratios(winner, {"core": core}, speed, may_go_on)["core"] if core != winner else 0.0
    if together < BUYS:
        return ablate(winner, speed, same, may_go_on, rounds=1)
    ablation = ablate(core, speed, same, may_go_on, rounds=1)
    others = tuple(AblationEntry(name, together, kept=False) for name in winner if name not in core)
    return Ablation(winner, ablation.reduced, (*ablation.entries, *others))


def with_free(
    ablation: Ablation, free: Configuration, speed: Speed, same: Same, may_go_on: Callable[[], bool]
) -> Ablation:
    """Takes in the decisions of ``free`` where they cost nothing: what they are good for shows in no measurement."""
    wanted = Configuration({**ablation.reduced, **free})
    if not free or same(wanted, ablation.reduced) or not may_go_on():
        return ablation
    ratio = _ratios(ablation.reduced, {"free": wanted}, speed, may_go_on)["free"]
    if ratio < BUYS:
        return ablation
    others = (entry for entry in ablation.entries if entry.decision not in free)
    return replace(
        ablation,
        reduced=wanted,
        entries=(*others, *(AblationEntry(name, 1.0 / ratio, kept=True) for name in free)),
    )


def measurements(decisions: int) -> int:
    """How many :func:`ablate` and :func:`with_free` make of a winner of so many decisions, at the least."""
    return 2 * ROUNDS * (decisions + 2)


def _checked(
    winner: Configuration, dropped: Sequence[str], speed: Speed, same: Same, may_go_on: Callable[[], bool]
) -> Configuration:
    left_out = list(dropped)
    while left_out:
        reduced = winner
        for name in left_out:
            reduced = reduced.without(name)
        if len(left_out) == 1 or same(reduced, winner):
            return reduced
        if _ratios(winner, {"reduced": reduced}, speed, may_go_on)["reduced"] >= BUYS:
            return reduced
        left_out.pop()
    return winner


def _ratios(
    winner: Configuration,
    others: Mapping[str, Configuration],
    speed: Speed,
    may_go_on: Callable[[], bool],
    rounds: int = ROUNDS,
) -> dict[str, float]:
    """Speed of each over the winner's, from rounds of measurements; 0 where that cannot be measured."""
    speeds: dict[str, list[float]] = {name: [] for name in others}
    undecided, done = dict(others), 0
    while undecided and done < _MOST_ROUNDS and (done < rounds or may_go_on()):
        for name, configuration in list(undecided.items()):
            found = speed(configuration, winner)
            if found is None:
                speeds[name] = []
                del undecided[name]
            else:
                speeds[name].append(found)
        done += 1
        if done >= rounds:
            undecided = {name: undecided[name] for name in undecided if _is_open(speeds[name])}
    return {name: statistics.geometric_mean(found) if found else 0.0 for name, found in speeds.items()}


def _is_open(speeds: Sequence[float]) -> bool:
    """Whether the decision buys anything is not settled."""
    if len(speeds) < ROUNDS:
        return True
    speed = paired_ratio(speeds, [1.0] * len(speeds), confidence=0.8)
    return speed.low < BUYS <= speed.high
