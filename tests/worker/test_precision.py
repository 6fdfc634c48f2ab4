from __future__ import annotations

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.worker.precision import chunk_rates, fastest_rate, relative_error, warm_up


def gaps(count: int, mean: float, spread: float, seed: int = 0) -> list[float]:
    rng = random.Random(seed)  # noqa: S311 - noise, not secrets
    return [mean * rng.lognormvariate(0.0, spread) for _ in range(count)]


def test_of_few_gaps_nothing_is_known() -> None:
    assert fastest_rate([1] * 3, [0.1] * 3, 0.99) == math.inf
    assert relative_error([], []) == math.inf


def test_the_true_rate_is_hardly_ever_above_the_fastest() -> None:
    missed = sum(fastest_rate([1] * 80, gaps(80, 0.1, 0.3, seed), 0.995) < 9.0 for seed in range(300))
    assert missed <= 6


def test_more_of_the_same_is_known_better() -> None:
    few, many = (relative_error([1] * count, gaps(count, 0.1, 0.3)) for count in (40, 4000))
    assert many < few / 3


@given(st.lists(st.floats(0.001, 1.0), min_size=8, max_size=200))
def test_chunks_hold_about_equal_time(seconds: list[float]) -> None:
    rates = chunk_rates([1] * len(seconds), seconds)
    assert 1 <= len(rates) <= 8
    assert min(rates) >= 0.99 / max(seconds)
    assert max(rates) <= 1.01 / min(seconds)


def test_a_slow_beginning_is_found() -> None:
    found = warm_up([*gaps(20, 0.5, 0.1), *gaps(100, 0.1, 0.1, seed=1)])
    assert 18 <= found <= 45


def test_a_fast_beginning_from_full_buffers_is_found() -> None:
    found = warm_up([*gaps(16, 0.001, 0.1), *gaps(100, 0.1, 0.1, seed=1)])
    assert 14 <= found <= 45


@pytest.mark.parametrize("seconds", [[], [0.1], [0.1, 0.2], [0.1] * 50])
def test_an_even_beginning_is_kept(seconds: list[float]) -> None:
    assert warm_up(seconds) <= len(seconds) // 2
    if len(set(seconds)) == 1:
        assert warm_up(seconds) == 0


@given(st.lists(st.floats(0.001, 10.0), max_size=300))
def test_at_most_half_is_left_out(seconds: list[float]) -> None:
    assert 0 <= warm_up(seconds) <= (len(seconds) + 1) // 2
