"""Measures what is said about prefetching: ``python -m experiments.claims``; writes JSON and the table of README.md."""

from __future__ import annotations

import argparse
import datetime as dt
import json
import math
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from autotuner.machine import Machine
from autotuner.measure.result import Interval
from autotuner.measure.statistics import paired_ratio
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from experiments.alternation import Compared, Side, alternate, opened_runners
from experiments.claim_facts import FACTS
from experiments.claim_list import CLAIMS, Claim
from experiments.report import machine_line, table

HERE = Path(__file__).parent
README = HERE / "README.md"
_BEGIN, _END = "<!-- claims:begin -->\n", "<!-- claims:end -->"
_EPOCHS = 10
_MODULE = "experiments.claim_pipelines"


def main(arguments: list[str] | None = None) -> int:
    """Measures every claim, or those whose text contains ``--about``."""
    options = _parser().parse_args(arguments)
    wanted = options.about.lower()
    rows = [measured(claim, options.rounds) for claim in CLAIMS if wanted in claim.text.lower()]
    rows += [tried(text, *fact()) for text, fact in FACTS if wanted in text.lower()]
    today = dt.datetime.now(dt.UTC).date().isoformat()
    machine = Machine.detect().to_json()
    report = {"schema": 1, "date": today, "machine": machine, "rounds": options.rounds, "claims": rows}
    options.out.mkdir(parents=True, exist_ok=True)
    (options.out / f"claims-{today}.json").write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    text = claims_table(report)
    print(text)
    if not wanted:
        README.write_text(with_table(README.read_text("utf-8"), text), "utf-8")
    return 0


def measured(claim: Claim, rounds: int) -> dict[str, Any]:
    """The claim's ratio from alternated real fits in fresh processes, and what follows."""
    print(claim.text, file=sys.stderr)
    targets = [Target("module", _MODULE, name) for name in (claim.base, claim.variant)]
    sides = [Side(target.name, target, Configuration()) for target in targets]
    with tempfile.TemporaryDirectory(prefix="autotuner-claims-") as scratch:
        model = Target("module", _MODULE, claim.model)
        with opened_runners(targets, model, _EPOCHS, Path(scratch)) as (runners, unopened):
            compared = alternate([side for side in sides if side.dataset in runners], runners, rounds)
    row = asdict(claim) | {"high": None if math.isinf(claim.high) else claim.high}
    failures = list(unopened.values()) + list(compared.failures.values())
    if failures:
        return row | {"verdict": "could not be measured", "reason": "; ".join(failures)}
    ratio = _ratio(claim, compared)
    return row | {"ratio": asdict(ratio), "verdict": verdict(ratio, claim.low, claim.high)}


def _ratio(claim: Claim, compared: Compared) -> Interval:
    if claim.quantity == "speed":
        return compared.ratio(claim.variant, claim.base)
    return paired_ratio(
        *([item.peak_rss_bytes for item in compared.measured[name]] for name in (claim.variant, claim.base))
    )


def verdict(ratio: Interval, low: float, high: float) -> str:
    """A claim holds when its whole interval lies in the range claimed, and does not when none of it does."""
    if low <= ratio.low and ratio.high <= high:
        return "holds"
    if ratio.high < low or ratio.low > high:
        return "does not hold"
    return "undecided"


def tried(text: str, holds: bool, what: str) -> dict[str, Any]:  # noqa: FBT001 - the outcome of a trial
    """A claim that is true or not whatever the machine."""
    return {"text": text, "verdict": "holds" if holds else "does not hold", "reason": what}


def claims_table(report: Mapping[str, Any]) -> str:
    """The table of README.md, with date and machine."""
    rows = [[row["text"], _found(row), row["verdict"]] for row in report["claims"]]
    return f"{machine_line(report)}\n\n{table(['claim', 'measured', 'verdict'], rows)}\n"


def _found(row: Mapping[str, Any]) -> str:
    if "ratio" not in row:
        return str(row["reason"])
    ratio, unit = row["ratio"], " memory" if row["quantity"] == "memory" else ""
    return f"{ratio['estimate']:.2f}×{unit} [{ratio['low']:.2f}, {ratio['high']:.2f}]"


def with_table(readme: str, text: str) -> str:
    """``readme`` with ``text`` between its marks."""
    before, _, rest = readme.partition(_BEGIN)
    _, _, after = rest.partition(_END)
    return f"{before}{_BEGIN}{text}{_END}{after}"


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m experiments.claims", description=__doc__)
    parser.add_argument("--about", default="", help="only claims whose text contains this; README.md stays as it is")
    parser.add_argument("--rounds", type=int, default=7, help="measurements of each pipeline; at least 2")
    parser.add_argument("--out", type=Path, default=HERE / "results", help="folder of the results")
    return parser


if __name__ == "__main__":
    sys.exit(main())
