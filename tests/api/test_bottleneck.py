"""The one sentence on what holds training up."""

from __future__ import annotations

import pytest

from autotuner.api.bottleneck import bottleneck, waiting_share
from autotuner.pipeline import CallSite, Op, Pipeline
from autotuner.pipeline.profile import StageCost, duration

SITE = CallSite("/home/user/train.py", 30, 31, 5)
PIPELINE = Pipeline(
    (
        Op("list_files[0]", "list_files"),
        Op("map[decode]", "map", "list_files[0]", call_site=SITE),
        Op("batch[0]", "batch", "map[decode]"),
    )
)
CACHED = PIPELINE.insert_after("map[decode]", Op("cache[0]", "cache"))
COSTS = {
    "list_files[0]": StageCost(10e-6, 60.0, 20.0),
    "map[decode]": StageCost(95e-6, 4e4, 20.0),
    "batch[0]": StageCost(0.6e-3, 8e5, 1.0),
}
STAGE = "map[decode] (train.py:31) takes 70 % of the input's work: 1.9 ms of 2.7 ms per step"
NOT_MEASURED: dict[str, float | None] = {"as_written": None, "input_only": 300.0, "ceiling": None}


def rates(as_written: float, ceiling: float) -> dict[str, float | None]:
    return {"as_written": as_written, "input_only": 300.0, "ceiling": ceiling}


def test_without_a_model_it_is_a_stage() -> None:
    assert bottleneck(PIPELINE, COSTS, NOT_MEASURED) == STAGE


def test_with_a_model_it_says_what_could_be_gained() -> None:
    assert bottleneck(PIPELINE, COSTS, rates(100.0, 340.0)) == (
        f"{STAGE}; the model could run 3.4x faster than it is fed"
    )


@pytest.mark.parametrize(("rate", "share"), [(88.0, "12 %"), (99.9, "less than 1 %"), (130.0, "less than 1 %")])
def test_a_model_that_hardly_waits_is_the_bottleneck(rate: float, share: str) -> None:
    said = bottleneck(PIPELINE, COSTS, rates(rate, 100.0))
    assert said == f"the model is the bottleneck: waiting for input takes {share} of a step"


def test_where_a_cache_keeps_the_work_each_epoch_has_its_own_bottleneck() -> None:
    costs = COSTS | {"cache[0]": StageCost(1e-6, 4e4, 20.0)}
    first, later = bottleneck(CACHED, costs, NOT_MEASURED).split("; ")
    assert first.startswith("map[decode] (train.py:31) takes 70 % of the first epoch's input work")
    assert later.startswith("batch[0] takes 97 % of the input's work in later epochs: 600 µs of 620 µs")


def test_nothing_known_is_nothing_said() -> None:
    assert bottleneck(PIPELINE, {}, NOT_MEASURED) == ""
    assert bottleneck(PIPELINE, {}, rates(10.0, 40.0)) == "the model could run 4.0x faster than it is fed"


def test_the_waiting_share_is_never_below_nothing() -> None:
    assert waiting_share(NOT_MEASURED) is None
    assert waiting_share(rates(120.0, 100.0)) == 0.0
    assert waiting_share(rates(25.0, 100.0)) == 0.75


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.0, "0.0 µs"), (4e-7, "0.4 µs"), (2e-5, "20 µs"), (0.0019, "1.9 ms"), (12.0, "12 s")]
)
def test_durations_have_a_unit_that_fits(seconds: float, shown: str) -> None:
    assert duration(seconds) == shown
