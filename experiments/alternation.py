"""Measures several pipelines in turn, each in fresh processes, so that a drifting machine is fair to all of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from autotuner.errors import AutotunerError
from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, measure_together, search_path
from autotuner.measure.messages import Ceiling, Open, Timing
from autotuner.measure.outcome import Measurement, Outcome
from autotuner.measure.result import Interval
from autotuner.measure.statistics import paired_ratio
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration

TIMING = Timing(window_seconds=2.5, fill_seconds=2.5)
_MEMORY_SHARE = 0.8
_TRIES = 2


@dataclass(frozen=True)
class Side:
    """A pipeline that is compared: a dataset function, and decisions applied to what it builds."""

    name: str
    dataset: Target
    configuration: Configuration


@dataclass(frozen=True)
class Compared:
    """Measurements of every side, one for each round; ``failures`` says why a side has none."""

    measured: Mapping[str, Sequence[Measurement]]
    failures: Mapping[str, str]
    ceilings: Sequence[float]

    def steps_per_second(self, name: str) -> Interval:
        """Geometric mean over the rounds, over the whole projected training."""
        rates = [item.steps_per_second for item in self.measured[name]]
        return paired_ratio(rates, [1.0] * len(rates))

    def ratio(self, name: str, over: str) -> Interval:
        """How many times faster ``name`` trains than ``over``."""
        seconds = [[item.projected_seconds for item in self.measured[side]] for side in (over, name)]
        return paired_ratio(*seconds)

    @property
    def ceiling_steps_per_second(self) -> float:
        """The highest of all looks: a busy machine only lowers it."""
        return max(self.ceilings)


@contextmanager
def opened_runners(
    datasets: Sequence[Target], model: Target, epochs: int, folder: Path
) -> Iterator[tuple[dict[Target, LocalRunner], dict[Target, str]]]:
    """A runner for each dataset function, and why others could not be opened; the first one must open.

    The first one's epoch and batch shapes stand for all: the functions give the same data.

    Raises:
        AutotunerError: the first dataset function or the model does not work.
    """
    request = Open(dataset=datasets[0], model=model, sys_path=search_path(), epochs=epochs)
    runners: dict[Target, LocalRunner] = {}
    failures: dict[Target, str] = {}
    with ExitStack() as stack:
        for place, dataset in enumerate(datasets):
            runner = LocalRunner(replace(request, dataset=dataset), folder / f"worker-{place}.log", _limits())
            stack.enter_context(closing(runner))
            try:
                opened = runner.open()
            except AutotunerError as error:
                if not runners:
                    raise
                failures[dataset] = error.message
                continue
            request = replace(request, calibrated=opened.calibrated)
            runners[dataset] = runner
        yield runners, failures


def _limits() -> Limits:
    return Limits(trial_seconds=180.0, memory_bytes=int(Machine.detect().memory_bytes * _MEMORY_SHARE))


def alternate(sides: Sequence[Side], runners: Mapping[Target, LocalRunner], rounds: int) -> Compared:
    """Every side once in each round, in an order that turns; a side that fails twice in a row is given up."""
    measured: dict[str, list[Measurement]] = {side.name: [] for side in sides}
    failures: dict[str, str] = {}
    ceilings: list[float] = []
    for index in range(rounds):
        ceiling = next(iter(runners.values())).ceiling(TIMING)
        ceilings += [ceiling.steps_per_second] if isinstance(ceiling, Ceiling) else []
        turn = index % len(sides)
        field = [side for side in (*sides[turn:], *sides[:turn]) if side.name not in failures]
        for name, outcome in _measured(field, runners).items():
            if isinstance(outcome, Measurement):
                measured[name].append(outcome)
            else:
                failures[name] = f"{outcome.kind}: {outcome.message}"
    complete = {name: items for name, items in measured.items() if name not in failures}
    return Compared(complete, failures, ceilings or [math.nan])


def _measured(field: Sequence[Side], runners: Mapping[Target, LocalRunner]) -> dict[str, Outcome]:
    found: dict[str, Outcome] = {}
    for _ in range(_TRIES):
        missing = [side for side in field if not isinstance(found.get(side.name), Measurement)]
        if missing:
            asked = [(runners[side.dataset], side.configuration) for side in missing]
            outcomes = measure_together(asked, TIMING)
            found |= {side.name: outcome for side, outcome in zip(missing, outcomes, strict=True)}
    return found
