"""What users have: folders with a pipeline, a model and their data."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import psutil
from PIL import Image

PATIENCE_SECONDS = 120.0
KEEPING = {"cache.after", "materialise.after"}
"""Decisions that keep decoded elements from epoch to epoch."""
_IMAGE_PIXELS = 640

JPEG_PIPELINE = """
from pathlib import Path

import keras
import tensorflow as tf

IMAGES = Path(__file__).parent / "images"
AUTOTUNE = tf.data.AUTOTUNE


def decode(path):
    label = tf.cast(tf.strings.split(path, "/")[-2] == "dogs", tf.int64)
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return tf.image.resize(image, [16, 16]) / 255.0, label


def augment(image, label):
    noise = tf.random.uniform([160, 160])
    return image + tf.minimum(tf.reduce_max(noise @ noise), 0.0), label  # random and costly, and always the same


def dataset_fn(batch_size=4):
    dataset = tf.data.Dataset.list_files(str(IMAGES / "*" / "*.jpg"), shuffle=False)
    dataset = dataset.map(decode, num_parallel_calls=AUTOTUNE).map(augment, num_parallel_calls=AUTOTUNE)
    return dataset.batch(batch_size, num_parallel_calls=AUTOTUNE).prefetch(AUTOTUNE)


def model_fn():
    model = keras.Sequential([keras.Input((16, 16, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
"""


def jpeg_project(folder: Path) -> Path:
    """48 photographs whose decoding costs far more than all else, so that a cache must pay.

    What comes after the cache still costs more than the model, so that no trial reaches the ceiling.
    """
    random = np.random.default_rng(0)
    for name in ("cats", "dogs"):
        (folder / "images" / name).mkdir(parents=True)
        for index in range(24):
            small = Image.fromarray(random.integers(0, 255, (40, 40, 3), dtype=np.uint8))
            small.resize((_IMAGE_PIXELS, _IMAGE_PIXELS)).save(folder / "images" / name / f"{index:02d}.jpg")
    (folder / "pipe.py").write_text(JPEG_PIPELINE, "utf-8")
    return folder


def environment() -> dict[str, str]:
    """This process's, without what would send a study elsewhere."""
    clean = {name: value for name, value in os.environ.items() if not name.startswith("MLFLOW")}
    return clean | {"TF_CPP_MIN_LOG_LEVEL": "3", "PYTHONUNBUFFERED": "1"}


def run_python(folder: Path, *arguments: str, limit_seconds: float = 280) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=limit_seconds,
        check=False,
    )


def autotuner(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return run_python(folder, "-m", "autotuner", *arguments)


def examples(folder: Path, program: str) -> list[Any]:
    """Every example of the dataset that ``program`` calls ``dataset``, where nothing of ours can be imported."""
    done = run_python(
        folder,
        "-c",
        "import sys; sys.modules['autotuner'] = None\n"
        f"{program}\n"
        "import json\n"
        "rows = [[image.round(4).tolist(), int(label)] for image, label in dataset.unbatch().as_numpy_iterator()]\n"
        "print(json.dumps(rows))",
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@dataclass
class Running:
    """A command that runs, and what it printed on standard error so far."""

    process: subprocess.Popen[bytes]
    log: Path
    family: set[int]
    """Every descendant ever seen."""

    def wait_for(self, text: str, count: int = 1) -> None:
        self._until(lambda: self.log.read_text("utf-8").count(text) >= count, f"{text!r} in {self.log}")

    def workers(self) -> list[psutil.Process]:
        """Children of the process that workers are forked from."""
        found = psutil.Process(self.process.pid).children(recursive=True)
        self.family |= {child.pid for child in found}
        [zygote] = [child for child in found if child.ppid() == self.process.pid]
        return [child for child in found if child.ppid() == zygote.pid]

    def end(self, number: int) -> int:
        self.workers()
        self.process.send_signal(number)
        return self.process.wait(PATIENCE_SECONDS)

    def wait_for_orphans(self) -> None:
        """Every descendant ends by itself."""
        self._until(lambda: not any(_alive(pid) for pid in self.family), f"the end of {self.family}")

    def _until(self, condition: Callable[[], bool], what: str) -> None:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not condition():
            assert time.monotonic() < deadline, f"waited in vain for {what}:\n{self.log.read_text('utf-8')}"
            time.sleep(0.02)


def _alive(pid: int) -> bool:
    with contextlib.suppress(psutil.NoSuchProcess):
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    return False


@contextlib.contextmanager
def started(folder: Path, *arguments: str) -> Iterator[Running]:
    log = folder / "printed.txt"
    with log.open("wb") as output:
        process = subprocess.Popen(
            [sys.executable, "-m", "autotuner", *arguments], cwd=folder, env=environment(), stdout=output, stderr=output
        )
        try:
            yield Running(process, log, set())
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
                process.wait()
