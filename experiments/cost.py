"""What tuning costs beside measuring: ``python -m experiments.cost``.

A study of ten minutes, of whose wall time most is to lie inside timed windows; and a search of 300 trials whose
measurements take no time, with a real SQLite study and a real MLflow store, which shows what bookkeeping takes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autotuner.search.budget import parse_duration
from experiments.bookkeeping import cost, opened
from experiments.evidence import RESULTS, Finding, publish
from experiments.tuning import tune
from experiments.workload import NAMES, Workload

_TIMED, _SECONDS = 0.70, 30.0


def timed_share(workload: Workload, timeout_seconds: float) -> tuple[Finding, dict[str, Any]]:
    """Of a whole study with defaults: ceilings, trials, looks at the reference, ablation and confirmation count."""
    with tempfile.TemporaryDirectory(prefix="autotuner-cost-") as folder:
        tuned = tune(workload, timeout_seconds, Path(folder) / "tuned")
    result = tuned.result
    share = result.timed_seconds / result.wall_seconds
    over = f"of {result.wall_seconds:.0f} s, {tuned.trials} trials"
    what = "a study's wall time inside timed windows"
    return Finding(what, share, at_least=_TIMED, unit="share", over=over), result.to_json()


def bookkeeping(workload: Workload, trials: int) -> tuple[Finding, dict[str, Any]]:
    """Everything but measuring, the study's own work included: that is more than what the bound is for."""
    with tempfile.TemporaryDirectory(prefix="autotuner-cost-") as folder:
        found = cost(opened(workload, Path(folder)), workload.epochs, trials, Path(folder))
    over = f"for {found.trials} trials, of which MLflow {found.mlflow_seconds:.1f} s"
    return Finding("Optuna, MLflow and the study's own work", found.wall_seconds, None, _SECONDS, "s", over), asdict(
        found
    )


def main(arguments: list[str] | None = None) -> int:
    """Measures both; each can be left out."""
    options = _parser().parse_args(arguments)
    workload = Workload.of(options.workload)
    found, details = list[Finding](), dict[str, Any]()
    if options.trials:
        finding, details["bookkeeping"] = bookkeeping(workload, options.trials)
        found.append(finding)
    if options.time != "0":
        finding, details["study"] = timed_share(workload, parse_duration(options.time))
        found.append(finding)
    return publish("cost", found, {"workload": workload.name, **details}, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.cost", description=__doc__)
    parser.add_argument("workload", nargs="?", choices=NAMES, default="jpeg_files", metavar="NAME")
    parser.add_argument("--time", default="10m", help="of the study; 0 leaves it out")
    parser.add_argument("--trials", type=int, default=300, help="of the search without measuring; 0 leaves it out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
