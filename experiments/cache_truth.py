"""Is the projected time of a training the time it takes? ``python -m experiments.cache_truth``.

Pipelines without a cache, with one in memory and with one in a file: each is projected from a fresh process's short
fit, as a confirmation does; then ten epochs are trained in full by one call of ``model.fit`` in a process of its own;
then it is projected again. The projection is the geometric mean of the two, so that a drifting machine is fair to it.

It is held to what a training takes with its waits for tf.data's AUTOTUNE thread, which a projection leaves out, and
once more to what it takes without them: that tells what a miss comes from.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from autotuner.errors import UsageError
from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.outcome import Measurement
from autotuner.pipeline import AUTOTUNE, Configuration
from autotuner.rewrites.cache import AFTER, MEDIUM
from autotuner.rewrites.prefetch import END
from autotuner.search.budget import parse_duration
from autotuner.search.conclusion import Prepared
from experiments.alternation import opened_runners
from experiments.confirmations import TIMING
from experiments.evidence import RESULTS, Finding, publish
from experiments.whole_training import Training, whole
from experiments.workload import NAMES, Workload

EPOCHS = 10
WORKLOADS = ("jpeg_files", "csv_shards")
_OFF = 0.10
_LEAST_CONFIGURATIONS = 6


def configurations(prepared: Prepared) -> dict[str, Configuration]:
    """By name: no cache, and both kinds of cache at the first and the last place where one may stand."""
    found = {"as written": Configuration(), "prefetch": Configuration({f"{END}.buffer_size": AUTOTUNE})}
    places = next((decision.choices or () for decision in prepared.decisions if decision.name == AFTER), ())
    for label in dict.fromkeys([place for place in places if place is not None][index] for index in (0, -1) if places):
        found[f"memory after {label}"] = Configuration({AFTER: label})
        found[f"file after {label}"] = Configuration({AFTER: label, MEDIUM: "file"})
    different: dict[str, tuple[str, Configuration]] = {}
    for name, configuration in found.items():
        different.setdefault(prepared.signature(configuration), (name, configuration))
    return dict(different.values())


def relative_error(projected_seconds: Sequence[float], true_seconds: float) -> float:
    """The projection over the truth, less one."""
    return math.exp(statistics.fmean(math.log(seconds / true_seconds) for seconds in projected_seconds)) - 1


def findings(rows: Sequence[Mapping[str, Any]]) -> list[Finding]:
    """Each projection against the training with and without its waits, and how many were trained."""
    found = []
    for row in rows:
        name, fitting = f"{row['workload']}, {row['name']}: projection off by", row["whole_seconds"]
        for said, seconds in (("", fitting + row["waited_seconds"]), (", waits left out", fitting)):
            error = None if row["failures"] else relative_error(row["projected_seconds"], seconds)
            found.append(Finding(f"{name}{said}", error, -_OFF, _OFF, "share", f"of {seconds:.1f} s"))
    return [*found, Finding("configurations trained in full", len(rows), at_least=_LEAST_CONFIGURATIONS)]


def measured(workload: Workload, seconds: float, epochs: int, only: int | None) -> list[dict[str, Any]]:
    """Projections and whole trainings of a workload; no new one begins after ``seconds``."""
    own, model = workload.target("dataset_fn"), workload.target("model_fn")
    rows, ends = list[dict[str, Any]](), time.monotonic() + seconds
    with (
        tempfile.TemporaryDirectory(prefix="autotuner-truth-") as scratch,
        opened_runners((own,), model, epochs, Path(scratch)) as (runners, _),
    ):
        opened = runners[own].open()
        if opened.calibrated.warnings:
            raise UsageError(f"{workload.name}: {opened.calibrated.warnings[0]}", "choose a workload of known length")
        for name, configuration in list(configurations(Prepared.of(opened)).items())[:only]:
            if time.monotonic() > ends:
                break
            print(f"{workload.name}: {name}", file=sys.stderr)
            training = Training.of(opened, own, model, configuration, epochs)
            rows.append({"workload": workload.name, "name": name} | _row(runners[own], configuration, training))
    return rows


def _row(runner: LocalRunner, configuration: Configuration, training: Training) -> dict[str, Any]:
    before = runner.measure_alone(configuration, TIMING)
    with tempfile.TemporaryDirectory(prefix="autotuner-training-") as folder:
        truth = whole(training, Path(folder))
    after = runner.measure_alone(configuration, TIMING)
    both = [outcome.projected_seconds for outcome in (before, after) if isinstance(outcome, Measurement)]
    failures = [outcome.message for outcome in (before, after) if not isinstance(outcome, Measurement)]
    return {
        "configuration": dict(configuration),
        "projected_seconds": both,
        "whole_seconds": truth.seconds,
        "waited_seconds": truth.waited_seconds,
        "failures": failures,
    }


def main(arguments: list[str] | None = None) -> int:
    """Trains every configuration of every workload named."""
    options = _parser().parse_args(arguments)
    limit = parse_duration(options.time)
    names = options.names or WORKLOADS
    rows = [row for name in names for row in measured(Workload.of(name), limit, options.epochs, options.configurations)]
    return publish("cache_truth", findings(rows), {"epochs": options.epochs, "trainings": rows}, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.cache_truth", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the training")
    parser.add_argument("--configurations", type=int, default=None, help="of each workload, at most; all by default")
    parser.add_argument("--time", default="1h", help="for each workload; no training begins later")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
