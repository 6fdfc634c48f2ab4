from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.worker.spans import Epoch, NotEnoughStepsError, Rates, Reading, Span, rates_of
from autotuner.worker.stalls import stalled_seconds, stalled_starts


class Timeline:
    """Made-up clock readings: epochs, each from its steps' durations."""

    def __init__(self) -> None:
        self.now = 100.0
        self.cpu = 5.0
        self.epochs: list[Epoch] = []

    def epoch(
        self, *seconds: float, cpu_share: float = 1.0, per_reading: int = 1, complete: bool = True, pause: float = 0.0
    ) -> Timeline:
        self.now += pause  # nothing runs
        epoch = Epoch(self.now, self.cpu, complete=complete)
        for index, duration in enumerate(seconds, start=1):
            self.now += duration
            self.cpu += duration * cpu_share
            epoch.readings.append(Reading(self.now, index * per_reading, self.cpu))
        self.epochs.append(epoch)
        return self

    def rates(self, *, fills: bool = False) -> Rates:
        return rates_of(self.epochs, fills=fills)


def test_one_long_epoch_gives_its_rate_after_warm_up() -> None:
    rates = Timeline().epoch(1.0, *[0.5] * 4, *[0.1] * 20, complete=False).rates()
    assert rates.first_batch_seconds == pytest.approx(1.0)
    assert rates.first.rate == pytest.approx(10.0)
    assert rates.later == rates.first
    # Later epochs were not seen: they are taken to start like the first one.
    assert rates.projected_seconds(2, 101) == pytest.approx(2 * (1.0 + 100 * 0.1))


def test_a_cache_is_judged_by_filling_and_by_reuse() -> None:
    timeline = Timeline().epoch(1.0, *[0.2] * 9)
    for _ in range(3):
        timeline.epoch(0.3, *[0.01] * 9)
    rates = timeline.rates(fills=True)
    assert rates.first.rate == pytest.approx(5.0)
    assert rates.later.rate == pytest.approx(100.0)
    assert rates.projected_seconds(5, 10) == pytest.approx((1.0 + 9 * 0.2) + 4 * (0.3 + 9 * 0.01))


@pytest.mark.parametrize("share_before_first_batch", [0.0, 0.5, 1.0])
def test_filling_a_part_of_a_cache_is_scaled_up_whenever_it_happens(share_before_first_batch: float) -> None:
    """A shuffle behind the cache fetches its buffer, a materialised stage everything, before the first batch."""
    fill_seconds, start, step = 2.0, 0.1, 0.01
    before = share_before_first_batch * fill_seconds
    timeline = Timeline().epoch(start + before, *[step + (fill_seconds - before) / 19] * 19)
    for _ in range(3):
        timeline.epoch(start, *[step] * 19)
    rates = timeline.rates(fills=True)
    whole = start + 5 * fill_seconds + 99 * step + 9 * (start + 99 * step)
    assert rates.projected_seconds(10, 100) == pytest.approx(whole, rel=0.05)
    assert rates.time_to_first_batch_seconds(20) == pytest.approx(start + before)
    assert rates.time_to_first_batch_seconds(100) == pytest.approx(start + 5 * before)


def test_what_comes_before_the_first_batch_of_a_pipeline_without_a_cache_does_not_grow() -> None:
    rates = Timeline().epoch(2.0, *[0.01] * 19).epoch(0.1, *[0.01] * 19).epoch(0.1, *[0.01] * 19).rates()
    assert rates.time_to_first_batch_seconds(1_000) == pytest.approx(2.0)


def test_the_pause_between_epochs_belongs_to_the_start_of_the_next() -> None:
    timeline = Timeline().epoch(0.1, *[0.1] * 4)
    timeline.epoch(0.1, *[0.1] * 4, pause=0.4).epoch(0.1, *[0.1] * 4, pause=0.4)
    assert timeline.rates().epoch_start_seconds == pytest.approx(0.5)


@pytest.mark.parametrize("steps", [1, 2, 3])
def test_epochs_of_few_steps_are_measured_over_many(steps: int) -> None:
    timeline = Timeline()
    for _ in range(6):
        timeline.epoch(*[0.2] * steps)
    rates = timeline.rates()
    assert rates.later.rate == pytest.approx(5.0)
    assert rates.projected_seconds(10, steps) == pytest.approx(10 * steps * 0.2)


def test_fewer_than_three_steps_are_not_timed() -> None:
    with pytest.raises(NotEnoughStepsError, match="only 2 steps came"):
        Timeline().epoch(0.1, 0.1).rates()
    with pytest.raises(NotEnoughStepsError, match="gave no batch"):
        Timeline().epoch().rates()


def test_a_pause_with_an_idle_cpu_is_left_out_and_counted() -> None:
    timeline = Timeline().epoch(*[0.01] * 50)
    for _ in range(2):
        timeline.now += 3.0  # nothing runs
        epoch = timeline.epochs[-1]
        for _ in range(400):
            timeline.now += 0.01
            timeline.cpu += 0.01
            epoch.readings.append(Reading(timeline.now, len(epoch.readings) + 1, timeline.cpu))
        if timeline.now < 110:
            rates = timeline.rates()
            assert rates.first.stalls == 1
            assert rates.first.rate == pytest.approx(100.0)
    # Two within ten seconds are a rhythm: training will feel them.
    assert timeline.rates().first.stalls == 0


def test_bursts_from_slow_storage_are_the_pipelines_own_rhythm() -> None:
    burst = [0.6, *[0.001] * 9]
    rates = Timeline().epoch(*burst * 4, cpu_share=0.01, complete=False).rates()
    assert rates.first.stalls == 0
    assert rates.first.rate == pytest.approx(39 / (3 * 0.6 + 36 * 0.001))


def test_a_busy_pause_is_work() -> None:
    rates = Timeline().epoch(*[0.01] * 50, 2.0, *[0.01] * 50).rates()
    assert rates.first.stalls == 0
    assert rates.first.seconds == pytest.approx(99 * 0.01 + 2.0)


def test_compiling_for_the_last_small_batch_is_left_out() -> None:
    rates = Timeline().epoch(*[0.01] * 50, 2.0).epoch(*[0.01] * 51).rates()
    assert rates.first.rate == pytest.approx(100.0)
    assert rates.first.stalls == 0


def test_several_steps_in_one_execution_count_as_many() -> None:
    rates = Timeline().epoch(*[0.8] * 4, per_reading=8).epoch(*[0.8] * 4, per_reading=8).rates()
    assert rates.first.rate == pytest.approx(10.0)
    assert rates.projected_seconds(2, 32) == pytest.approx(2 * 4 * 0.8)


@given(
    st.lists(st.floats(0.001, 0.4), min_size=4, max_size=30),
    st.integers(2, 6),
    st.integers(1, 20),
)
def test_a_projection_of_what_was_seen_is_what_was_seen(durations: list[float], epochs: int, more: int) -> None:
    timeline = Timeline()
    for _ in range(epochs):
        timeline.epoch(*durations)
    rates = timeline.rates()
    one = math.fsum(durations)
    assert rates.projected_seconds(epochs, len(durations)) == pytest.approx(epochs * one)
    assert rates.projected_seconds(epochs + more, len(durations)) == pytest.approx((epochs + more) * one)


@pytest.mark.parametrize("later", [2, 3, 5])
def test_an_idle_start_far_above_the_others_is_a_stall(later: int) -> None:
    timeline = Timeline().epoch(*[0.03] * 10)
    for number in range(later):
        timeline.epoch(*[0.03] * 10, pause=1.25 if number == later // 2 else 0.0)
    rates = timeline.rates()
    assert rates.epoch_start_seconds == pytest.approx(0.03)
    assert rates.stalls == 1
    assert rates.projected_seconds(10, 10) == pytest.approx(10 * 0.3)


def test_starts_that_are_always_slow_are_the_pipelines_own() -> None:
    timeline = Timeline().epoch(*[0.03] * 10)
    for _ in range(3):
        timeline.epoch(*[0.03] * 10, pause=1.25)
    rates = timeline.rates()
    assert rates.epoch_start_seconds == pytest.approx(1.28)
    assert rates.stalls == 0


def test_a_busy_start_is_work() -> None:
    timeline = Timeline().epoch(*[0.03] * 10)
    timeline.epoch(*[0.03] * 10).epoch(1.3, *[0.03] * 9)
    rates = timeline.rates()
    assert rates.epoch_start_seconds == pytest.approx((0.03 + 1.3) / 2)
    assert rates.stalls == 0


def test_of_one_start_nothing_can_be_told() -> None:
    assert stalled_starts([(1.3, 0.0)]) == []
    assert stalled_starts([(1.3, 0.0), (0.02, 0.02)]) == [1.3]


def test_a_fit_that_stands_still_before_its_first_step_is_told_from_one_that_fills_a_cache() -> None:
    def timeline() -> Timeline:
        made = Timeline()
        made.epoch(*[0.03] * 10)
        made.epochs[0].started_seconds -= 1.5
        return made.epoch(*[0.03] * 10).epoch(*[0.03] * 10)

    assert timeline().rates().first_batch_seconds == pytest.approx(0.03)
    assert timeline().rates().stalls == 1
    assert timeline().rates(fills=True).first_batch_seconds == pytest.approx(1.53)


def test_epochs_of_one_step_can_stall_too() -> None:
    timeline = Timeline()
    for number in range(8):
        timeline.epoch(0.1, pause=2.0 if number == 5 else 0.0)
    rates = timeline.rates()
    assert rates.later.rate == pytest.approx(10.0)
    assert rates.projected_seconds(10, 1) == pytest.approx(1.0)


def test_no_gaps_no_stalls() -> None:
    assert stalled_seconds([]) == []
    assert stalled_starts([]) == []
    assert Span(((4, 0.5), (6, 1.5)), 0.0).rate == 5.0


def test_warm_up_is_left_out_of_an_epoch_that_was_not_seen_whole() -> None:
    steps = [*[0.5] * 4, *[0.1] * 20]
    assert Timeline().epoch(1.0, *steps, complete=False).rates().first.rate == pytest.approx(10.0)
    assert Timeline().epoch(1.0, *steps).rates().first.rate == pytest.approx(24 / 4.0)


def test_the_least_a_training_can_take_is_below_what_is_projected_and_grows_with_what_is_seen() -> None:
    seconds = [0.08, 0.12, 0.1, 0.09, 0.11] * 8
    few = Timeline().epoch(0.1, *seconds[:10], complete=False).rates()
    many = Timeline().epoch(0.1, *seconds, complete=False).rates()
    least = [rates.least_seconds(10, 100, 0.995) for rates in (few, many)]
    assert least[0] < least[1] < many.projected_seconds(10, 100)
    # How later epochs start was not seen: nothing is assumed of it.
    assert least[1] > 0.8 * 10 * 99 * 0.1


def test_a_filling_epoch_counts_as_it_was() -> None:
    timeline = Timeline().epoch(*[0.5] * 10)
    for _ in range(8):
        timeline.epoch(*[0.01, 0.012] * 5)
    least = timeline.rates(fills=True).least_seconds(10, 10, 0.995)
    assert 5.0 < least < 5.0 + 9 * 10 * 0.011 + 0.1
