"""How often is a pipeline called faster than itself? ``python -m experiments.same_pipeline``.

One pipeline is measured in fresh processes that take turns, round by round, with and without a busy process beside it.
Confirmations are then formed from the recording: each round gets the next one in the order of time, as if it had been
measured then, for all contestants are the same pipeline. Within one field, confirmations share no measurement; the
three fields (one finalist against one baseline, two against one, three against two) are formed from the same
recording, so that theirs are not independent of each other.
"""

from __future__ import annotations

import argparse
import contextlib
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.messages import outcome_to_json
from autotuner.measure.outcome import Measurement
from autotuner.measure.result import Verdict
from autotuner.pipeline import Configuration
from autotuner.search.budget import parse_duration
from experiments.alternation import opened_runners
from experiments.confirmations import TIMING, contestants, recorded_confirmations
from experiments.evidence import RESULTS, Finding, publish
from experiments.hog import hog
from experiments.workload import NAMES, Workload

WORKLOADS = ("in_memory_arrays",)
FIELDS = ((1, 1), (1, 2), (2, 3))
"""Baselines and finalists; the last is that of a whole study, and a round has as many measurements as it is wide."""
_WRONG, _ENOUGH = 0.05, 60


@dataclass(frozen=True)
class Tally:
    """Confirmations of one field, and how many claimed an improvement."""

    baselines: int
    finalists: int
    confirmations: int
    improved: int


def tallies(rounds: Sequence[Sequence[Measurement]]) -> list[Tally]:
    """What each field makes of a recording."""
    found = []
    for baselines, finalists in FIELDS:
        decided = recorded_confirmations(rounds, contestants(baselines, finalists))
        improved = sum(item.verdict is Verdict.IMPROVED for item in decided)
        found.append(Tally(baselines, finalists, len(decided), improved))
    return found


def recorded(runner: LocalRunner, count: int, seconds: float) -> list[list[Measurement]]:
    """``count`` rounds of the pipeline as written, or as many as ``seconds`` allow."""
    ends, rounds = time.monotonic() + seconds, list[list[Measurement]]()
    while len(rounds) < count and time.monotonic() < ends:
        outcomes = runner.measure_fresh([Configuration()] * sum(FIELDS[-1]), TIMING)
        measured = [outcome for outcome in outcomes if isinstance(outcome, Measurement)]
        if len(measured) == len(outcomes):
            rounds.append(measured)
    return rounds


def measure(workload: Workload, options: argparse.Namespace) -> list[dict[str, Any]]:
    """The recordings of a workload, alone and beside a busy process, and what follows from them."""
    own, rows = workload.target("dataset_fn"), list[dict[str, Any]]()
    with (
        tempfile.TemporaryDirectory(prefix="autotuner-same-") as scratch,
        opened_runners((own,), workload.target("model_fn"), workload.epochs, Path(scratch)) as (runners, _),
    ):
        for busy in (False, True):
            print(f"{workload.name}, {'beside a busy process' if busy else 'alone'}", file=sys.stderr)
            with hog() if busy else contextlib.nullcontext():
                rounds = recorded(runners[own], options.rounds, parse_duration(options.time))
            rows.append(
                {
                    "workload": workload.name,
                    "busy": busy,
                    "in_turns": runners[own].takes_turns,
                    "tallies": [asdict(tally) for tally in tallies(rounds)],
                    "rounds": [[outcome_to_json(item) for item in found] for found in rounds],
                }
            )
    return rows


def findings(rows: Sequence[dict[str, Any]]) -> list[Finding]:
    """The share of false claims, alone and beside a busy process, over all fields."""
    found = []
    for busy in (False, True):
        counted = [tally for row in rows if row["busy"] is busy for tally in row["tallies"]]
        total, improved = (sum(tally[key] for tally in counted) for key in ("confirmations", "improved"))
        where = "beside a busy process" if busy else "alone"
        over = f"of {total}, " + ", ".join(_shown(tally) for tally in counted)
        share = improved / total if total else None
        found.append(Finding(f"IMPROVED of a pipeline over itself, {where}", share, None, _WRONG, "share", over))
        found.append(Finding(f"confirmations, {where}", total, at_least=_ENOUGH))
    return found


def _shown(tally: dict[str, int]) -> str:
    return f"{tally['finalists']} against {tally['baselines']}: {tally['improved']} of {tally['confirmations']}"


def main(arguments: list[str] | None = None) -> int:
    """Measures every workload named."""
    options = _parser().parse_args(arguments)
    rows = [row for name in options.names or WORKLOADS for row in measure(Workload.of(name), options)]
    return publish("same_pipeline", findings(rows), {"recordings": rows}, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.same_pipeline", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--rounds", type=int, default=420, help="of each workload, alone and again when busy")
    parser.add_argument("--time", default="1h", help="for each recording, at most")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
