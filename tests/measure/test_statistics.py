from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.measure.statistics import coefficient_of_variation, paired_ratio

TIMES = st.floats(1e-3, 1e3)
PAIRS = st.lists(st.tuples(TIMES, TIMES), min_size=2, max_size=12)


@given(PAIRS)
def test_the_inverse_ratio_has_the_inverse_interval(pairs: list[tuple[float, float]]) -> None:
    tops, bottoms = zip(*pairs, strict=True)
    one, other = paired_ratio(tops, bottoms), paired_ratio(bottoms, tops)
    for mine, theirs in ((one.low, other.high), (one.estimate, other.estimate), (one.high, other.low)):
        # Wide intervals reach infinity and zero.
        assert mine == pytest.approx(1 / theirs if theirs else math.inf)


@given(PAIRS)
def test_the_estimate_lies_in_its_interval(pairs: list[tuple[float, float]]) -> None:
    tops, bottoms = zip(*pairs, strict=True)
    interval = paired_ratio(tops, bottoms)
    assert interval.low <= interval.estimate <= interval.high


@given(PAIRS, st.floats(0.1, 10))
def test_a_slow_round_slows_both_sides_and_changes_nothing(pairs: list[tuple[float, float]], drift: float) -> None:
    tops, bottoms = zip(*pairs, strict=True)
    drifted = [drift**index for index in range(len(pairs))]
    one = paired_ratio(tops, bottoms)
    other = paired_ratio(
        [a * d for a, d in zip(tops, drifted, strict=True)], [b * d for b, d in zip(bottoms, drifted, strict=True)]
    )
    assert other.estimate == pytest.approx(one.estimate, rel=1e-6)


@given(PAIRS)
def test_more_confidence_is_a_wider_interval(pairs: list[tuple[float, float]]) -> None:
    tops, bottoms = zip(*pairs, strict=True)
    narrow, wide = paired_ratio(tops, bottoms, confidence=0.8), paired_ratio(tops, bottoms, confidence=0.99)
    assert wide.low <= narrow.low
    assert narrow.high <= wide.high


@pytest.mark.parametrize("rounds", [3, 5, 10])
def test_the_interval_holds_the_truth_19_times_in_20(rounds: int) -> None:
    draw = np.random.default_rng(rounds)
    truth, held, studies = 1.3, 0, 2_000
    for _ in range(studies):
        drift = draw.lognormal(0, 0.3, rounds)
        tops = truth * drift * draw.lognormal(0, 0.05, rounds)
        bottoms = drift * draw.lognormal(0, 0.05, rounds)
        interval = paired_ratio(tops.tolist(), bottoms.tolist())
        held += interval.low <= truth <= interval.high
    assert 0.93 <= held / studies <= 0.97


def test_one_pair_is_no_interval() -> None:
    with pytest.raises(ValueError, match="two pairs"):
        paired_ratio([1.0], [2.0])


@pytest.mark.parametrize("wrong", [0.0, -1.0, math.nan, math.inf])
def test_numbers_that_are_not_positive_are_refused(wrong: float) -> None:
    for pair in (([1.0, wrong], [2.0, 2.0]), ([2.0, 2.0], [1.0, wrong])):
        with pytest.raises(ValueError, match="positive"):
            paired_ratio(*pair)


def test_spread_relative_to_the_mean() -> None:
    assert coefficient_of_variation([9.0, 10.0, 11.0]) == pytest.approx(0.1)
    assert coefficient_of_variation([9.0]) == 0.0
