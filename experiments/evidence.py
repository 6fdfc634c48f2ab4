"""What a measurement found beside what was wanted: printed as a table, kept as JSON with machine and date."""

from __future__ import annotations

import datetime as dt
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotuner.machine import Machine
from experiments.report import table

RESULTS = Path(__file__).parent / "results"


@dataclass(frozen=True)
class Finding:
    """One number and the bound it is held to."""

    what: str
    measured: float | None
    """``None`` where nothing could be measured, which meets no bound."""
    at_least: float | None = None
    at_most: float | None = None
    unit: str = ""
    """``share`` for numbers from 0 to 1, else what stands behind the number."""
    over: str = ""
    """What the number was taken over: how many pairs, trials or seconds."""

    @property
    def met(self) -> bool:
        """The number keeps its bounds."""
        if self.measured is None:
            return False
        low = self.at_least is None or self.measured >= self.at_least
        return low and (self.at_most is None or self.measured <= self.at_most)

    @property
    def wanted(self) -> str:
        """The bounds in words."""
        bounds = ((sign, bound) for sign, bound in (("≥", self.at_least), ("≤", self.at_most)) if bound is not None)
        return " and ".join(f"{sign} {self._shown(bound)}" for sign, bound in bounds)

    def row(self) -> list[str]:
        """One line of the table."""
        reached = "not measured" if self.measured is None else self._shown(self.measured)
        return [self.what, self.wanted, f"{reached} {self.over}".rstrip(), "yes" if self.met else "**missed**"]

    def _shown(self, number: float) -> str:
        return f"{number:.1%}" if self.unit == "share" else f"{number:.4g} {self.unit}".rstrip()


def publish(name: str, findings: Sequence[Finding], details: dict[str, Any], folder: Path = RESULTS) -> int:
    """Writes ``NAME-DATE.json`` and prints the table; the exit code of the program: 1 where a bound was missed.

    ``details`` is everything from which the findings were counted, as JSON data.
    """
    today = dt.datetime.now(dt.UTC).date().isoformat()
    report = {
        "schema": 1,
        "measurement": name,
        "date": today,
        "machine": Machine.detect().to_json(),
        "findings": [asdict(finding) | {"met": finding.met} for finding in findings],
        **details,
    }
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{name}-{today}.json"
    path.write_text(json.dumps(report, indent=2) + "\n", "utf-8")
    print(table(["measured", "wanted", "reached", "met"], [finding.row() for finding in findings]))
    missed = [finding.what for finding in findings if not finding.met]
    print(f"{'missed: ' + '; '.join(missed) if missed else 'all met'}; details in {path}", file=sys.stderr)
    return 1 if missed else 0
