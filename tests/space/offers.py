"""Made-up offers of decisions, and the spaces they make."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence

import optuna
from hypothesis import strategies as st

from autotuner.machine import Machine
from autotuner.pipeline import AUTOTUNE, DecisionValue
from autotuner.rewrites.base import Decision, Preserves
from autotuner.space import Preset, SearchSpace
from autotuner.space.domain import Extent

MACHINE = Machine(cores=2, memory_bytes=2**34)
SEARCHED: tuple[DecisionValue, ...] = (None, "a", "b", True, False, 0, 1, 8, AUTOTUNE)


class RecordingTrial:
    """Draws like a sampler, and remembers what it was asked as Optuna does."""

    def __init__(self, draw: random.Random) -> None:
        self.draw = draw
        self.params: dict[str, DecisionValue] = {}

    def suggest_categorical(self, name: str, choices: Sequence[DecisionValue], /) -> DecisionValue:
        assert name not in self.params
        self.params[name] = self.draw.choice(choices)
        return self.params[name]


def quiet_study(sampler: optuna.samplers.BaseSampler) -> optuna.Study:
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna.create_study(sampler=sampler)


def preset_of(*wanted: str, **extents: Extent) -> Preset:
    return Preset("test", "", {setting: Extent() for setting in wanted} | extents)


def of(decisions: Sequence[Decision], preset: Preset, preserve: Preserves = Preserves.DISTRIBUTION) -> SearchSpace:
    return SearchSpace.of(decisions, preset, MACHINE, preserve)


def decision(name: str, choices: Sequence[DecisionValue], requires: str | None = None) -> Decision:
    """The first choice is the status quo."""
    return Decision(name, "s", choices[0], Preserves.SEQUENCE, tuple(choices), requires)


@st.composite
def offers(draw: st.DrawFn) -> list[Decision]:
    """Up to seven decisions in any order; what governs one may be left out, or not even be offered."""
    made: list[Decision] = []
    for index in range(draw(st.integers(0, 7))):
        earlier = [one.name for one in made]
        setting = draw(st.sampled_from(["choice", "number", "medium", "not in the preset", "switched off"]))
        kinds = [(bool, type(None)), (int, type(None)), (str, type(None))]
        allowed = draw(st.sampled_from(kinds))
        pool = [
            value
            for value in SEARCHED
            if isinstance(value, allowed) and not (int in allowed and value in (True, False))
        ]
        status_quo = draw(st.sampled_from([8, AUTOTUNE, None] if setting == "number" else pool))
        choices = () if setting == "number" else tuple(draw(st.lists(st.sampled_from(pool), unique=True, max_size=3)))
        governing = draw(st.none() | st.sampled_from([*earlier, "not offered"]))
        yields = draw(st.booleans())
        made.append(
            Decision(
                name=f"d{index}",
                setting="cache.medium" if setting == "medium" else setting,
                status_quo=status_quo,
                preserves=draw(st.sampled_from(Preserves)),
                choices=choices,
                requires=None if yields else governing,
                yields_to=governing if yields else None,
            )
        )
    return draw(st.permutations(made))


PRESET = Preset(
    "test",
    "",
    {
        "choice": Extent(),
        "number": Extent(unit="cores", low=0.5, high=2, log=True, special=(AUTOTUNE,)),
        "cache.medium": Extent(media=("b",)),
        "switched off": Extent(enabled=False),
    },
)
spaces = st.builds(of, offers(), st.just(PRESET), st.sampled_from(Preserves))
draws = st.randoms(use_true_random=False)


def effective_parameters(space: SearchSpace) -> Iterator[dict[str, DecisionValue]]:
    """Every assignment, by the definition of activity and nothing of the implementation."""

    def extend(done: dict[str, DecisionValue], rest: Sequence[Decision]) -> Iterator[dict[str, DecisionValue]]:
        if not rest:
            yield {name: value for name, value in done.items() if name in space.domains}
            return
        one = rest[0]
        lacks = one.requires is not None and done.get(one.requires) is None
        yields = one.yields_to is not None and done.get(one.yields_to) is True
        if lacks or yields:
            yield from extend(done, rest[1:])
            return
        for value in space.domains.get(one.name, (one.status_quo,)):
            yield from extend({**done, one.name: value}, rest[1:])

    return extend({}, space._offered)
