"""Many confirmations, decided by the same code that decides a user's study."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from autotuner.measure.messages import Timing
from autotuner.measure.outcome import Measurement, Outcome
from autotuner.measure.runner import FreshRunner
from autotuner.pipeline import Configuration
from autotuner.search.confirmation import Contestant, Decided, confirm, confirming, decide

TIMING = confirming(Timing())
"""As a study confirms."""


class Spent(Exception):  # noqa: N818 - the end of a recording is no error
    """A recording has no further measurement."""


class Recording:
    """Rounds of one pipeline against itself, given out again in the order of their time."""

    def __init__(self, rounds: Sequence[Sequence[Measurement]]) -> None:
        self._rounds = rounds
        self.given = 0

    def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
        """The next round, whatever is asked: all sides are the same pipeline.

        Raises:
            Spent: there is none.
        """
        del timing
        if self.given == len(self._rounds):
            raise Spent
        self.given += 1
        return [*self._rounds[self.given - 1][: len(configurations)]]


def contestants(baselines: int, finalists: int) -> list[Contestant]:
    """A field as a study has it, whose configurations tell the sides apart by nothing but a name."""
    names = ["as_written", *(f"baseline {place}" for place in range(1, baselines))]
    sides = [Contestant(name, Configuration(), finalist=False) for name in names]
    return sides + [Contestant(f"finalist {place}", Configuration(), finalist=True) for place in range(finalists)]


def one_confirmation(
    runner: FreshRunner, field: Sequence[Contestant], may_extend: Callable[[], bool] = lambda: True
) -> Decided:
    """Confirms and decides as a study does that has time for every round."""
    found = confirm(runner, field, TIMING, rounds=_Unstored(), may_extend=may_extend, measured=_unshown)
    return decide(found, field)


def recorded_confirmations(rounds: Sequence[Sequence[Measurement]], field: Sequence[Contestant]) -> list[Decided]:
    """As many confirmations as a recording holds, each from rounds that follow each other and are used once.

    A round holds as many measurements as the field has contestants.
    """
    recording, decided = Recording(rounds), list[Decided]()
    while True:
        try:
            decided.append(one_confirmation(recording, field))
        except Spent:
            return decided


def _unshown(done: int, planned: int) -> None:
    """Nobody watches."""
    del done, planned


class _Unstored:
    """Rounds of a confirmation that is never resumed."""

    def load(self) -> list[dict[str, Measurement]]:
        """None yet."""
        return []

    def save(self, rounds: Sequence[Mapping[str, Measurement]]) -> None:
        """They are kept by whoever confirms."""
