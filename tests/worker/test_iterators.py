from __future__ import annotations

import gc
import time
import weakref

import tensorflow as tf

from autotuner.worker.iterators import iterators_released_aside


def test_a_few_iterators_live_on_and_all_are_released_in_the_end() -> None:
    make = tf.data.Dataset.__iter__
    dataset = tf.data.Dataset.range(3)
    with iterators_released_aside():
        seen = [weakref.ref(iter(dataset)) for _ in range(10)]
        assert 1 <= sum(made() is not None for made in seen) < 10
        assert [int(number) for number in dataset] == [0, 1, 2]
    assert tf.data.Dataset.__iter__ is make
    deadline = time.monotonic() + 10.0
    while any(made() is not None for made in seen) and time.monotonic() < deadline:
        gc.collect()
        time.sleep(0.01)
    assert all(made() is None for made in seen)
