"""Modules as users write them, some of them badly; each test gets them as files of its own folder."""

from __future__ import annotations

import textwrap
from pathlib import Path

from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Open
from autotuner.measure.target import Target

MODEL = """
import keras
import numpy as np
import tensorflow as tf

X = np.random.default_rng(0).normal(size=(100, 8)).astype("float32")
Y = X.sum(axis=1, keepdims=True)

def double(x, y):
    return x * 2.0, y

def model_fn():
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse")
    return model
"""
GOOD = """
def dataset_fn(batch=16):
    return tf.data.Dataset.from_tensor_slices((X, Y)).shuffle(50).map(double).batch(batch)
"""
MOODY = """
import ctypes, os, signal, sys, time
from pathlib import Path

HOARD = []

def mood():
    return Path(__file__).with_name("mood.txt").read_text()

def moody(x):
    match mood():
        case "raise":
            raise ValueError("my own mistake")
        case "hang":
            time.sleep(1_000)
        case "kill":
            os.kill(os.getpid(), signal.SIGKILL)
        case "segv":
            ctypes.string_at(0)
        case "exit":
            os._exit(3)
        case "hoard":
            HOARD.append(np.ones(25_000_000))
        case "child":
            import subprocess
            Path(__file__).with_name("child.txt").write_text(str(subprocess.Popen(["sleep", "1000"]).pid))
            time.sleep(1_000)
        case "nan":
            return x * np.float32("nan")
    return x

def through_python(x, y):
    return tf.ensure_shape(tf.numpy_function(moody, [x], tf.float32), (8,)), y

def building(ds):
    if mood() == "raise while building":
        raise KeyError("no such column")
    return ds

def dataset_fn():
    return building(tf.data.Dataset.from_tensor_slices((X, Y)).map(through_python).batch(16))
"""


def write(folder: Path, *parts: str, name: str = "user.py") -> Path:
    """A module of these parts."""
    file = folder / name
    file.write_text("\n".join(textwrap.dedent(part) for part in parts))
    return file


def runner_of(
    file: Path,
    *,
    dataset: str = "dataset_fn",
    model: str = "model_fn",
    limits: Limits | None = None,
    steps_per_epoch: int | None = None,
) -> LocalRunner:
    """A runner of two functions of one file, over three epochs."""
    targets = Target("file", str(file), dataset), Target("file", str(file), model)
    request = Open(*targets, search_path(), epochs=3, steps_per_epoch=steps_per_epoch)
    return LocalRunner(request, file.with_suffix(".log"), limits or Limits(trial_seconds=20.0, open_seconds=60.0))
