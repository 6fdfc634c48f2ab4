"""A result is given again where it answers the same question; else it is said what differs, and tuned."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from autotuner.machine import Machine
from autotuner.pipeline import Pipeline
from tests.cli.conftest import Tune
from tests.cli.test_stored_study import numbers
from tests.search.world import OPENED, PIPELINE, World, no_gain

AGAIN = "the stored result is of the same pipeline, model and machine: it is given again"


@pytest.fixture
def tuned(tune: Tune) -> Tune:
    assert tune()[0] == 0
    return tune


def test_the_same_question_gets_the_same_answer_and_nothing_is_measured(tuned: Tune, world: World) -> None:
    before = {path: path.read_bytes() for path in Path("tuned").iterdir() if path.suffix in {".json", ".db", ".html"}}
    world.speed = None  # type: ignore[assignment]  # would fail
    code, out, err = tuned("--reuse", "--json", "--timeout", "1h")
    assert code == 0
    assert AGAIN in err
    assert json.loads(out) == json.loads(before[Path("tuned/result.json")])
    assert before == {path: path.read_bytes() for path in before}


def test_repeating_without_reuse_keeps_the_answer(tuned: Tune) -> None:
    tuned()
    assert AGAIN in tuned("--reuse")[2]


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        (("--epochs", "3"), "nothing can be reused: it was found with another epochs"),
        (("--preset", "quick", "--keep", "map[augment]"), "it was found with another preset and another keep"),
    ],
)
def test_another_question_is_told_and_tuned(tuned: Tune, options: tuple[str, ...], reason: str) -> None:
    code, _, err = tuned("--reuse", *options)
    assert code == 0
    assert reason in err
    assert len(numbers()) == 10, "a study of its own"
    assert AGAIN in tuned("--reuse", *options)[2]
    assert len(numbers()) == 10
    assert "another" in tuned("--reuse")[2], "the folder holds the result of the second question now"


def test_another_pipeline_or_model(tuned: Tune, world: World) -> None:
    pipeline = Pipeline(PIPELINE.ops[:-1]).to_json()
    world.opened = replace(OPENED, pipeline=pipeline, model_fingerprint="another")
    code, _, err = tuned("--reuse")
    assert code == 0
    assert "nothing can be reused: it was found with another pipeline and another model" in err


def test_another_machine(tuned: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine.detect()
    monkeypatch.setattr(Machine, "detect", lambda: replace(machine, cpu="another one"))
    assert "it was found with another machine" in tuned("--reuse")[2]


def test_an_inconclusive_result_is_no_answer_and_its_study_goes_on(tune: Tune, world: World) -> None:
    world.speed = no_gain
    tune("--trials", "3")
    code, _, err = tune("--reuse")
    assert code == 0
    assert "nothing can be reused: it is INCONCLUSIVE" in err
    assert "continuing: 3 trials are already there" in err


def test_without_a_result_there_is_nothing_to_reuse(tuned: Tune) -> None:
    Path("tuned/report.html").unlink()
    assert "nothing can be reused: report.html is missing" in tuned("--reuse")[2]
    Path("tuned/result.json").unlink()
    assert "nothing can be reused: there is no result yet" in tuned("--reuse")[2]
