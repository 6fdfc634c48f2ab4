from __future__ import annotations

import math
import random
from pathlib import Path

import pytest

from autotuner.measure.outcome import Failure, Measurement
from autotuner.measure.result import Verdict
from autotuner.pipeline import Configuration
from autotuner.search.reference import Reference, noise_note
from tests.search.world import World, real_gain


def test_one_slow_look_is_not_taken_for_drift() -> None:
    reference = Reference((10.0, 10.1, 9.9, 10.0)).looked(20.0)
    assert reference.drift == pytest.approx(1.0, abs=0.02)
    assert reference.looked(20.0).drift == pytest.approx(2.0)


def test_a_drifting_machine_is_looked_at_more_often_and_a_steady_one_less() -> None:
    drifting = steady = Reference((10.0,))
    for number in range(5):
        drifting = drifting.looked(10.0 * 1.3**number + 3.0)
        steady = steady.looked(10.0)
    assert drifting.interval_trials == 2
    assert steady.interval_trials == 24


def test_a_look_is_due_after_the_interval() -> None:
    reference = Reference((10.0,), interval_trials=2)
    assert not reference.after_trial().is_due
    assert reference.after_trial().after_trial().is_due
    assert not reference.after_trial().after_trial().looked(10.0).is_due


def test_a_noisy_machine_is_told_with_its_variation() -> None:
    assert noise_note([10.0, 10.2, 9.9, 10.1]) == ""
    assert noise_note([10.0, 20.0]) == ""
    assert "varied by 55 %" in noise_note([10.0, 20.0, 8.0, 22.0, 6.0])


class Drifting(World):
    """Twice as slow by the end of the search as at its start."""

    def drifting(self) -> World:
        calls = 0

        def speed(configuration: Configuration) -> float | Failure:
            nonlocal calls
            calls += 1
            return real_gain(configuration) / (1 + min(calls, 60) / 60)

        self.speed = speed
        return self


def test_trials_are_compared_as_if_the_machine_had_not_drifted(tmp_path: Path) -> None:
    world = Drifting(tmp_path, trials=50).drifting()
    conclusion = world.study()
    errors = []
    for record in conclusion.records[3:]:
        assert isinstance(record.outcome, Measurement)
        assert record.steady_seconds is not None
        errors.append(abs(math.log(record.steady_seconds / (1000 / real_gain(record.configuration)))))
    assert sorted(errors)[len(errors) // 2] < 0.15
    assert max(record.drift for record in conclusion.records) > 1.4
    assert conclusion.verdict is Verdict.IMPROVED


def test_a_study_on_a_noisy_machine_says_so(tmp_path: Path) -> None:
    rng = random.Random(4)  # noqa: S311 - noise, not secrets
    world = World(tmp_path, speed=lambda item: real_gain(item) * rng.lognormvariate(0.0, 0.25), trials=40)
    assert any("this machine is noisy" in note for note in world.study().notes)
    (tmp_path / "quiet").mkdir()
    assert World(tmp_path / "quiet", trials=40, noise=0.02).study().notes == ()
