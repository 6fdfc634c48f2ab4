from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from autotuner.errors import StudyError, UserCodeError
from autotuner.machine import Machine
from autotuner.measure.outcome import Failure, FailureKind
from autotuner.measure.result import Verdict
from autotuner.pipeline import AUTOTUNE, Configuration, Pipeline
from tests.search.world import CEILING, OPENED, PIPELINE, Heard, World, failure, no_gain, real_gain


def searched(world: World) -> int:
    """Runs the study; how often it measured before it undid anything."""
    runner = world.runner()

    class Counting(Heard):
        def phase_started(self, phase: str) -> None:
            super().phase_started(phase)
            if phase == "ablate":
                counts.append(sum(method == "measure" for method, _ in runner.asked))

    counts: list[int] = []
    world.heard = Counting()
    world.study(runner)
    return counts[0]


def looks(world: World) -> int:
    """How often the reference was measured again."""
    stored = world.store().recall("reference")
    return len(stored["seconds"]) - 1 if stored else 0


def test_a_real_gain_is_found_confirmed_and_claimed_against_the_best_baseline(tmp_path: Path) -> None:
    conclusion = World(tmp_path, noise=0.02).study()
    assert conclusion.verdict is Verdict.IMPROVED
    assert conclusion.winner["cache.after"] == "map[decode]"
    assert conclusion.best_baseline in {"autotune", "cores"}
    speedup = conclusion.decided.speedup
    assert speedup is not None
    assert speedup.low < 2.0 / 1.4 < speedup.high
    assert speedup.low > 1.02


def test_the_baselines_are_the_first_three_trials(tmp_path: Path) -> None:
    world = World(tmp_path)
    world.study()
    first = world.heard.trials[:3]
    assert [trial.number for trial in first] == [0, 1, 2]
    assert [trial.role for trial in first] == ["as_written", "autotune", "cores"]
    assert first[0].configuration == Configuration()
    assert first[1].configuration["map[decode].num_parallel_calls"] == AUTOTUNE
    assert first[1].configuration["prefetch[end].buffer_size"] == AUTOTUNE
    assert first[2].configuration["map[augment].num_parallel_calls"] == 2
    assert first[2].configuration["prefetch[end].buffer_size"] == 2


def test_where_nothing_is_to_gain_the_users_pipeline_is_kept(tmp_path: Path) -> None:
    conclusion = World(tmp_path, speed=no_gain, noise=0.05).study()
    assert conclusion.verdict in {Verdict.KEEP_BASELINE, Verdict.INCONCLUSIVE}
    assert conclusion.winner == Configuration()


def test_false_claims_are_rare_on_a_noisy_machine(tmp_path: Path) -> None:
    claims = 0
    for seed in range(20):
        folder = tmp_path / str(seed)
        folder.mkdir()
        conclusion = World(folder, speed=no_gain, noise=0.05, trials=10, seed=seed).study()
        claims += conclusion.verdict is Verdict.IMPROVED
    assert claims <= 2


def test_a_pipeline_at_the_ceiling_ends_after_the_baselines(tmp_path: Path) -> None:
    world = World(tmp_path, speed=lambda _: 0.99 * CEILING)
    conclusion = world.study()
    assert conclusion.verdict is Verdict.KEEP_BASELINE
    assert "the model is the bottleneck" in conclusion.reason
    assert world.heard.phases == ["prepare", "baselines"]
    assert len(conclusion.records) == 3


@pytest.mark.parametrize(("looks", "at_ceiling"), [((0.9, 0.98, 0.99), True), ((0.98, 0.8, 0.85), False)])
def test_what_looks_like_the_ceiling_is_looked_at_again(
    tmp_path: Path,
    looks: tuple[float, ...],
    at_ceiling: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    rates = iter([looks[0]] * 3 + [*looks[1:]] + [0.5] * 100)
    conclusion = World(tmp_path, speed=lambda _: next(rates) * CEILING, trials=6).study()
    assert ("the model is the bottleneck" in conclusion.reason) == at_ceiling
    assert len(conclusion.records) == (3 if at_ceiling else 6)


def test_the_search_stops_at_the_ceiling(tmp_path: Path) -> None:
    def speed(configuration: Configuration) -> float:
        return CEILING if configuration.get("cache.after") else 50.0

    conclusion = World(tmp_path, speed=speed, trials=50).study()
    assert len(conclusion.records) == 4
    assert conclusion.verdict is Verdict.IMPROVED


def test_the_same_effective_pipeline_is_never_measured_twice(tmp_path: Path) -> None:
    world = World(tmp_path, trials=40)
    assert searched(world) == 40 + looks(world)
    signatures = {trial.configuration.digest() for trial in world.heard.trials}
    assert len(signatures) == len(world.heard.trials)


def test_trials_are_bounded(tmp_path: Path) -> None:
    assert len(World(tmp_path, trials=7).study().records) == 7


def test_a_failing_trial_is_kept_and_the_study_goes_on(tmp_path: Path) -> None:
    def speed(configuration: Configuration) -> float | Failure:
        if configuration.get("options.deterministic") is False:
            return failure(FailureKind.CRASH)
        return real_gain(configuration)

    conclusion = World(tmp_path, speed=speed).study()
    assert conclusion.counts.failed >= 1
    assert conclusion.verdict is Verdict.IMPROVED


def test_what_is_not_equivalent_is_counted_and_never_wins(tmp_path: Path) -> None:
    def speed(configuration: Configuration) -> float | Failure:
        return failure(FailureKind.NOT_EQUIVALENT) if configuration.get("cache.after") else real_gain(configuration)

    conclusion = World(tmp_path, speed=speed).study()
    assert conclusion.counts.not_equivalent >= 1
    assert "cache.after" not in conclusion.winner


def test_a_pipeline_that_fails_as_written_ends_the_study_with_the_users_traceback(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match="as written does not train") as caught:
        World(tmp_path, speed=lambda _: failure()).study()
    assert caught.value.user_traceback == "Traceback: …"


def test_repeating_the_command_loses_and_repeats_nothing(tmp_path: Path) -> None:
    first = World(tmp_path, trials=8).study()
    again = World(tmp_path, trials=14)
    before = looks(again)
    assert searched(again) == 6 + looks(again) - before
    second = World(tmp_path, trials=14).study()
    assert second.records[:8] == first.records
    assert [record.number for record in second.records] == sorted({record.number for record in second.records})
    assert len(second.records) == 14
    assert again.heard.earlier == [first.records]


def test_an_interrupted_trial_is_lost_alone(tmp_path: Path) -> None:
    calls = 0

    def speed(configuration: Configuration) -> float:
        nonlocal calls
        calls += 1
        if calls == 5:
            raise KeyboardInterrupt
        return real_gain(configuration)

    with pytest.raises(KeyboardInterrupt):
        World(tmp_path, speed=speed).study()
    conclusion = World(tmp_path, trials=12).study()
    assert len(conclusion.records) == 12
    assert {"as_written", "autotune", "cores", "guess"} <= {record.role for record in conclusion.records}
    guesses = [record for record in conclusion.records if record.role == "guess"]
    (tmp_path / "whole").mkdir()
    expected = [record for record in World(tmp_path / "whole").study().records if record.role == "guess"]
    assert {record.configuration.digest() for record in guesses} == {item.configuration.digest() for item in expected}


def test_an_interrupted_confirmation_goes_on_where_it_stopped(tmp_path: Path) -> None:
    world, kept = World(tmp_path, trials=8), list[int]()

    class Interrupting(Heard):
        def confirmation_round_finished(self, done: int, planned: int) -> None:
            super().confirmation_round_finished(done, planned)
            kept.append(done)
            if done >= 4:
                raise KeyboardInterrupt

    world.heard = Interrupting()
    with pytest.raises(KeyboardInterrupt):
        world.study()
    again = World(tmp_path, trials=8)
    runner = again.runner()
    conclusion = again.study(runner)
    fresh = [configuration for method, configuration in runner.asked if method == "measure_fresh"]
    measured = sum(len(row) for row in conclusion.confirmation.rounds)
    assert len(fresh) == measured - kept[-1]
    assert conclusion.verdict is Verdict.IMPROVED


def test_every_timed_window_of_every_run_is_counted(tmp_path: Path) -> None:
    first = World(tmp_path, trials=8)
    runner = first.runner()
    timed = first.study(runner).timed_seconds
    timed_methods = {"measure", "measure_fresh", "ceiling"}
    assert timed == 2.0 * sum(method in timed_methods for method, _ in runner.asked)
    again = World(tmp_path, trials=14)
    resumed = again.runner()
    assert again.study(resumed).timed_seconds == timed + resumed.timed_seconds


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ({"machine": Machine(cores=4, memory_bytes=16 << 30)}, "machine"),
        (
            {"opened": dataclasses.replace(OPENED, pipeline=Pipeline(PIPELINE.ops[:3]).to_json())},
            "pipeline",
        ),
        ({"preset": "quick"}, "search space"),
    ],
)
def test_a_study_of_something_else_is_refused(tmp_path: Path, change: dict[str, object], what: str) -> None:
    World(tmp_path, trials=4).study()
    with pytest.raises(StudyError, match=what):
        dataclasses.replace(World(tmp_path), **change).study()  # type: ignore[arg-type]


def test_a_damaged_database_is_named(tmp_path: Path) -> None:
    (tmp_path / "study.db").write_bytes(b"this is no database" * 100)
    with pytest.raises(StudyError, match="damaged") as caught:
        World(tmp_path).study()
    assert "study.db" in caught.value.hint
