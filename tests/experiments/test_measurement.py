"""How the measurements are counted; nothing here is timed."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.errors import UserCodeError
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.result import Interval, Verdict
from autotuner.search.confirmation import MOST_ROUNDS, ROUNDS, Decided
from experiments import known_effect
from experiments.cache_truth import findings as truths
from experiments.cache_truth import relative_error
from experiments.confirmations import contestants, recorded_confirmations
from experiments.evidence import Finding, publish
from experiments.fidelity import Order, ordered
from experiments.hungry_pipelines import cases
from experiments.memory_limit import REFUSED, REFUSED_AT_OPEN, Contained, ending_of, ending_of_open, findings
from experiments.same_pipeline import Tally, tallies
from experiments.same_pipeline import findings as false_claims
from tests.search.world import measurement


def test_only_pairs_that_differ_by_more_than_five_percent_count() -> None:
    truth = {"a": 10.0, "b": 10.4, "c": 20.0}
    assert ordered({"a": 3.0, "b": 2.0, "c": 9.0}, truth) == Order(pairs=2, right=2)
    assert ordered({"a": 3.0, "b": 2.0, "c": 2.5}, truth) == Order(pairs=2, right=1)


def test_what_one_side_lacks_is_no_pair() -> None:
    assert ordered({"a": 1.0, "b": 2.0}, {"a": 1.0, "c": 2.0}) == Order(0, 0)


@given(st.dictionaries(st.text(max_size=3), st.floats(0.1, 1e4), max_size=8), st.floats(0.01, 100.0))
def test_the_truth_itself_is_always_right_whatever_its_unit(truth: dict[str, float], unit: float) -> None:
    score = ordered({name: seconds * unit for name, seconds in truth.items()}, truth)
    assert score.right == score.pairs


def test_confirmations_share_no_measurement_and_use_those_that_follow_each_other() -> None:
    steady = [[measurement(50.0)] * 2] * ROUNDS
    twice_as_fast = [
        [measurement(rate) for rate in ((50.0, 100.0), (100.0, 50.0))[index % 2]] for index in range(ROUNDS)
    ]
    decided = recorded_confirmations([*steady, *twice_as_fast, *steady[:3]], contestants(1, 1))
    assert [item.verdict for item in decided] == [Verdict.KEEP_BASELINE, Verdict.IMPROVED]


def test_an_undecided_confirmation_takes_all_its_rounds() -> None:
    rounds = [[measurement(rate) for rate in ((50.0, 51.0), (60.0, 48.0))[index % 2]] for index in range(MOST_ROUNDS)]
    assert len(recorded_confirmations(rounds, contestants(1, 1))) == 1


def test_a_recording_of_equal_measurements_never_shows_an_improvement() -> None:
    found = tallies([[measurement(50.0)] * 5] * (10 * ROUNDS))
    assert [(tally.baselines, tally.finalists) for tally in found] == [(1, 1), (1, 2), (2, 3)]
    assert [tally.confirmations for tally in found] == [10, 10, 10]
    assert not any(tally.improved for tally in found)


def test_false_claims_are_counted_alone_and_beside_a_busy_process() -> None:
    def row(*, busy: bool, improved: int) -> dict[str, object]:
        return {"busy": busy, "tallies": [asdict(Tally(1, 1, 40, improved)), asdict(Tally(1, 2, 10, 0))]}

    found = false_claims([row(busy=False, improved=2), row(busy=True, improved=3), row(busy=True, improved=3)])
    assert [finding.measured for finding in found] == [0.04, 50, 0.06, 100]
    assert [finding.met for finding in found] == [True, False, False, True]


def test_the_true_ratio_has_to_lie_inside_the_interval() -> None:
    def decided(low: float, high: float) -> Decided:
        return Decided(Verdict.IMPROVED, None, "as_written", Interval(low, math.sqrt(low * high), high))

    improved, inside = known_effect.findings([decided(1.08, 1.12), decided(1.03, 1.09)], "work")
    assert (improved.measured, inside.measured) == (1.0, 0.5)


@pytest.mark.parametrize(("projected", "off"), [([110.0], 0.1), ([80.0, 125.0], 0.0), ([50.0, 50.0], -0.5)])
def test_the_projection_is_compared_with_the_whole_training(projected: list[float], off: float) -> None:
    assert math.isclose(relative_error(projected, 100.0), off, abs_tol=1e-9)


def test_a_projection_is_held_to_the_training_with_its_waits() -> None:
    row = {"workload": "w", "name": "as written", "projected_seconds": [64.0], "failures": []}
    waiting, fitting, trained = truths([row | {"whole_seconds": 64.0, "waited_seconds": 26.0}])
    assert waiting.measured == pytest.approx(64 / 90 - 1)
    assert fitting.measured == pytest.approx(0.0)
    assert [finding.met for finding in (waiting, fitting, trained)] == [False, True, False]
    assert truths([row | {"whole_seconds": 64.0, "waited_seconds": 0.0, "failures": ["it broke"]}])[0].measured is None


def test_twenty_different_cases_want_too_much_memory() -> None:
    names = [case.name for case in cases()]
    assert len(names) == len(set(names)) == 20


def test_only_what_ends_for_memory_is_contained() -> None:
    assert ending_of(Failure(FailureKind.OUT_OF_MEMORY, "used more")) == "OUT_OF_MEMORY"
    assert ending_of(Failure(FailureKind.ILLEGAL, "the cache would take 9 GB of memory")) == REFUSED
    assert ending_of(Failure(FailureKind.ILLEGAL, "there is no such stage")) == "ILLEGAL"
    assert ending_of(measurement(50.0)) == "it fitted"
    assert ending_of_open(UserCodeError("used more than the allowed 2 GB of memory", "")) == REFUSED_AT_OPEN
    assert ending_of_open(UserCodeError("it broke", "")) == "ERROR"


def test_whatever_is_left_behind_is_a_miss() -> None:
    clean = Contained("one", "OUT_OF_MEMORY", "", contained=True, goes_on=True, left_behind=[])
    rows = [clean] * 19 + [replace(clean, left_behind=["process 7"])]
    assert [finding.met for finding in findings(rows)] == [True, True, True, False]


def test_a_miss_is_written_and_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Finding("speed", 0.98, at_least=0.97, unit="share")
    assert publish("made_up", [kept], {}, tmp_path) == 0
    assert publish(
        "made_up", [kept, Finding("cost", 31.0, at_most=30.0, unit="s"), Finding("none", None)], {}, tmp_path
    )
    shown = capsys.readouterr()
    assert "| cost | ≤ 30 s | 31 s | **missed** |" in shown.out
    assert "missed: cost; none" in shown.err
    (path,) = tmp_path.iterdir()
    report = json.loads(path.read_text("utf-8"))
    assert [finding["met"] for finding in report["findings"]] == [True, False, False]
    assert report["machine"]["cores"] >= 1
