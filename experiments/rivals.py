"""What people would use instead of the tuner, with the same budget and the same way of measuring a trial."""

from __future__ import annotations

import time
from collections.abc import Callable

import optuna

from autotuner.machine import Machine
from autotuner.measure.messages import Opened
from autotuner.measure.outcome import Measurement
from autotuner.measure.runner import Runner
from autotuner.pipeline import AUTOTUNE, Configuration
from autotuner.rewrites import natural_preserve
from autotuner.search.conclusion import Prepared
from autotuner.space import SearchSpace, load_preset
from experiments.alternation import TIMING

_MOST_DUPLICATES = 25
_CHOICES = (AUTOTUNE, 1, 2, 4, 8, 16)


def optuna_flat(runner: Runner, opened: Opened, seconds: float, seed: int) -> Configuration:
    """The script most users would write: Optuna over every ``num_parallel_calls`` and the prefetch at the end."""
    names = [
        decision.name
        for decision in Prepared.of(opened).decisions
        if decision.requires is None and decision.name.endswith((".num_parallel_calls", "prefetch[end].buffer_size"))
    ]

    def suggest(trial: optuna.Trial) -> Configuration:
        return Configuration({name: trial.suggest_categorical(name, _CHOICES) for name in names})

    return _best(runner, suggest, optuna.samplers.TPESampler(seed=seed), seconds)


def random_search(runner: Runner, opened: Opened, seconds: float, seed: int) -> Configuration:
    """The tuner's own space, sampled blindly: shows what the search and its first guesses add."""
    prepared = Prepared.of(opened)
    preserve = natural_preserve(prepared.pipeline)
    space = SearchSpace.of(prepared.decisions, load_preset("default"), Machine.detect(), preserve)
    return _best(runner, space.suggest, optuna.samplers.RandomSampler(seed=seed), seconds)


def _best(
    runner: Runner,
    suggest: Callable[[optuna.Trial], Configuration],
    sampler: optuna.samplers.BaseSampler,
    seconds: float,
) -> Configuration:
    """The fastest configuration found in ``seconds``; the pipeline as written where none was."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=sampler, direction="minimize")
    found: dict[Configuration, float | None] = {Configuration(): None}
    ends, duplicates = time.monotonic() + seconds, 0
    while time.monotonic() < ends and duplicates < _MOST_DUPLICATES:
        trial = study.ask()
        configuration = suggest(trial)
        duplicates = duplicates + 1 if configuration in found else 0
        if configuration not in found:
            outcome = runner.measure(configuration, TIMING)
            found[configuration] = outcome.projected_seconds if isinstance(outcome, Measurement) else None
        value = found[configuration]
        study.tell(trial, value, state=None if value is not None else optuna.trial.TrialState.FAIL)
    measured = {configuration: value for configuration, value in found.items() if value is not None}
    return min(measured, key=measured.__getitem__, default=Configuration())
