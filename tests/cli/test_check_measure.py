"""``check --measure`` says whether the tuned code still is faster than the best baseline."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from autotuner.cli.main import run
from autotuner.pipeline import Configuration
from tests.cli.conftest import Tune
from tests.search.world import World, no_gain, real_gain

Check = Callable[[], tuple[int, dict[str, Any], str]]


@pytest.fixture
def check(tune: Tune, world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Check:
    assert "IMPROVED" in tune()[2]
    monkeypatch.setattr("autotuner.api.checking.LocalRunner", lambda *_: world.runner())

    def command() -> tuple[int, dict[str, Any], str]:
        code = run(["check", "tuned", "--measure", "--json"])
        printed = capsys.readouterr()
        return code, json.loads(printed.out), printed.err

    return command


def test_what_is_still_faster_passes(check: Check) -> None:
    code, found, err = check()
    assert (code, found["passed"], found["faster"]) == (0, True, True)
    assert found["speedup"]["estimate"] == pytest.approx(2.0 / 1.4, rel=0.05)
    assert "still faster: " in err


def test_what_no_longer_is_fails(check: Check, world: World) -> None:
    world.speed = no_gain
    code, found, err = check()
    assert (code, found["passed"], found["reason"], found["faster"]) == (1, False, "", False)
    assert "not measurably faster any more" in err


def test_the_best_baseline_is_what_it_has_to_beat(check: Check, world: World) -> None:
    def speed(configuration: Configuration) -> float:
        return (
            200.0
            if configuration.get("map[decode].num_parallel_calls") == "AUTOTUNE"
            else float(real_gain(configuration))
        )

    world.speed = speed
    assert check()[1]["faster"] is False
