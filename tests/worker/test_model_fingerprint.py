"""The same model is known again in another process; whatever decides its speed makes another one of it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from autotuner.worker.trainee import trainee

ROOT = Path(__file__).parents[2]


def own_loss(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.square(y - p))


def other_loss(y: Any, p: Any) -> Any:
    return tf.reduce_mean(tf.abs(y - p))


def model(units: int = 3, loss: object = "mse", optimizer: object = "adam", policy: str = "float32") -> keras.Model:
    layers = [keras.layers.RandomFlip(), keras.layers.Flatten(), keras.layers.Dense(units, dtype=policy)]
    made = keras.Sequential([keras.Input((4, 4, 1)), *layers, keras.layers.Dropout(0.1), keras.layers.Dense(1)])
    made.compile(optimizer, loss)
    return made


class Subclassed(keras.Model):
    def __init__(self, layer: object) -> None:
        super().__init__()
        self.layer = layer

    def call(self, x: Any) -> Any:
        return self.layer(x)  # type: ignore[operator]


def subclassed() -> keras.Model:
    made = Subclassed(keras.layers.Dense(1))
    made.compile("sgd", "mse")
    return made


def stepping(rate: float = 0.1) -> Callable[[Any], object]:
    weights = tf.Variable(np.random.default_rng().normal(size=(4, 1)), dtype=tf.float32)

    @tf.function
    def train_step(batch: Any) -> tf.Tensor:
        weights.assign_sub(rate * weights)
        return tf.reduce_mean(batch @ weights)

    return train_step


def fingerprint(make: Callable[[], object]) -> str:
    keras.utils.clear_session()  # names are numbered; a worker makes one model
    return trainee(make).fingerprint(model)


MADE: dict[str, Callable[[], object]] = {
    "model": model,
    "units": lambda: model(units=4),
    "loss": lambda: model(loss="mae"),
    "optimizer": lambda: model(optimizer=keras.optimizers.SGD(0.5)),
    "policy": lambda: model(policy="mixed_float16"),
    "subclassed": subclassed,
    "stepping": stepping,
    "rate": lambda: stepping(0.2),
}


@pytest.fixture(scope="module")
def here() -> dict[str, str]:
    return {name: fingerprint(make) for name, make in MADE.items()}


def test_they_are_all_told_apart(here: dict[str, str]) -> None:
    assert len(set(here.values())) == len(here)


def test_another_process_finds_the_same_whatever_the_weights(here: dict[str, str]) -> None:
    program = "from tests.worker.test_model_fingerprint import *; print({k: fingerprint(m) for k, m in MADE.items()})"
    done = subprocess.run(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "7", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == str(here)


def test_a_loss_of_the_users_own_counts_by_its_code() -> None:
    def with_loss(loss: object) -> str:
        keras.utils.clear_session()
        made = model(loss=loss)
        return trainee(lambda: made).fingerprint(lambda: loss)

    own, again, other = with_loss(own_loss), with_loss(own_loss), with_loss(other_loss)
    assert own == again
    assert own != other
