"""The report of a study can be had at any time."""

from __future__ import annotations

from pathlib import Path

import pytest

from autotuner.cli.main import run
from tests.cli.conftest import Tune
from tests.search.world import World, real_gain

REPORT = Path("tuned/report.html")


def test_a_finished_study_gets_its_report_again(tune: Tune, capsys: pytest.CaptureFixture[str]) -> None:
    tune()
    before = REPORT.read_text("utf-8")
    REPORT.unlink()
    assert run(["report", "tuned"]) == 0
    assert capsys.readouterr().out.strip() == str(REPORT.resolve())
    assert REPORT.read_text("utf-8") == before


def test_an_interrupted_study_claims_nothing(tune: Tune, world: World, capsys: pytest.CaptureFixture[str]) -> None:
    asked: list[object] = []

    def speed(configuration: object) -> float:
        asked.append(configuration)
        if len(asked) == 4:
            raise KeyboardInterrupt
        return real_gain(configuration)  # type: ignore[arg-type]

    world.speed = speed
    assert tune()[0] == 130
    assert run(["report", "tuned"]) == 0
    capsys.readouterr()
    text = REPORT.read_text("utf-8")
    assert "This study has not ended: nothing is confirmed yet." in text
    assert "3 trials so far" in text
    assert "as_written" in text
    assert "Speed-up" not in text


def test_a_folder_without_a_study(world: World, capsys: pytest.CaptureFixture[str]) -> None:
    del world
    assert run(["report", "elsewhere"]) == 2
    assert "elsewhere has no run.json" in capsys.readouterr().err
