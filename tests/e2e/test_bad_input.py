"""What goes wrong in the user's code, data or machine: one message, a hint, an exit code, within seconds."""

from __future__ import annotations

import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeAlias

import pytest

from tests.e2e.projects import autotuner

BAD = """
import ctypes
import time

import keras
import numpy as np
import tensorflow as tf


def dataset_fn():
    return tf.data.Dataset.from_tensor_slices((np.ones((64, 4), "float32"), np.zeros(64, "int64"))).batch(8)


def through_python(function):
    def call(x, y):
        return tf.ensure_shape(tf.numpy_function(function, [x], tf.float32), (None, 4)), y

    return dataset_fn().map(call)


def no_dataset():
    return [1, 2]


def empty():
    return dataset_fn().take(0)


def other_shape():
    return dataset_fn().map(lambda x, y: (x[:, :3], y))


def label_of(x, y):
    raise ValueError("no such label")


def raises():
    return dataset_fn().map(label_of)


def raises_while_read():
    def check(x):
        raise ValueError("a broken record")

    return through_python(check)


_numbers = iter(range(400))


def read_once():
    def numbers():
        for number in _numbers:
            yield np.full(4, number, "float32"), number % 2

    spec = (tf.TensorSpec((4,), tf.float32), tf.TensorSpec((), tf.int64))
    return tf.data.Dataset.from_generator(numbers, output_signature=spec).batch(4)


_calls = []


def hangs_later():
    def stop(x):
        _calls.append(1)
        time.sleep(600 if len(_calls) > 150 else 0)
        return x

    return through_python(stop)


def eats_memory():
    kept = []

    def eat(x):
        kept.append(np.ones(20_000_000))
        return x

    return through_python(eat).repeat(100)


def dies():
    return through_python(lambda x: ctypes.string_at(0))


def model_fn():
    model = keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


def uncompiled():
    return keras.Sequential([keras.Input((4,)), keras.layers.Dense(2)])


def no_model():
    return "resnet"
"""
MISSING = "raise ModuleNotFoundError(\"No module named 'tensorflow'\", name='tensorflow')\n"
CASES: dict[str, tuple[str, ...]] = {
    "no_dataset": ("bad.py:no_dataset", "bad.py:model_fn"),
    "empty": ("bad.py:empty", "bad.py:model_fn"),
    "other_shape": ("bad.py:other_shape", "bad.py:model_fn"),
    "raises": ("bad.py:raises", "bad.py:model_fn"),
    "raises_while_read": ("bad.py:raises_while_read", "bad.py:model_fn"),
    "read_once": ("bad.py:read_once", "bad.py:model_fn"),
    "hangs_later": ("bad.py:hangs_later", "bad.py:model_fn", "--trial-timeout", "10s"),
    "eats_memory": ("bad.py:eats_memory", "bad.py:model_fn", "--memory-limit-gb", "1.5"),
    "dies": ("bad.py:dies", "bad.py:model_fn"),
    "uncompiled": ("bad.py:dataset_fn", "bad.py:uncompiled"),
    "no_model": ("bad.py:dataset_fn", "bad.py:no_model"),
}
Done: TypeAlias = subprocess.CompletedProcess[str]


@pytest.fixture(scope="module")
def ended(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Done]:
    """Every case, some at the same time: nothing here is measured."""

    def run(folder: Path, *targets: str) -> Done:
        (folder / "bad.py").write_text(BAD, "utf-8")
        return autotuner(folder, "tune", *targets, "--timeout", "20s", "--trials", "3")

    # Made before the threads start: pytest makes its base folder with the first of them, without a lock.
    folders = [tmp_path_factory.mktemp(name) for name in CASES]
    with ThreadPoolExecutor(3) as pool:
        done = [pool.submit(run, folder, *targets) for folder, targets in zip(folders, CASES.values(), strict=True)]
        return {name: each.result() for name, each in zip(CASES, done, strict=True)}


EXPECTED = [
    ("no_dataset", "no_dataset returned list, not a tf.data.Dataset", "return the one dataset"),
    ("empty", "the dataset is empty", "check its file pattern"),
    ("other_shape", "expected axis -1 of input shape to have value 4", "the traceback shows where"),
    ("raises", "ValueError: no such label", "the traceback shows where"),
    ("raises_while_read", "a broken record", "the traceback shows where"),
    ("read_once", "the dataset gave no batch", "needs a pipeline that works"),
    ("hangs_later", "no end within 10 s; the worker was stopped", "needs a pipeline that works"),
    ("eats_memory", "used more than the allowed 1.5 GB of memory", "worker.log"),
    ("dies", "the worker died of SIGSEGV", "worker.log"),
    ("uncompiled", "returned a model that is not compiled", "call model.compile"),
    ("no_model", "no_model returned str, not a Keras model", "return the compiled model itself"),
]


@pytest.mark.parametrize(("case", "message", "hint"), EXPECTED, ids=[case for case, *_ in EXPECTED])
def test_it_ends_with_one_message_and_a_hint(ended: dict[str, Done], case: str, message: str, hint: str) -> None:
    done = ended[case]
    lines = done.stderr.splitlines()
    messages = [line for line in lines if line.startswith("autotuner: ")]
    assert done.returncode == 1, done.stderr
    assert done.stdout == ""
    assert len(messages) == 1
    assert message in messages[0]
    assert hint in lines[-1]
    assert lines[-1].startswith("hint: ")


@pytest.mark.parametrize("case", ["raises", "raises_while_read"])
def test_the_users_own_traceback_is_shown_whole(ended: dict[str, Done], case: str) -> None:
    assert "Traceback (most recent call last):" in ended[case].stderr
    assert "bad.py" in ended[case].stderr


def test_without_tensorflow_one_line_names_the_extras(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "without" / "tensorflow").mkdir(parents=True)
    (tmp_path / "without" / "tensorflow" / "__init__.py").write_text(MISSING, "utf-8")
    (tmp_path / "bad.py").write_text(BAD, "utf-8")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path / "without"))
    done = autotuner(tmp_path, "tune", "bad.py:dataset_fn", "bad.py:model_fn")
    assert done.returncode == 1
    assert done.stderr.splitlines()[-2:] == [
        "autotuner: TensorFlow is not installed",
        "hint: pip install 'autotuner[cpu]', or 'autotuner[gpu]' for NVIDIA GPUs",
    ]
