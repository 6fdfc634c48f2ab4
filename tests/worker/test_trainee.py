from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from autotuner.errors import UserCodeError
from autotuner.measure.messages import Timing
from autotuner.measure.turn_clock import Clock
from autotuner.worker.timed_fit import Training, timed_fit
from autotuner.worker.trainee import KerasModel, Trainee, TrainStep, trainee

X, Y = np.zeros((24, 4), np.float32), np.zeros((24, 1), np.float32)


def batches(rows: int = 24) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X[:rows], Y[:rows])).batch(4)


def linear() -> keras.Model:
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def stepping() -> Callable[[Any], object]:
    weights = tf.Variable(tf.zeros([4, 1]))

    @tf.function
    def train_step(batch: Any) -> tf.Tensor:
        x, y = batch
        with tf.GradientTape() as tape:
            loss = tf.reduce_mean((x @ weights - y) ** 2)
        weights.assign_sub(0.1 * tape.gradient(loss, weights))
        return loss

    return train_step


class Told:
    """Ends after so many steps; notes all it is told."""

    def __init__(self, steps: int) -> None:
        self._left = steps
        self.events: list[str] = []

    def epoch_began(self) -> bool:
        self.events.append("epoch")
        return len(self.events) > 100

    def step_ended(self, batch: int, wait: Callable[[], None]) -> bool:
        wait()
        self.events.append(str(batch))
        self._left -= 1
        return self._left == 0

    def epoch_ended(self, *, complete: bool) -> bool:
        self.events.append("whole" if complete else "part")
        return False


@pytest.fixture(params=[linear, stepping])
def made(request: pytest.FixtureRequest) -> Trainee:
    return trainee(request.param)


def test_a_model_and_a_training_step_are_told_of_alike(made: Trainee) -> None:
    told = Told(steps=5)
    made.fit(batches(12), told)
    assert told.events == ["epoch", "0", "1", "2", "whole", "epoch", "0", "1", "part"]


def test_an_endless_dataset_is_read_on_by_the_next_epoch(made: Trainee) -> None:
    read: list[int] = []

    def note(number: Any) -> Any:
        read.append(int(number))
        return np.zeros((4, 4), np.float32)

    numbers = tf.data.Dataset.counter().map(
        lambda number: tf.ensure_shape(tf.numpy_function(note, [number], "float32"), [4, 4])
    )
    told = Told(steps=5)
    made.fit(numbers.map(lambda x: (x, x[:, :1])), told, steps=2)
    assert told.events[:8] == ["epoch", "0", "1", "whole", "epoch", "0", "1", "whole"]
    assert sorted(set(read))[:5] == [0, 1, 2, 3, 4]


def test_both_are_timed(made: Trainee) -> None:
    made.warm_up(batches(), [next(iter(batches()))])
    timing = Timing(window_seconds=0.2, longest_seconds=0.4)
    rates = timed_fit(made, batches(), timing, Training(10, 6), Clock(), steps=None, fills=False)
    assert rates.starts_seen >= 1
    assert 0 < rates.projected_seconds(10, 6) < 60
    assert timing.window_seconds <= rates.timed_seconds < 20


def test_every_shape_is_stepped_through_before_it_is_timed() -> None:
    seen: list[int] = []
    TrainStep(lambda batch: seen.append(len(batch))).warm_up(batches(), [X[:4], X[:2]])
    assert seen == [4, 4, 2, 2]


def test_what_cannot_be_trained_is_refused() -> None:
    def nothing() -> None:
        return None

    with pytest.raises(UserCodeError, match="nothing returned NoneType") as caught:
        trainee(nothing)
    assert "train_step(batch)" in caught.value.hint
    with pytest.raises(UserCodeError, match="not compiled"):
        trainee(lambda: keras.Sequential([keras.Input((4,)), keras.layers.Dense(1)]))
    assert isinstance(trainee(linear), KerasModel)
