from __future__ import annotations

import itertools
import random

import pytest

from autotuner.measure.messages import Calibrated
from autotuner.search.ceiling import costs_nothing, is_at_ceiling


class Looks:
    """Rates of a baseline and a ceiling as a busy machine shows them: never more than they are."""

    def __init__(self, share: float, busy: float = 0.0, seed: int = 0) -> None:
        self._share, self._busy, self._random = share, busy, random.Random(seed)  # noqa: S311 - noise, not secrets
        self.count = 0

    def __call__(self) -> tuple[float, float]:
        self.count += 1
        return self._slowed(100.0 * self._share), self._slowed(100.0)

    def _slowed(self, rate: float) -> float:
        return rate * (1 - self._busy * self._random.random() ** 2)


@pytest.mark.parametrize(
    ("input_rate", "first_batch_seconds", "expected"), [(5000.0, 0.0, True), (5000.0, 0.1, False), (1000.0, 0.0, False)]
)
def test_an_input_that_takes_hardly_any_time_leaves_the_model_as_the_bottleneck(
    input_rate: float, first_batch_seconds: float, *, expected: bool
) -> None:
    calibrated = Calibrated(40, input_rate, [64], time_to_first_batch_seconds=first_batch_seconds)
    assert costs_nothing(calibrated, ceiling_steps_per_second=50.0) is expected


def test_a_quiet_machine_is_looked_at_three_times() -> None:
    for share, expected in ((0.99, True), (0.94, False)):
        looks = Looks(share)
        assert is_at_ceiling(share, looks) is expected
        assert looks.count == 3


def test_a_baseline_far_away_is_not_looked_at() -> None:
    looks = Looks(0.5)
    assert not is_at_ceiling(0.5, looks)
    assert looks.count == 0


def test_a_busy_machine_does_not_hide_that_the_model_is_the_bottleneck() -> None:
    found = [is_at_ceiling(0.8, Looks(1.0, busy=0.4, seed=seed)) for seed in range(200)]
    assert sum(found) >= 180


def test_a_busy_machine_does_not_make_a_bottleneck_of_the_model() -> None:
    found = [is_at_ceiling(0.8, Looks(0.85, busy=0.4, seed=seed)) for seed in range(200)]
    assert sum(found) <= 10


def test_the_looks_end_where_no_rate_comes_twice() -> None:
    rates = itertools.count(1)
    looks = 0

    def rising() -> tuple[float, float]:
        nonlocal looks
        looks += 1
        rate = 2.0 ** next(rates)
        return rate, rate

    assert is_at_ceiling(1.0, rising)
    assert looks == 8


@pytest.mark.parametrize("after", [0, 2])
def test_a_baseline_that_fails_is_not_at_the_ceiling(after: int) -> None:
    count = itertools.count()
    assert not is_at_ceiling(1.0, lambda: (100.0, 100.0) if next(count) < after else None)
