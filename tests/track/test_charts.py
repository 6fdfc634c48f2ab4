from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from autotuner.track.charts import History, contestant_bars, trial_history
from tests.track.made_up import failed, measured, study_trials


def best_rates(history: History) -> list[float]:
    return [float(point.split(",")[1]) for point in history.best.split()]


@given(st.dictionaries(st.text(max_size=5), st.floats(0, 1e6), max_size=6))
def test_bars_keep_proportion_and_room(rates: dict[str, float]) -> None:
    chart = contestant_bars(rates)
    assert [bar.name for bar in chart.bars] == list(rates)
    for bar in chart.bars:
        assert 0 <= bar.width <= chart.width - chart.left
        assert 0 <= bar.y <= chart.height - chart.thickness


@given(st.integers(1, 60), st.none() | st.floats(0.1, 1e5))
def test_every_mark_is_inside_the_chart(count: int, ceiling: float | None) -> None:
    history = trial_history(study_trials(max(count, 3)), ceiling)
    for mark in history.marks:
        assert history.left <= mark.x <= history.right
        assert history.top <= mark.y <= history.bottom
    for tick in history.y_ticks:
        assert history.top <= tick.at <= history.bottom
    assert history.ceiling is None or history.top <= history.ceiling <= history.bottom


def test_the_best_line_only_climbs() -> None:
    rates = best_rates(trial_history(study_trials(80), 228.0))
    assert rates == sorted(rates, reverse=True)


def test_order_of_the_trials_does_not_matter() -> None:
    trials = study_trials(30)
    assert trial_history(trials[::-1], None) == trial_history(trials, None)


def test_a_far_ceiling_does_not_flatten_the_trials() -> None:
    assert trial_history([measured(0)], 10_000.0).ceiling is None


def test_only_failures() -> None:
    history = trial_history([failed(0), failed(1)], None)
    assert [mark.kind for mark in history.marks] == ["failure", "failure"]
    assert history.best == ""
