"""Do short trials order configurations as long trainings do? ``python -m experiments.fidelity``.

Each configuration is measured once, as a trial of a search: by the search's own code, with the default timing. Then
each is measured in fresh processes with windows of eight seconds, repeatedly, a few at a time beside the pipeline as
written; the order of these is taken as the truth, wherever two differ by more than 5 %.
"""

from __future__ import annotations

import argparse
import itertools
import math
import statistics
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import optuna

from autotuner.machine import Machine
from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.messages import Ceiling, Timing
from autotuner.measure.outcome import Measurement
from autotuner.pipeline import Configuration
from autotuner.rewrites import natural_preserve
from autotuner.search.baselines import baseline_configurations, expert_guesses
from autotuner.search.budget import Budget
from autotuner.search.conclusion import Prepared
from autotuner.search.observers import Observers
from autotuner.search.store import StudyStore
from autotuner.search.trials import Trials
from autotuner.space import SearchSpace, load_preset
from experiments.alternation import opened_runners
from experiments.evidence import RESULTS, Finding, publish
from experiments.workload import NAMES, Workload

WORKLOADS = ("jpeg_files", "tabular_tfrecords", "in_memory_arrays", "audio_spectrograms")
APART = 1.05
_RIGHT = 0.97
_SEED = 1
_MOST_SAMPLES = 500
_BESIDE_EACH_OTHER = 4
"""As many as fit into memory at the same time, with the pipeline as written."""


@dataclass(frozen=True)
class Order:
    """How many of the pairs that differ by more than 5 % were put in the right order."""

    pairs: int
    right: int


def ordered(trials: Mapping[str, float], truth: Mapping[str, float]) -> Order:
    """Compares the seconds of search trials with those of long runs, by configuration; both must have it."""
    pairs = right = 0
    for one, other in itertools.combinations(sorted(trials.keys() & truth.keys()), 2):
        slower, faster = (one, other) if truth[one] > truth[other] else (other, one)
        if truth[slower] > APART * truth[faster]:
            pairs += 1
            right += trials[slower] > trials[faster]
    return Order(pairs, right)


def chosen(prepared: Prepared, count: int) -> list[Configuration]:
    """Different pipelines, as a study meets them: the baselines, the first guesses, then random ones."""
    machine, found = Machine.detect(), dict[str, Configuration]()
    space = SearchSpace.of(prepared.decisions, load_preset("default"), machine, natural_preserve(prepared.pipeline))
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=_SEED))
    sampled = (space.suggest(study.ask()) for _ in range(_MOST_SAMPLES))
    first = baseline_configurations(prepared.decisions, machine.cores).values()
    guesses = itertools.islice(expert_guesses(space, prepared.decisions, prepared.facts, machine.cores), count // 2)
    for configuration in itertools.chain(first, guesses, sampled):
        if len(found) < count:
            found.setdefault(prepared.signature(configuration), configuration)
    return list(found.values())


def searched(
    runner: LocalRunner, prepared: Prepared, configurations: Sequence[Configuration], folder: Path
) -> dict[str, float]:
    """Seconds of one search trial each, as the search compares them."""
    machine = Machine.detect()
    space = SearchSpace.of(prepared.decisions, load_preset("default"), machine, natural_preserve(prepared.pipeline))
    store = StudyStore(f"sqlite:///{folder / 'study.db'}", "fidelity", seed=_SEED)
    trials = Trials(runner, store, Observers([]), Budget(None, None), prepared, space, Timing())
    ceiling = runner.ceiling(Timing())
    trials.raise_ceiling(ceiling.steps_per_second if isinstance(ceiling, Ceiling) else math.inf)
    baselines = baseline_configurations(prepared.decisions, machine.cores)
    roles = {prepared.signature(configuration): role for role, configuration in reversed(baselines.items())}
    seconds: dict[str, float] = {}
    for number, configuration in enumerate(configurations):
        record = trials.measure(number, roles.get(prepared.signature(configuration), "trial"), configuration)
        store.add(record, space)
        trials.finished(record)
        if record.steady_seconds is not None:
            seconds[configuration.digest()] = record.steady_seconds
    return seconds


def long_runs(
    runner: LocalRunner, configurations: Sequence[Configuration], rounds: int, window_seconds: float
) -> dict[str, float]:
    """Seconds of long fresh runs over those of the pipeline as written beside them; only what ran in every round."""
    timing = Timing(window_seconds=window_seconds, longest_seconds=window_seconds, fill_seconds=window_seconds)
    logs: dict[str, list[float]] = {configuration.digest(): [] for configuration in configurations}
    for index in range(rounds):
        turn = index * len(configurations) // rounds
        turned = [*configurations[turn:], *configurations[:turn]]
        for start in range(0, len(turned), _BESIDE_EACH_OTHER):
            group = turned[start : start + _BESIDE_EACH_OTHER]
            beside, *outcomes = runner.measure_fresh([Configuration(), *group], timing)
            for configuration, outcome in zip(group, outcomes, strict=True):
                if isinstance(beside, Measurement) and isinstance(outcome, Measurement):
                    log = math.log(outcome.projected_seconds / beside.projected_seconds)
                    logs[configuration.digest()].append(log)
    return {digest: math.exp(statistics.fmean(found)) for digest, found in logs.items() if len(found) == rounds}


def measure(workload: Workload, options: argparse.Namespace) -> dict[str, object]:
    """One workload's trials, long runs and score, as JSON data."""
    own = workload.target("dataset_fn")
    with (
        tempfile.TemporaryDirectory(prefix="autotuner-fidelity-") as scratch,
        opened_runners((own,), workload.target("model_fn"), workload.epochs, Path(scratch)) as (runners, _),
    ):
        runner = runners[own]
        prepared = Prepared.of(runner.open())
        configurations = chosen(prepared, options.configurations)
        trials = searched(runner, prepared, configurations, Path(scratch))
        able = [configuration for configuration in configurations if configuration.digest() in trials]
        truth = long_runs(runner, able, options.rounds, options.window_seconds)
    return {
        "workload": workload.name,
        "configurations": {configuration.digest(): dict(configuration) for configuration in configurations},
        "in_turns": runner.takes_turns,
        "search_seconds": trials,
        "long_seconds_over_as_written": truth,
        **asdict(ordered(trials, truth)),
    }


def main(arguments: list[str] | None = None) -> int:
    """Measures every workload named."""
    options = _parser().parse_args(arguments)
    rows = []
    for name in options.names or WORKLOADS:
        print(name, file=sys.stderr)
        rows.append(measure(Workload.of(name), options))
    pairs, right = (sum(int(str(row[key])) for row in rows) for key in ("pairs", "right"))
    fewest = min(len(dict[str, float](row["long_seconds_over_as_written"])) for row in rows)  # type: ignore[call-overload]
    share = Finding(
        "pairs more than 5 % apart that search trials put in the right order",
        right / pairs if pairs else None,
        at_least=_RIGHT,
        unit="share",
        over=f"of {pairs} pairs",
    )
    breadth = [
        Finding("workloads compared", len(rows), at_least=4),
        Finding("configurations compared on each", fewest, at_least=12),
    ]
    settings = {"rounds": options.rounds, "window_seconds": options.window_seconds, "workloads": rows}
    return publish("fidelity", [share, *breadth], settings, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.fidelity", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--configurations", type=int, default=14, help="on each workload")
    parser.add_argument("--rounds", type=int, default=3, help="long runs of each configuration")
    parser.add_argument("--window-seconds", type=float, default=8.0, help="of a long run")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
