"""``autotune()`` as users call it: from a script without a guard, with functions that exist only there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.projects import KEEPING, autotuner, run_python

SCRIPT = """
import json
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from autotuner import Verdict, autotune

with Path("runs.txt").open("a") as file:
    file.write("run\\n")

if not Path("data").exists():
    Path("data").mkdir()
    random = np.random.default_rng(0)
    for shard in range(2):
        with tf.io.TFRecordWriter(f"data/{shard}.tfrecord") as writer:
            for _ in range(40):
                image = random.integers(0, 255, (40, 40, 3), dtype=np.uint8)
                jpeg = tf.io.encode_jpeg(np.kron(image, np.ones((12, 12, 1), np.uint8))).numpy()
                feature = tf.train.Feature(bytes_list=tf.train.BytesList(value=[jpeg]))
                features = tf.train.Features(feature={"image": feature})
                writer.write(tf.train.Example(features=features).SerializeToString())

scale = 255.0
size = 8


def parse(record):
    found = tf.io.parse_single_example(record, {"image": tf.io.FixedLenFeature([], tf.string)})
    return tf.image.resize(tf.io.decode_jpeg(found["image"], channels=3), [size, size])


def dataset_fn():
    names = tf.lookup.KeyValueTensorInitializer([0, 1], ["cat", "dog"], tf.int64, tf.string)
    table = tf.lookup.StaticHashTable(names, "other")

    def label(image):
        known = tf.cast(tf.strings.length(table.lookup(tf.constant(1, tf.int64))), tf.int64)
        return image, known - 3

    files = sorted(str(path) for path in Path("data").resolve().iterdir())
    dataset = tf.data.TFRecordDataset(files)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(lambda image: image / scale, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(label, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(4, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def model_fn():
    model = keras.Sequential([keras.Input((size, size, 3)), keras.layers.Flatten(), keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model


result = autotune(dataset_fn, model_fn, timeout="80s", trials=4, epochs=20)
own = [image.tobytes() for image, _ in dataset_fn().unbatch().as_numpy_iterator()]
tuned = [image.tobytes() for image, _ in result.dataset_fn().unbatch().as_numpy_iterator()]
print(json.dumps({
    "verdict": result.verdict,
    "configuration": dict(result.configuration),
    "code": result.code,
    "diff": result.diff,
    "notes": result.summary.notes,
    "examples": len(own),
    "same": own == tuned,
    "saved": str(result.save("somewhere/else")),
    "low": result.speedup.low if result.speedup else None,
}))
"""
PACKAGE = """
import keras
import tensorflow as tf

BEFORE = tf.data.Dataset.from_tensors((tf.ones([64, 256]), tf.zeros([64], tf.int64))).repeat(200)


def opaque():
    return BEFORE


def dataset_fn():
    rows = tf.data.Dataset.from_tensors((tf.ones([64, 256]), tf.zeros([64], tf.int64)))
    return rows.repeat(200).prefetch(2)


def model_fn():
    layers = [keras.layers.Dense(1024, activation="relu") for _ in range(4)]
    model = keras.Sequential([keras.Input((256,)), *layers, keras.layers.Dense(2)])
    model.compile("sgd", keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
"""
KEEPS = """
import json
from autotuner import autotune
from shop.training import dataset_fn, model_fn
result = autotune(dataset_fn, model_fn, timeout="3m")
print(json.dumps([result.verdict, result.summary.reason, result.code]))
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, Any]]:
    folder = tmp_path_factory.mktemp("script")
    (folder / "train.py").write_text(SCRIPT, "utf-8")
    done = run_python(folder, "train.py")
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout)


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("package")
    (folder / "shop").mkdir()
    (folder / "shop" / "__init__.py").touch()
    (folder / "shop" / "training.py").write_text(PACKAGE, "utf-8")
    return folder


def test_an_unguarded_script_runs_once(script: tuple[Path, dict[str, Any]]) -> None:
    folder, _ = script
    assert (folder / "runs.txt").read_text("utf-8") == "run\n"


def test_functions_of_a_script_are_tuned(script: tuple[Path, dict[str, Any]]) -> None:
    _, said = script
    assert said["verdict"] == "IMPROVED"
    assert KEEPING & said["configuration"].keys()


def test_the_tuned_dataset_yields_the_same_examples(script: tuple[Path, dict[str, Any]]) -> None:
    _, said = script
    assert said["examples"] == 80
    assert said["same"]


def test_what_cannot_be_written_as_code_says_why(script: tuple[Path, dict[str, Any]]) -> None:
    _, said = script
    [note] = [note for note in said["notes"] if note.startswith("no module could be written: ")]
    assert said["code"] == ""
    assert re.search(r"label.*table", note)
    assert said["diff"] or "result.dataset_fn() gives the tuned dataset" in said["notes"]


def test_save_copies_what_there_is(script: tuple[Path, dict[str, Any]]) -> None:
    folder, said = script
    saved = folder / "somewhere" / "else"
    assert said["saved"] == str(saved)
    patch = {"tuned.patch"} if said["diff"] else set()
    assert {path.name for path in saved.iterdir()} == {"configuration.json", "report.html", "result.json"} | patch


def test_a_model_that_is_the_bottleneck_is_told(package: Path) -> None:
    done = run_python(package, "-c", KEEPS)
    assert done.returncode == 0, done.stderr
    verdict, reason, code = json.loads(done.stdout)
    assert verdict == "KEEP_BASELINE"
    assert reason.startswith("the model is the bottleneck")
    assert code == ""


def test_what_was_built_before_is_left_alone_and_the_rest_is_offered(package: Path) -> None:
    done = autotuner(package, "inspect", "shop.training:opaque", "--json")
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout)
    assert len(found["opaque"]) == 1
    assert found["opaque"][0]["reason"]
    assert all(op["seconds_per_element"] > 0 for op in found["ops"])
    assert " takes " in found["bottleneck"]
    names = {decision["name"] for decision in found["decisions"]}
    assert "prefetch[end].buffer_size" in names
    assert any(name.startswith("options.") for name in names)
