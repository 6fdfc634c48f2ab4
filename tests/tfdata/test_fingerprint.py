"""Equal data are recognised whatever their type, different data are not, and reading comes to an end."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.tfdata.fingerprint import (
    Fingerprint,
    difference,
    equal_neighbours,
    fingerprint,
    picked,
    same_batches,
    same_content,
    same_order,
)
from autotuner.tfdata.reading import Reading

ROWS = np.random.default_rng(2).standard_normal((12, 5)).astype(np.float32)


def made(value: object, batch: int | None = 4) -> Fingerprint:
    dataset = tf.data.Dataset.from_tensor_slices(value)
    return fingerprint(dataset.batch(batch) if batch else dataset, batched=bool(batch), max_rows=1000)


CHANGES: dict[str, tuple[object, object]] = {
    "an integer": (np.arange(12), np.arange(12) + (np.arange(12) == 7)),
    "a type": (np.arange(12, dtype=np.int32), np.arange(12, dtype=np.int64)),
    "a string": ([str(k) for k in range(12)], [str(k + (k == 3)) for k in range(12)]),
    "a float": (ROWS, ROWS + 1e-2 * (np.arange(60).reshape(12, 5) == 17)),
    "a sign of infinity": (ROWS * [[np.inf]], ROWS * [[-np.inf]]),
    "not a number": (ROWS, np.where(np.arange(60).reshape(12, 5) == 3, np.nan, ROWS)),
    "places in a row": (ROWS, ROWS[:, ::-1].copy()),
    "a pairing": ((ROWS, np.arange(12)), (ROWS, np.roll(np.arange(12), 1))),
    "a small float beside large ones": ((ROWS * 1e6, ROWS[:, 0]), (ROWS * 1e6, ROWS[:, 1])),
    "a shape": (ROWS, ROWS[:, :, None]),
    "raggedness": (
        tf.RaggedTensor.from_row_lengths(tf.range(12), [1] * 12),
        tf.RaggedTensor.from_row_lengths(tf.range(12), [2, 0] * 6),
    ),
}


@pytest.mark.parametrize("name", CHANGES)
@pytest.mark.parametrize("batch", [4, None])
def test_a_change_is_seen_in_any_order(name: str, batch: int | None) -> None:
    if name == "raggedness" and batch is None:
        batch = 3
    left, right = (made(value, batch) for value in CHANGES[name])
    assert left.count == right.count == 12
    assert difference(left, right, ordered=True)
    assert difference(left, right, ordered=False)
    assert not difference(left, made(CHANGES[name][0], batch), ordered=True)


@given(st.permutations(range(12)))
@settings(max_examples=25, deadline=None)
def test_another_order_is_the_same_content(order: list[int]) -> None:
    left, right = made(ROWS), made(ROWS[order])
    assert not difference(left, right, ordered=False)
    assert same_content(left, right)
    assert same_order(left, right) == (order == sorted(order))
    assert bool(difference(left, right, ordered=True)) == (order != sorted(order))


def test_rounding_is_no_difference() -> None:
    left, right = made(ROWS), made(ROWS * np.float32(1 + 1e-6))
    assert not difference(left, right, ordered=True)
    assert not difference(left, right, ordered=False)


def test_equal_rows_are_counted() -> None:
    assert difference(made(np.asarray([1, 1, 2])), made(np.asarray([1, 2, 2])), ordered=False)


def test_batch_sizes_count_also_where_the_rows_are_equal() -> None:
    assert difference(made(ROWS, 4), made(ROWS, 6), ordered=False) == "the batch sizes differ"


def test_batches_are_compared_as_sets() -> None:
    within = ROWS[[3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8]]
    assert same_batches(made(ROWS), made(within))
    assert not same_batches(made(ROWS), made(ROWS[::-1][[0, 4, 8, 1, 5, 9, 2, 6, 10, 3, 7, 11]]))


def test_neighbours_are_counted_within_batches_only() -> None:
    assert equal_neighbours(made(np.asarray([1, 1, 1, 2, 2, 3, 3, 3]))) == (4, 6)
    assert equal_neighbours(made(np.asarray([1, 1]), None)) == (0, 0)


def test_many_rows_of_floats_are_matched_quickly() -> None:
    values = np.random.default_rng(0).standard_normal((1000, 30)).astype(np.float32)
    left, right = made(values, 50), made(values[::-1] + np.float32(0.5), 50)
    started = time.perf_counter()
    assert difference(left, right, ordered=False) == "1000 of 1000 examples have no equal"
    assert time.perf_counter() - started < 3.0


def test_datasets_as_elements_are_compared_by_what_they_hold() -> None:
    def windows(shift: int) -> Fingerprint:
        dataset = tf.data.Dataset.range(6).map(lambda x: (x + shift, tf.cast(x, tf.float32))).window(2)
        return fingerprint(dataset, batched=False, max_rows=10)

    assert not difference(windows(0), windows(0), ordered=True)
    assert difference(windows(0), windows(1), ordered=True)


def endless(pause: float) -> Callable[[], Iterator[int]]:
    def numbers() -> Iterator[int]:
        for number in itertools.count():
            time.sleep(pause)
            yield number

    return numbers


def test_reading_stops_after_its_time() -> None:
    dataset = tf.data.Dataset.from_generator(endless(0.02), output_signature=tf.TensorSpec((), tf.int64))
    started = time.perf_counter()
    found = fingerprint(dataset, batched=False, max_rows=10_000, seconds=0.5)
    assert time.perf_counter() - started < 2.0
    assert 0 < found.count < 50
    assert not found.ended


def test_an_element_that_never_comes_is_not_waited_for() -> None:
    dataset = tf.data.Dataset.from_generator(endless(4.0), output_signature=tf.TensorSpec((), tf.int64))
    started = time.perf_counter()
    assert fingerprint(dataset, batched=False, max_rows=10, seconds=0.3).count == 0
    assert time.perf_counter() - started < 2.0


def test_an_error_of_the_dataset_reaches_the_reader() -> None:
    dataset = tf.data.Dataset.range(3).map(lambda x: tf.debugging.check_numerics(1.0 / tf.cast(x, tf.float32), "zero"))
    with pytest.raises(tf.errors.InvalidArgumentError):
        list(Reading(dataset, 5.0))


def test_the_reading_thread_ends_with_the_reading() -> None:
    before = set(threading.enumerate())
    for _ in Reading(tf.data.Dataset.range(1_000_000), 5.0):
        break
    deadline = time.monotonic() + 5.0
    while any(thread.name == "reading" for thread in set(threading.enumerate()) - before):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_rows_picked_from_one_reading_are_those_of_batches_of_any_size() -> None:
    value = (ROWS, [str(k) for k in range(12)])
    for size in (1, 5, 12):
        batches = [np.arange(start, min(start + size, 12)) for start in range(0, 12, size)]
        assert not difference(picked(made(value, 1), batches), made(value, size), ordered=True)
    order = np.asarray([3, 3, 0])
    wanted = made((ROWS[order], [str(k) for k in order]), 3)
    assert not difference(picked(made(value, 1), [order]), wanted, ordered=True)
    assert difference(picked(made(value, 1), [order[::-1]]), wanted, ordered=True)


def test_large_rows_are_the_same_rows_whatever_they_are_read_with() -> None:
    large = np.random.default_rng(3).standard_normal((6, 20_000)).astype(np.float32)
    large[4, 19_999] = np.nan
    for size in (1, 4, 6):
        assert not difference(
            made(large, 1), picked(made(large, size), [np.asarray([k]) for k in range(6)]), ordered=True
        )
    other = large.copy()
    other[5, 12_345] += 1.0
    assert difference(made(large, 6), made(other, 6), ordered=True) == "example 5 differs"
