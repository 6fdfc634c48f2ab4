from __future__ import annotations

from dataclasses import replace

import pytest

from autotuner.measure.messages import Calibrated, Ceiling, Opened, Profiled
from autotuner.measure.outcome import Failure, FailureKind, Measurement
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.pipeline import Configuration, Facts, Op, OpFacts, Pipeline
from autotuner.pipeline.profile import StageCost
from tests.contracts import SHORT, RunnerContract, measured
from tests.search.world import measurement

STEPS = 100
PIPELINE = Pipeline(
    (
        Op("range[0]", "range", None, (("args", (6400,)),)),
        Op("map[double]", "map", "range[0]", (("num_parallel_calls", 4),)),
        Op("batch[0]", "batch", "map[double]", (("batch_size", 64),)),
    )
)
FACTS = Facts({op.label: OpFacts(cardinality=6400, element_bytes=8.0) for op in PIPELINE.ops})
OPENED = Opened(PIPELINE.to_json(), FACTS.to_json(), Calibrated(STEPS, 50.0, [64]), "")
PROFILED = Profiled({op.label: StageCost(1e-3, 8.0, 1.0) for op in PIPELINE.ops}, {"prefetch[end].buffer_size": 2})
END = "prefetch[end].buffer_size"


def timed(configuration: Configuration) -> Measurement:
    rate = 50.0 + (25.0 if configuration.get(END) else 0.0)
    return replace(measurement(rate), projected_seconds=STEPS * RunnerContract.EPOCHS / rate)


class TestReplayRunner(RunnerContract):
    @pytest.fixture
    def runner(self) -> ReplayRunner:
        return ReplayRunner(OPENED, timed, ceiling=Ceiling(90.0, 2.0), profiled=PROFILED)


def test_a_table_is_looked_up_by_effect() -> None:
    table = {Configuration({END: 2}): timed(Configuration({END: 2}))}
    runner = ReplayRunner(OPENED, table, ceiling=Ceiling(90.0, 2.0))
    with_status_quo = Configuration({"map[double].num_parallel_calls": 4, END: 2})
    assert measured(runner.measure(with_status_quo, SHORT)).steps_per_second == 75.0


def test_what_was_not_recorded_is_a_failure() -> None:
    runner = ReplayRunner(OPENED, {}, ceiling=Ceiling(90.0, 2.0))
    outcome = runner.measure(Configuration({END: 2}), SHORT)
    assert isinstance(outcome, Failure)
    assert outcome.kind is FailureKind.ERROR


def test_every_request_is_remembered() -> None:
    runner = ReplayRunner(OPENED, timed, ceiling=Ceiling(90.0, 2.0))
    runner.open()
    runner.measure_fresh([Configuration({END: 2})], SHORT)
    assert runner.asked == [("open", Configuration()), ("measure_fresh", Configuration({END: 2}))]
