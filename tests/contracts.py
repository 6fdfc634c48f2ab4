"""What every implementation of a role must do, as classes of tests to inherit from."""

from __future__ import annotations

import math

import pytest

from autotuner.measure.messages import Ceiling, Profiled, Timing
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.runner import FreshRunner, Runner
from autotuner.pipeline import Configuration, Facts, Pipeline
from autotuner.rewrites import find_sites

SHORT = Timing(window_seconds=0.2, longest_seconds=0.4, fill_seconds=0.2)


def measured(outcome: Outcome) -> Measurement:
    assert isinstance(outcome, Measurement), outcome
    return outcome


def fresh_outcome(runner: FreshRunner, configuration: Configuration) -> Outcome:
    (outcome,) = runner.measure_fresh([configuration], SHORT)
    return outcome


class RunnerContract:
    """Inherit, and give a fixture ``runner`` over a pipeline that offers ``prefetch[end].buffer_size``.

    ``EPOCHS`` is what the runner was asked to project to.
    """

    EPOCHS = 3

    def test_opens_to_a_pipeline_with_facts_and_a_length(self, runner: Runner) -> None:
        opened = runner.open()
        pipeline = Pipeline.from_json(opened.pipeline)
        decisions, _ = find_sites(pipeline, Facts.from_json(opened.facts))
        assert "prefetch[end].buffer_size" in {decision.name for decision in decisions}
        assert opened.calibrated.steps_per_epoch > 0

    def test_the_ceiling_is_a_rate(self, runner: Runner) -> None:
        runner.open()
        ceiling = runner.ceiling(SHORT)
        assert isinstance(ceiling, Ceiling)
        assert 0 < ceiling.steps_per_second < math.inf

    def test_the_profile_tells_what_each_op_costs_and_what_autotune_chose(self, runner: Runner) -> None:
        pipeline = Pipeline.from_json(runner.open().pipeline)
        profiled = runner.profile(Configuration({"prefetch[end].buffer_size": "AUTOTUNE"}))
        assert isinstance(profiled, Profiled), profiled
        assert not profiled.stopped_by
        assert profiled.costs.keys() == {path for path, _ in pipeline.walk()}
        assert all((cost.seconds_per_step or 0.0) > 0 for cost in profiled.costs.values())
        assert profiled.autotune_chose.keys() == {"prefetch[end].buffer_size"}
        assert profiled.autotune_chose["prefetch[end].buffer_size"] >= 0

    def test_the_status_quo_is_measured_warm_and_fresh(self, runner: Runner) -> None:
        steps = runner.open().calibrated.steps_per_epoch
        warm = measured(runner.measure(Configuration(), SHORT))
        fresh = measured(fresh_outcome(runner, Configuration()))
        assert warm.structure == fresh.structure
        for measurement in (warm, fresh):
            assert math.isclose(
                measurement.steps_per_second * measurement.projected_seconds, steps * self.EPOCHS, rel_tol=1e-6
            )

    def test_the_time_of_every_timed_window_is_added_up(self, runner: Runner) -> None:
        runner.open()
        before = runner.timed_seconds
        ceiling = runner.ceiling(SHORT)
        warm = measured(runner.measure(Configuration(), SHORT))
        fresh = measured(fresh_outcome(runner, Configuration()))
        assert isinstance(ceiling, Ceiling)
        added = ceiling.timed_seconds + warm.timed_seconds + fresh.timed_seconds
        assert math.isclose(runner.timed_seconds - before, added, rel_tol=1e-9)

    def test_a_change_is_measured(self, runner: Runner) -> None:
        runner.open()
        assert measured(runner.measure(Configuration({"prefetch[end].buffer_size": 3}), SHORT)).projected_seconds > 0

    def test_what_is_not_offered_is_illegal_and_harms_nothing(self, runner: Runner) -> None:
        runner.open()
        nobody = Configuration({"map[nobody].num_parallel_calls": 2})
        for refused in (runner.measure(nobody, SHORT), fresh_outcome(runner, nobody)):
            assert isinstance(refused, Failure)
            assert refused.kind is FailureKind.ILLEGAL
            assert "map[nobody].num_parallel_calls" in refused.message
        measured(runner.measure(Configuration(), SHORT))

    def test_several_are_measured_fresh_each_with_its_own_outcome(self, runner: Runner) -> None:
        runner.open()
        asked = [Configuration({"prefetch[end].buffer_size": 2}), Configuration({"map[nobody].fuse": True})]
        before = runner.timed_seconds
        first, refused, again = runner.measure_fresh([*asked, Configuration()], SHORT)
        measured(first)
        measured(again)
        assert isinstance(refused, Failure)
        assert refused.kind is FailureKind.ILLEGAL
        assert runner.timed_seconds > before

    def test_two_are_measured_beside_each_other(self, runner: Runner) -> None:
        runner.open()
        before = runner.timed_seconds
        first, second = runner.measure_beside(Configuration({"prefetch[end].buffer_size": 2}), Configuration(), SHORT)
        added = measured(first).timed_seconds + measured(second).timed_seconds
        assert math.isclose(runner.timed_seconds - before, added, rel_tol=1e-9)
        refused, _ = runner.measure_beside(Configuration({"map[nobody].fuse": True}), Configuration(), SHORT)
        assert isinstance(refused, Failure)
        assert refused.kind is FailureKind.ILLEGAL
        measured(runner.measure(Configuration(), SHORT))
        for outcome in runner.measure_beside(Configuration(), Configuration(), SHORT):
            measured(outcome)

    @pytest.fixture
    def closable(self, runner: Runner) -> Runner:
        """A runner that no other test needs afterwards."""
        return runner

    def test_closing_twice_is_closing_once(self, closable: Runner) -> None:
        closable.close()
        closable.close()
