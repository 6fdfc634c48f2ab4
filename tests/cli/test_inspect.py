"""What ``autotuner inspect`` prints, and the contract of its JSON; nothing here needs TensorFlow."""

from __future__ import annotations

import json
import re
from collections.abc import Callable

import pytest
from rich.cells import cell_len

from autotuner.cli.main import run
from autotuner.measure.messages import (
    Calibrated,
    Ceiling,
    Opened,
    Profile,
    Profiled,
    request_from_line,
    request_to_line,
    response_from_line,
    response_to_line,
)
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.pipeline import CallSite, Facts, FnRef, Op, OpFacts, Pipeline
from autotuner.pipeline.profile import StageCost
from tests.search.world import World, measurement

Inspect = Callable[..., str]
SITE = CallSite("/home/user/train.py", 31, 31, 5)
DECODE = FnRef("1", "decode")
PIPELINE = Pipeline(
    (
        Op("list_files[0]", "list_files", call_site=SITE),
        Op("interleave[0]", "interleave", "list_files[0]", inner=Pipeline((Op("range[0]", "range"),))),
        Op("map[decode]", "map", "interleave[0]", (("map_func", DECODE),), SITE),
        Op("batch[0]", "batch", "map[decode]", (("batch_size", 20),), SITE),
        Op("prefetch[0]", "prefetch", "batch[0]", (("buffer_size", 1),), SITE),
    )
)
FACTS = Facts(
    {op.label: OpFacts(cardinality=100) for op in PIPELINE.ops}
    | {"map[decode]": OpFacts(random=("RandomUniform",), cardinality=100, element_bytes=40_000.0)}
)
PROFILED = Profiled(
    {
        "list_files[0]": StageCost(10e-6, 60.0, 20.0),
        "interleave[0]": StageCost(),
        "interleave[0]/range[0]": StageCost(1e-6, 8.0, 20.0),
        "map[decode]": StageCost(95e-6, 4e4, 20.0),
        "batch[0]": StageCost(0.6e-3, 8e5, 1.0),
        "prefetch[0]": StageCost(1e-6, 8e5, 1.0),
    },
    {"map[decode].num_parallel_calls": 3, "prefetch[end].buffer_size": 2, "interleave[0].cycle_length": 1},
)


@pytest.fixture
def inspect(world: World, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Inspect:
    """Runs ``autotuner inspect`` over a made-up profile; gives standard output."""
    del world
    opened = Opened(PIPELINE.to_json(), FACTS.to_json(), Calibrated(5, 300.0, [20]), "")

    def command(*arguments: str, profiled: Profiled | Failure = PROFILED) -> str:
        runner = ReplayRunner(opened, lambda _: measurement(100.0), ceiling=Ceiling(340.0, 1.0), profiled=profiled)
        monkeypatch.setattr("autotuner.api.inspection.LocalRunner", lambda *_: runner)
        assert run(["inspect", "pipe.py:dataset_fn", *arguments]) == 0
        assert runner.closed
        return capsys.readouterr().out

    return command


def line(text: str, start: str) -> str:
    return next(shown for shown in text.splitlines() if shown.startswith(start))


def test_the_table_shows_cost_share_and_what_autotune_chose(inspect: Inspect) -> None:
    shown = inspect("pipe.py:model_fn")
    decode = line(shown, "map[decode]")
    assert decode.split()[:4] == ["map[decode]", "train.py:31", "1.9", "ms"]
    assert "███████" in decode
    assert " 70 % " in decode
    assert "40,000" in decode
    assert "calls 3" in decode
    assert decode.rstrip().endswith("random")
    assert "buffer 2" in line(shown, "prefetch[0]")
    assert "cycle 1" in line(shown, "interleave[0]")
    assert "20 µs" in line(shown, "  range[0]")


def test_what_is_not_known_is_not_guessed(inspect: Inspect) -> None:
    words = line(inspect(), "interleave[0]").split()
    assert words[:3] == ["interleave[0]", "?", "?"]
    assert "%" not in words


def test_the_bottleneck_is_one_sentence(inspect: Inspect) -> None:
    stage = "map[decode] (train.py:31) takes 70 % of the input's work: 1.9 ms of 2.7 ms per step"
    assert line(inspect(), "map[decode] (") == stage
    with_model = inspect("pipe.py:model_fn")
    assert line(with_model, "map[decode] (") == f"{stage}; the model could run 3.4x faster than it is fed"
    assert "as_written 100.0, input_only 300.0, ceiling 340.0 steps/s" in with_model


@pytest.mark.parametrize("width", [80, 120])
def test_the_table_fits_and_no_stage_is_cut_short(
    inspect: Inspect, monkeypatch: pytest.MonkeyPatch, width: int
) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TTY_COMPATIBLE", "1")
    table = inspect("pipe.py:model_fn").partition("\n\n")[0]
    plain = [re.sub(r"\x1b\[[0-9;]*m", "", shown) for shown in table.splitlines()]
    assert max(map(cell_len, plain)) <= width
    assert {"list_files[0]", "map[decode]", "batch[0]", "prefetch[0]"} <= {shown.split()[0] for shown in plain if shown}
    assert "…" not in table


def test_json_keeps_its_contract(inspect: Inspect) -> None:
    found = json.loads(inspect("pipe.py:model_fn", "--json"))
    assert found["schema"] == 1
    decode = next(op for op in found["ops"] if op["label"] == "map[decode]")
    assert decode["kind"] == "map"
    assert (decode["file"], decode["line"]) == ("/home/user/train.py", 31)
    assert decode["random"] == ["RandomUniform"]
    assert decode["seconds_per_element"] == 95e-6
    assert decode["bytes_per_element"] == 40_000.0
    assert decode["elements_per_step"] == 20.0
    assert decode["autotune_chose"] == {"num_parallel_calls": 3}
    assert [op["label"] for op in found["ops"]] == [path for path, _ in PIPELINE.walk()]
    inside = next(op for op in found["ops"] if op["label"] == "interleave[0]/range[0]")
    assert inside["seconds_per_element"] == 1e-6
    [end] = [decision for decision in found["decisions"] if decision["name"] == "prefetch[end].buffer_size"]
    assert end["autotune_chose"] == 2
    assert found["steps_per_second"] == {"as_written": 100.0, "input_only": 300.0, "ceiling": 340.0}
    assert found["waiting_share_of_step"] == pytest.approx(1 - 100 / 340)
    assert found["bottleneck"].startswith("map[decode] (train.py:31) takes 70 %")
    assert {"refused", "opaque", "decisions"} <= found.keys()


def test_without_a_model_rates_of_training_are_open(inspect: Inspect) -> None:
    found = json.loads(inspect("--json"))
    assert found["steps_per_second"] == {"as_written": None, "input_only": 300.0, "ceiling": None}
    assert found["waiting_share_of_step"] is None


def test_a_profile_that_failed_leaves_everything_else(inspect: Inspect) -> None:
    failed = Failure(FailureKind.TIMEOUT, "no end within 60 s; the worker was stopped")
    shown = inspect(profiled=failed)
    assert "reading ended early: no end within 60 s" in shown
    assert "?" in line(shown, "map[decode]")
    assert "prefetch[end].buffer_size" in shown
    assert json.loads(inspect("--json", profiled=failed))["bottleneck"] == ""


def test_the_profile_goes_through_the_pipe_unchanged() -> None:
    request = Profile({"prefetch[end].buffer_size": "AUTOTUNE"}, 2.0)
    assert request_from_line(request_to_line(request)) == request
    assert response_from_line(response_to_line(PROFILED)) == PROFILED
