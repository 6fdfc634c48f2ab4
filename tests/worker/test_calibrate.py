"""How long an epoch is: iterated, given, known to TensorFlow, counted, or in the end assumed and said so."""

from __future__ import annotations

import time
from typing import Any

import pytest
import tensorflow as tf

from autotuner.worker import calibrate as module
from autotuner.worker.calibrate import calibrate


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LIMIT_SECONDS", 0.05)


def slow(count: int = 40) -> tf.data.Dataset:
    def sleep(value: Any) -> Any:
        time.sleep(0.02)
        return value

    numbers = tf.data.Dataset.range(count)
    return numbers.map(lambda x: tf.ensure_shape(tf.numpy_function(sleep, [x], tf.int64), [])).batch(2)


def unknown() -> tf.data.Dataset:
    return slow().filter(lambda _: True)


def test_a_short_epoch_is_iterated() -> None:
    found = calibrate(tf.data.Dataset.range(9).filter(lambda _: True).batch(2), None, None).found
    assert (found.steps_per_epoch, found.warnings) == (5, [])


def test_what_is_given_counts_first() -> None:
    assert calibrate(unknown(), 12, None).found.steps_per_epoch == 12


def test_what_tensorflow_knows_need_not_be_counted() -> None:
    found = calibrate(slow(), None, None, count=lambda _: 7).found
    assert (found.steps_per_epoch, found.warnings) == (20, [])


def test_an_unknown_length_is_counted() -> None:
    found = calibrate(unknown(), None, None, count=lambda _: 77).found
    assert (found.steps_per_epoch, found.warnings) == (77, [])


def test_a_length_that_cannot_be_counted_is_assumed_and_said_to_be() -> None:
    found = calibrate(unknown(), None, None, count=lambda _: None).found
    assert found.steps_per_epoch == 1000
    assert "of unknown length; an epoch is taken to be 1000 steps" in found.warnings[0]
