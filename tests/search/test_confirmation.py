from __future__ import annotations

import math
import random
from collections.abc import Mapping, Sequence

import pytest

from autotuner.measure.messages import Ceiling, Timing
from autotuner.measure.outcome import Measurement, Outcome
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.measure.result import Verdict
from autotuner.pipeline import Configuration
from autotuner.search.confirmation import MOST_ROUNDS, ROUNDS, Confirmation, Contestant, confirm, decide
from tests.search.world import OPENED, failure, measurement

END = "prefetch[end].buffer_size"


class Kept:
    def __init__(self) -> None:
        self.rounds: list[dict[str, Measurement]] = []

    def load(self) -> list[dict[str, Measurement]]:
        return [dict(row) for row in self.rounds]

    def save(self, rounds: Sequence[Mapping[str, Measurement]]) -> None:
        self.rounds = [dict(row) for row in rounds]


def contestants(*buffers: int) -> list[Contestant]:
    return [
        Contestant("as_written", Configuration(), finalist=False),
        *(Contestant(f"trial {buffer}", Configuration({END: buffer}), finalist=True) for buffer in buffers),
    ]


def run(
    speeds: Mapping[int, float], field: list[Contestant], *, noise: float = 0.01, drift: float = 0.0
) -> Confirmation:
    rng = random.Random(3)  # noqa: S311 - noise, not secrets
    calls = 0

    def outcome(configuration: Configuration) -> Outcome:
        nonlocal calls
        calls += 1
        rate = speeds[int(configuration.get(END) or 0)] * (1 + drift * math.sin(calls / 40))
        return measurement(rate * rng.lognormvariate(0.0, noise)) if rate else failure()

    runner = ReplayRunner(OPENED, outcome, ceiling=Ceiling(300.0, 1.0))
    return confirm(runner, field, Timing(), rounds=Kept(), may_extend=lambda: True, measured=lambda _a, _b: None)


def test_five_rounds_are_enough_for_a_clear_gain() -> None:
    field = contestants(2)
    confirmation = run({0: 50.0, 2: 100.0}, field)
    decided = decide(confirmation, field)
    assert len(confirmation.rounds) == ROUNDS
    assert decided.verdict is Verdict.IMPROVED
    assert decided.over == "as_written"


def test_an_open_question_gets_more_rounds_and_then_no_claim() -> None:
    field = contestants(2)
    confirmation = run({0: 50.0, 2: 51.5}, field, noise=0.06)
    assert len(confirmation.rounds) == MOST_ROUNDS
    assert decide(confirmation, field).verdict is not Verdict.IMPROVED


def test_drift_that_moves_both_sides_does_not_hide_a_gain() -> None:
    field = contestants(2)
    decided = decide(run({0: 50.0, 2: 65.0}, field, noise=0.01, drift=0.4), field)
    assert decided.verdict is Verdict.IMPROVED
    assert decided.speedup is not None
    assert decided.speedup.low < 1.3 < decided.speedup.high


def test_a_loss_keeps_the_baseline() -> None:
    field = contestants(2)
    assert decide(run({0: 50.0, 2: 40.0}, field), field).verdict is Verdict.KEEP_BASELINE


def test_a_finalist_far_behind_is_not_measured_to_the_end() -> None:
    field = contestants(2, 4)
    confirmation = run({0: 50.0, 2: 100.0, 4: 70.0}, field)
    assert sum("trial 4" in row for row in confirmation.rounds) == 2
    assert decide(confirmation, field).winner == field[1]


def test_a_finalist_that_fails_twice_leaves() -> None:
    field = contestants(2, 4)
    confirmation = run({0: 50.0, 2: 100.0, 4: 0.0}, field)
    assert not confirmation.complete("trial 4")
    assert decide(confirmation, field).verdict is Verdict.IMPROVED


def test_without_a_measured_baseline_nothing_is_claimed() -> None:
    field = contestants(2)
    decided = decide(run({0: 0.0, 2: 100.0}, field), field)
    assert decided.verdict is Verdict.INCONCLUSIVE
    assert decided.speedup is None


def test_the_order_turns_from_round_to_round() -> None:
    asked: list[int] = []

    def outcome(configuration: Configuration) -> Outcome:
        asked.append(int(configuration.get(END) or 0))
        return measurement(50.0)

    runner = ReplayRunner(OPENED, outcome, ceiling=Ceiling(300.0, 1.0))
    confirm(runner, contestants(2), Timing(), rounds=Kept(), may_extend=lambda: False, measured=lambda _a, _b: None)
    assert asked[:4] == [0, 2, 2, 0]


def test_more_finalists_make_the_interval_wider() -> None:
    field = contestants(2)
    confirmation = run({0: 50.0, 2: 100.0}, field, noise=0.05)
    one = confirmation.speedup("trial 2", "as_written")
    three = confirmation.speedup("trial 2", "as_written", comparisons=3)
    assert three.estimate == pytest.approx(one.estimate)
    assert three.low < one.low < one.estimate < one.high < three.high


@pytest.mark.parametrize("noise", [0.01, 0.05, 0.15])
@pytest.mark.parametrize("finalists", [1, 3])
def test_a_pipeline_is_hardly_ever_called_faster_than_itself(noise: float, finalists: int) -> None:
    rng = random.Random(5)  # noqa: S311 - noise, not secrets

    class Noisy:
        def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
            del timing
            return [measurement(50.0 * rng.lognormvariate(0.0, noise)) for _ in configurations]

    field = contestants(*range(1, finalists + 1))
    claimed = 0
    for _ in range(500):
        confirmation = confirm(
            Noisy(), field, Timing(), rounds=Kept(), may_extend=lambda: True, measured=lambda _a, _b: None
        )
        claimed += decide(confirmation, field).verdict is Verdict.IMPROVED
    assert claimed <= 0.05 * 500
