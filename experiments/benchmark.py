"""Runs the contests and writes their report: ``python -m experiments.benchmark [NAME …]``; all without a name."""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from autotuner.errors import AutotunerError
from autotuner.search.budget import parse_duration
from experiments.contest import Contest
from experiments.report import section, write_report
from experiments.workload import NAMES, Workload

RESULTS = Path(__file__).parent / "results"


def main(arguments: list[str] | None = None) -> int:
    """Exit code 1 when a contest could not be held; the others are reported all the same."""
    options = _parser().parse_args(arguments)
    contest = Contest(parse_duration(options.timeout), options.rounds, with_searchers=not options.without_searchers)
    options.out.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in options.names or NAMES:
        print(f"{name}", file=sys.stderr)
        try:
            report = contest.hold(Workload.of(name))
        except AutotunerError as error:
            print(f"    cannot be held: {error}", file=sys.stderr)
            failed.append(name)
            continue
        (options.out / f"{name}.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
        write_report(options.out)
        print(section(report))
    return 1 if failed else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.benchmark", description=__doc__)
    parser.add_argument("names", nargs="*", choices=[[], *NAMES], metavar="NAME", help=", ".join(NAMES))
    parser.add_argument("--timeout", default="10m", help="the tuner's time for each workload")
    parser.add_argument("--rounds", type=int, default=5, help="measurements of each contestant; at least 2")
    parser.add_argument("--without-searchers", action="store_true", help="leave optuna_flat and random out")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
