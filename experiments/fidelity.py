"""Do short trials order configurations as long trainings do? ``python -m experiments.fidelity``.

Each configuration is measured once as the search measures it: in the warm worker, with the default timing, one after
the other, with looks at the reference in between. Then each is measured in fresh processes with windows of eight
seconds, repeated in alternation; the order of these is taken as the truth, wherever two differ by more than 5 %.
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
from autotuner.measure.messages import Timing
from autotuner.measure.outcome import Measurement
from autotuner.pipeline import Configuration
from autotuner.rewrites import natural_preserve
from autotuner.search.baselines import baseline_configurations, expert_guesses
from autotuner.search.conclusion import Prepared
from autotuner.search.reference import Reference
from autotuner.space import SearchSpace, load_preset
from experiments.alternation import opened_runners
from experiments.evidence import RESULTS, Finding, publish
from experiments.workload import NAMES, Workload

WORKLOADS = ("jpeg_files", "tabular_tfrecords", "in_memory_arrays", "audio_spectrograms")
APART = 1.05
_RIGHT = 0.97
_SEED = 1
_MOST_SAMPLES = 500


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


def searched(runner: LocalRunner, configurations: Sequence[Configuration]) -> dict[str, float]:
    """Seconds of one search trial each, the machine's drift taken out as the search does."""
    seconds: dict[str, float] = {}
    reference: Reference | None = None
    for configuration in configurations:
        outcome = runner.measure(configuration, Timing())
        if not isinstance(outcome, Measurement):
            continue
        if reference is None:
            reference = Reference((outcome.projected_seconds,))
        seconds[configuration.digest()] = outcome.projected_seconds / reference.drift
        reference = reference.after_trial()
        again = runner.measure(configurations[0], Timing()) if reference.is_due else None
        if isinstance(again, Measurement):
            reference = reference.looked(again.projected_seconds)
    return seconds


def long_runs(
    runner: LocalRunner, configurations: Sequence[Configuration], rounds: int, window_seconds: float
) -> dict[str, float]:
    """Geometric mean of the seconds of long fresh runs, in rounds whose order turns; only what ran in every round."""
    timing = Timing(window_seconds=window_seconds, longest_seconds=window_seconds, fill_seconds=window_seconds)
    logs: dict[str, list[float]] = {configuration.digest(): [] for configuration in configurations}
    for index in range(rounds):
        turn = index * len(configurations) // rounds
        for configuration in (*configurations[turn:], *configurations[:turn]):
            outcome = runner.measure_alone(configuration, timing)
            if isinstance(outcome, Measurement):
                logs[configuration.digest()].append(math.log(outcome.projected_seconds))
    return {digest: math.exp(statistics.fmean(found)) for digest, found in logs.items() if len(found) == rounds}


def measure(workload: Workload, options: argparse.Namespace) -> dict[str, object]:
    """One workload's trials, long runs and score, as JSON data."""
    own = workload.target("dataset_fn")
    with (
        tempfile.TemporaryDirectory(prefix="autotuner-fidelity-") as scratch,
        opened_runners((own,), workload.target("model_fn"), workload.epochs, Path(scratch)) as (runners, _),
    ):
        runner = runners[own]
        configurations = chosen(Prepared.of(runner.open()), options.configurations)
        trials = searched(runner, configurations)
        able = [configuration for configuration in configurations if configuration.digest() in trials]
        truth = long_runs(runner, able, options.rounds, options.window_seconds)
    return {
        "workload": workload.name,
        "configurations": {configuration.digest(): dict(configuration) for configuration in configurations},
        "search_seconds": trials,
        "long_seconds": truth,
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
    fewest = min(len(dict[str, float](row["long_seconds"])) for row in rows)  # type: ignore[call-overload]
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
