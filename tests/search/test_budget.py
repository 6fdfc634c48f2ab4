from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.errors import UsageError
from autotuner.search.budget import Budget, parse_duration


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90.0), ("90s", 90.0), ("10m", 600.0), ("1h30m", 5400.0), ("1.5h", 5400.0), (30, 30.0)]
)
def test_durations(text: str | float, seconds: float) -> None:
    assert parse_duration(text) == seconds


@pytest.mark.parametrize("text", ["-5", "0", "0s", "soon", "", "10 m", "5x", "nan", "inf", -1.0])
def test_what_is_no_duration_is_refused(text: str | float) -> None:
    with pytest.raises(UsageError, match="timeout"):
        parse_duration(text)


@given(timeout=st.floats(1, 1e5), reserve=st.floats(0, 1e6), spent=st.floats(0, 1e5), step=st.floats(0.1, 100))
def test_no_trial_is_started_that_would_eat_the_confirmation(
    timeout: float, reserve: float, spent: float, step: float
) -> None:
    budget = Budget(timeout, None, clock=lambda: 0.0)
    budget.resume_after(spent)
    budget.reserve(reserve)
    if budget.allows(0, step):
        assert spent + step <= timeout - min(reserve, 0.65 * timeout) + 1e-6


def test_zero_trials_is_refused() -> None:
    with pytest.raises(UsageError, match="0 trials"):
        Budget(None, 0)


def test_a_search_has_its_share_of_a_short_timeout() -> None:
    now = 0.0
    budget = Budget(timeout_seconds=100, trials=None, clock=lambda: now)
    now = 40.0
    budget.start_search()
    budget.reserve(1000.0)
    assert budget.allows(3, 20.0)
    now = 62.0
    assert not budget.allows(3, 1.0)
    assert budget.left_seconds == 38.0
