"""What the reports say of measurements, without measuring."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from autotuner.measure.result import Interval
from experiments import claim_pipelines
from experiments.claim_list import CLAIMS, Claim
from experiments.claims import claims_table, verdict, with_table
from experiments.report import write_report
from experiments.targets import targets

MACHINE = {
    "cores": 2, "cpu": "made up", "memory_bytes": 2**34, "gpu": None,
    "tensorflow": "2.21", "keras": "3.15", "python": "3.11",
}  # fmt: skip
PIPELINES = sorted({name for claim in CLAIMS for name in (claim.variant, claim.base)})


def interval(estimate: float, width: float = 0.01) -> dict[str, float]:
    return {"low": estimate * (1 - width), "estimate": estimate, "high": estimate * (1 + width)}


def report(name: str, over: dict[str, float], *, control: bool = False, seconds: float = 600.0) -> dict[str, Any]:
    contestants = {
        side: {
            "steps_per_second": interval(100 / ratio),
            "later_epoch_steps_per_second": 100 / ratio,
            "configuration": {},
            "tuned_over_this": interval(ratio),
        }
        for side, ratio in over.items()
    }
    contestants["tuned"] = {
        "steps_per_second": interval(100.0),
        "later_epoch_steps_per_second": 100.0,
        "configuration": {"cache.after": "map[decode]"},
    }
    return {
        "workload": name, "about": "Made up.", "control": control, "date": "2026-01-31", "machine": MACHINE,
        "timeout_seconds": 600.0, "rounds": 5, "epochs": 10, "tuner_seconds": seconds, "reason": "so it is",
        "verdict": "KEEP_BASELINE" if control else "IMPROVED", "ceiling_steps_per_second": 105.0,
        "search": {"seconds": 300.0, "trials": 60, "trials_to_90_percent": 12, "seconds_to_90_percent": 70.0},
        "contestants": contestants, "failures": {},
    }  # fmt: skip


def met(*reports: dict[str, Any]) -> dict[str, bool]:
    return {item.wanted: item.met for item in targets(reports)}


def test_targets_that_are_reached() -> None:
    good = report("jpeg_files", {"as_written": 5.0, "autotune": 4.0, "cores": 4.5, "guide": 1.3, "expert": 1.0})
    control = report("model_bound", {"as_written": 1.0}, control=True, seconds=50.0)
    assert all(met(good, control).values())


@pytest.mark.parametrize(
    ("over", "missed"),
    [
        ({"as_written": 9.0, "autotune": 2.0, "guide": 1.3, "expert": 1.0}, "≥ 3 × the best of"),
        ({"as_written": 5.0, "guide": 1.1, "expert": 1.0}, "≥ 1.2 × guide"),
        ({"as_written": 5.0, "guide": 1.3, "expert": 0.9}, "0.95 × expert"),
        ({"as_written": 5.0, "guide": 1.3, "expert": 1.0, "random": 0.9}, "0.98 × the best contestant"),
    ],
)
def test_a_miss_is_shown(over: dict[str, float], missed: str) -> None:
    found = met(report("jpeg_files", over))
    assert [good for wanted, good in found.items() if wanted.startswith(missed)] == [False]


def test_a_control_that_takes_too_long_is_a_miss() -> None:
    found = met(report("model_bound", {"as_written": 1.0}, control=True, seconds=61.0))
    assert not found["controls: KEEP_BASELINE within 1 min"]


def test_a_report_names_every_contestant_and_draws_the_same_plot_twice(tmp_path: Path) -> None:
    data = report("jpeg_files", {"as_written": 2.0, "guide": 1.5})
    (tmp_path / "jpeg_files.json").write_text(json.dumps(data))
    write_report(tmp_path)
    text = (tmp_path / "README.md").read_text()
    assert all(name in text for name in ("as_written", "guide", "tuned", "Ceiling 105.0", "cache.after = map[decode]"))
    drawn = (tmp_path / "jpeg_files.svg").read_bytes()
    write_report(tmp_path)
    assert (tmp_path / "jpeg_files.svg").read_bytes() == drawn


@pytest.mark.parametrize(
    ("ratio", "said"),
    [
        (Interval(1.1, 1.2, 1.3), "holds"),
        (Interval(0.9, 1.0, 1.01), "does not hold"),
        (Interval(0.9, 1.1, 1.3), "undecided"),
    ],
)
def test_the_verdict_on_a_claim_of_a_gain(ratio: Interval, said: str) -> None:
    assert verdict(ratio, 1.03, float("inf")) == said


@pytest.mark.parametrize("name", PIPELINES)
def test_every_pipeline_of_a_claim_gives_batches(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(claim_pipelines, "SIZE", 64)
    images, labels = next(iter(getattr(claim_pipelines, name)()))
    assert images.shape[1:] == (32, 32, 3)
    assert images.shape[0] == labels.shape[0]


@pytest.mark.parametrize("claim", CLAIMS, ids=lambda claim: claim.text)
def test_every_claim_names_a_model(claim: Claim) -> None:
    assert getattr(claim_pipelines, claim.model)().compiled


def test_the_table_of_claims_replaces_the_one_before() -> None:
    rows = [{"text": "it | pays", "verdict": "holds", "ratio": interval(2.0), "quantity": "speed"}]
    table = claims_table({"date": "2026-01-31", "machine": MACHINE, "rounds": 5, "claims": rows})
    once = with_table("a\n<!-- claims:begin -->\nprevious\n<!-- claims:end -->\nb\n", table)
    assert "previous" not in once
    assert "| it \\| pays | 2.00× [1.98, 2.02] | holds |" in once
    assert with_table(once, table) == once
    assert once.endswith("<!-- claims:end -->\nb\n")
