from __future__ import annotations

import gc
import time
import weakref
from collections.abc import Iterator

import keras
import pytest
import tensorflow as tf

from autotuner.worker.iterators import iterators_released_aside


@pytest.fixture
def no_collector() -> Iterator[None]:
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_collector")
def test_what_a_fit_leaves_that_is_ended_within_an_epoch_is_collected_aside() -> None:
    class Ending(keras.callbacks.Callback):
        def on_train_batch_end(self, batch: int, logs: object = None) -> None:
            del batch, logs
            self.model.stop_training = True

    model = keras.Sequential([keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    made = list[weakref.ref[object]]()
    make = tf.data.Dataset.__iter__
    batches = tf.data.Dataset.from_tensors((tf.ones((4, 2)), tf.ones((4, 1)))).repeat(10)
    with iterators_released_aside():
        released_aside = tf.data.Dataset.__iter__

        def noted(dataset: tf.data.Dataset) -> object:
            iterator = released_aside(dataset)
            made.append(weakref.ref(iterator))
            return iterator

        tf.data.Dataset.__iter__ = noted
        model.fit(batches, callbacks=[Ending()], verbose=0)
    assert tf.data.Dataset.__iter__ is make
    assert made
    deadline = time.monotonic() + 10.0
    while any(one() is not None for one in made) and time.monotonic() < deadline:
        time.sleep(0.01)
    assert all(one() is None for one in made)


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
