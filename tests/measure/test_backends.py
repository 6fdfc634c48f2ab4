from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TRAIN = """
import keras
import numpy as np
import tensorflow as tf


def dataset_fn():
    x = np.random.default_rng(0).random((256, 8)).astype("float32")
    rows = tf.data.Dataset.from_tensor_slices(x).map(lambda row: (row, row[:1]))
    return rows.batch(16)


def model_fn():
    assert keras.backend.backend() == "jax"
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(4, activation="relu"), keras.layers.Dense(1)])
    model.compile("sgd", "mse")
    return model


def step_fn():
    import jax
    import jax.numpy as jnp

    @jax.jit
    def update(weights, x, y):
        loss, slope = jax.value_and_grad(lambda weights: ((x @ weights - y) ** 2).mean())(weights)
        return weights - 0.1 * slope, loss

    weights = jnp.zeros((8, 1))

    def train_step(batch):
        nonlocal weights
        x, y = (jnp.asarray(part.numpy()) for part in batch)
        weights, loss = update(weights, x, y)
        return loss

    return train_step
"""
MEASURE = """
import json, sys
from pathlib import Path
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.messages import Open, Timing
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration

def target(name):
    return Target("file", sys.argv[1] + "/train.py", name)

request = Open(target("dataset_fn"), target(sys.argv[2]), [sys.argv[1]], 10)
runner = LocalRunner(request, Path(sys.argv[1]) / "worker.log", Limits())
timing = Timing(window_seconds=0.2, longest_seconds=0.4)
runner.open()
outcomes = [runner.ceiling(timing), runner.measure(Configuration({"prefetch[end].buffer_size": 2}), timing)]
outcomes += runner.measure_fresh([Configuration()], timing)
runner.close()
print(json.dumps([outcome.steps_per_second for outcome in outcomes]))
"""


@pytest.mark.parametrize("trained", ["model_fn", "step_fn"])
def test_a_model_on_jax_and_a_step_of_jax_are_timed_warm_and_fresh(tmp_path: Path, trained: str) -> None:
    (tmp_path / "train.py").write_text(TRAIN, "utf-8")
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(tmp_path), trained],
        env=os.environ | {"KERAS_BACKEND": "jax"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert all(rate > 0 for rate in json.loads(done.stdout))
