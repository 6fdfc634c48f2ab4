from __future__ import annotations

import dataclasses
import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from autotuner.machine import Machine
from autotuner.pipeline import AUTOTUNE, DecisionValue
from autotuner.rewrites.base import Decision, Preserves
from autotuner.space.domain import LINEAR_VALUES, Extent, allowed_values, distinct, is_number, same


def values_of(extent: Extent, status_quo: DecisionValue = None, cores: int = 1) -> tuple[DecisionValue, ...]:
    decision = Decision("map[f].num_parallel_calls", "map.num_parallel_calls", status_quo, Preserves.SEQUENCE)
    return allowed_values(decision, extent, Machine(cores, 1))


@pytest.mark.parametrize(
    ("extent", "status_quo", "cores", "expected"),
    [
        (Extent(low=1, high=32, log=True), None, 1, (1, 2, 4, 8, 16, 32, None)),
        (Extent(low=1, high=24, log=True), None, 1, (1, 2, 4, 8, 16, 24, None)),
        (Extent(low=0, high=4, log=True), 0, 1, (0, 1, 2, 4)),
        (Extent(low=0, high=0, log=True), 3, 1, (0, 3)),
        (
            Extent(unit="cores", low=0.5, high=8, log=True, special=(AUTOTUNE,)),
            None,
            2,
            (1, 2, 4, 8, 16, AUTOTUNE, None),
        ),
        (Extent(unit="cores", low=0.5, high=2, log=True), None, 1, (1, 2, None)),
        (Extent(unit="cores", low=0.125, high=2, log=True), None, 1, (1, 2, None)),
        (Extent(unit="cores", low=0.5, high=2, log=True), None, 3, (2, 3, 6, None)),
        (Extent(unit="cores", values=(0.125, 1, 1.5)), None, 4, (1, 4, 6, None)),
        (Extent(unit="cores", low=0, high=1), None, 2, (0, 1, 2, None)),
        (Extent(low=2, high=5), AUTOTUNE, 64, (2, 3, 4, 5, AUTOTUNE)),
        (Extent(low=0, high=70), None, 1, (0, 10, 20, 30, 40, 50, 60, 70, None)),
        (Extent(low=4, high=4), 7, 1, (4, 7)),
        (Extent(values=(16, 4, 4)), 5, 1, (4, 5, 16)),
        (Extent(special=(AUTOTUNE,)), None, 1, (AUTOTUNE, None)),
        (Extent(special=(AUTOTUNE,)), AUTOTUNE, 1, (AUTOTUNE,)),
    ],
)
def test_numbers(extent: Extent, status_quo: DecisionValue, cores: int, expected: tuple[DecisionValue, ...]) -> None:
    assert values_of(extent, status_quo, cores) == expected


@given(
    low=st.integers(0, 500),
    high=st.integers(0, 500),
    log=st.booleans(),
    cores=st.integers(1, 256),
    per_core=st.booleans(),
)
def test_a_range_is_covered_from_end_to_end(low: int, high: int, log: bool, cores: int, per_core: bool) -> None:  # noqa: FBT001
    assume(low <= high)
    extent = Extent(unit="cores" if per_core else None, low=low, high=high, log=log)
    numbers = [number for number in values_of(extent, cores=cores) if is_number(number)]
    scale = cores if per_core else 1
    assert (numbers[0], numbers[-1]) == (low * scale, high * scale)
    pairs = list(itertools.pairwise(numbers))
    if log:
        assert all(after <= 2 * before for before, after in pairs if before > 0)
        assert len(numbers) <= 3 + math.log2(max(high * scale, 1))
    else:
        assert len(numbers) <= LINEAR_VALUES
        gaps = [after - before for before, after in pairs]
        assert not gaps or max(gaps) - min(gaps) <= 1


def choice(
    status_quo: DecisionValue, choices: Sequence[DecisionValue], setting: str = "options.map_fusion"
) -> Decision:
    return Decision("it", setting, status_quo, Preserves.SEQUENCE, tuple(choices))


def test_choices_are_the_decisions_own() -> None:
    machine = Machine(2, 1)
    numbers = Extent(low=1, high=4)
    assert allowed_values(choice(None, [None, "a", "b"]), numbers, machine) == (None, "a", "b")
    assert allowed_values(choice(None, [True, False]), Extent(), machine) == (None, True, False)
    assert allowed_values(choice("a", ["a", "a", "b"]), Extent(), machine) == ("a", "b")


def test_a_number_equal_to_a_truth_value_is_another_choice() -> None:
    assert same(1, 1)
    assert not same(bool(1), 1)
    assert distinct([0, False, 1, True, 1]) == (0, False, 1, True)
    values = allowed_values(choice(bool(0), [0, 1]), Extent(), Machine(2, 1))
    assert [type(value) for value in values] == [bool, int, int]


@pytest.mark.parametrize(
    ("media", "active", "expected"),
    [
        ((), True, ("memory", "file")),
        ((), False, ("memory", "file")),
        (("file", "memory"), False, ("memory", "file")),
        (("file",), False, ("file",)),
        # the user's own cache is in memory, and may stay there
        (("file",), True, ("memory", "file")),
        (("memory",), False, ("memory",)),
    ],
)
def test_media_narrow_the_medium(media: tuple[str, ...], active: bool, expected: tuple[str, ...]) -> None:  # noqa: FBT001
    decision = choice("memory", ["memory", "file"], setting="cache.medium")
    assert allowed_values(decision, Extent(media=media), Machine(2, 1), active_at_status_quo=active) == expected


def test_media_the_pipeline_does_not_offer_leave_the_status_quo() -> None:
    decision = choice("memory", ["memory"], setting="cache.medium")
    assert allowed_values(decision, Extent(media=("file",)), Machine(2, 1), active_at_status_quo=False) == ("memory",)


def test_an_argument_that_may_be_left_out_has_that_as_a_value() -> None:
    calls = "map.num_parallel_calls"
    decision = Decision("map[f].num_parallel_calls", calls, AUTOTUNE, Preserves.SEQUENCE, optional=True)
    values = allowed_values(decision, Extent(low=1, high=4, log=True, special=(AUTOTUNE,)), Machine(2, 1 << 30))
    assert values == (1, 2, 4, AUTOTUNE, None)
    assert all(decision.allows(value) for value in values)
    assert not dataclasses.replace(decision, optional=False).allows(None)
