"""Is a pipeline that is 1.10 times as fast found, and told right? ``python -m experiments.known_effect``.

Two pairs of pipelines whose ratio follows from how they are made: batches at fixed times by the clock, and a fixed
amount of computing for each batch. Every confirmation is a whole one, measured for itself in fresh processes.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotuner.measure.local_runner import LocalRunner, measure_together
from autotuner.measure.messages import Timing
from autotuner.measure.outcome import Outcome
from autotuner.measure.result import Verdict
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from autotuner.search.budget import parse_duration
from autotuner.search.confirmation import Contestant, Decided
from experiments.alternation import opened_runners
from experiments.confirmations import one_confirmation
from experiments.evidence import RESULTS, Finding, publish
from experiments.known_pipelines import EPOCHS, RATIO

KINDS = ("clock", "work")
_MODULE = "experiments.known_pipelines"
_FOUND, _INSIDE = 0.80, 0.90
FIELD = (
    Contestant("as_written", Configuration({"pipeline": "slow"}), finalist=False),
    Contestant("known", Configuration({"pipeline": "fast"}), finalist=True),
)


@dataclass(frozen=True)
class Sides:
    """Measures the pipeline that a configuration names."""

    runners: Mapping[str, LocalRunner]

    def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
        """Each as it is written, in a process of its own."""
        asked = [(self.runners[str(configuration["pipeline"])], Configuration()) for configuration in configurations]
        return measure_together(asked, timing)


def confirmed(kind: str, count: int, seconds: float) -> list[Decided]:
    """``count`` confirmations of one pair, or as many as can begin within ``seconds``."""
    targets = {side: Target("module", _MODULE, f"{side}_{kind}") for side in ("slow", "fast")}
    decided = list[Decided]()
    with (
        tempfile.TemporaryDirectory(prefix="autotuner-known-") as scratch,
        opened_runners(list(targets.values()), Target("module", _MODULE, "model_fn"), EPOCHS, Path(scratch)) as (
            runners,
            _,
        ),
    ):
        sides = Sides({side: runners[target] for side, target in targets.items()})
        ends = time.monotonic() + seconds
        while len(decided) < count and time.monotonic() < ends:
            decided.append(one_confirmation(sides, FIELD))
            print(f"{kind}: {decided[-1].verdict} {decided[-1].speedup}", file=sys.stderr)
    return decided


def findings(decided: Sequence[Decided], kind: str) -> list[Finding]:
    """How many found the improvement, and how many intervals hold the true ratio."""
    total = len(decided)
    improved = sum(item.verdict is Verdict.IMPROVED for item in decided)
    inside = sum(item.speedup is not None and item.speedup.low <= RATIO <= item.speedup.high for item in decided)
    return [
        Finding(what, count / total if total else None, at_least=wanted, unit="share", over=f"of {total}")
        for what, count, wanted in (
            (f"1.10 times as fast by {kind}, found IMPROVED", improved, _FOUND),
            (f"1.10 times as fast by {kind}, true ratio inside the interval", inside, _INSIDE),
        )
    ]


def _row(item: Decided) -> dict[str, Any]:
    return {"verdict": item.verdict.value, "speedup": asdict(item.speedup) if item.speedup else None}


def main(arguments: list[str] | None = None) -> int:
    """Confirms every pair."""
    options = _parser().parse_args(arguments)
    decided = {
        kind: confirmed(kind, options.confirmations, parse_duration(options.time)) for kind in options.kinds or KINDS
    }
    found = [finding for kind, items in decided.items() for finding in findings(items, kind)]
    rows = {kind: [_row(item) for item in items] for kind, items in decided.items()}
    return publish("known_effect", found, {"ratio": RATIO, "confirmations": rows}, options.out)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.known_effect", description=__doc__)
    parser.add_argument("kinds", nargs="*", choices=[[], *KINDS], metavar="KIND", help=", ".join(KINDS))
    parser.add_argument("--confirmations", type=int, default=30, help="of each pair")
    parser.add_argument("--time", default="45m", help="for each pair, at most")
    parser.add_argument("--out", type=Path, default=RESULTS, help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
