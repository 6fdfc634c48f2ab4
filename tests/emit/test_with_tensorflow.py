"""Recorded, emitted and run again with the real TensorFlow: the same elements."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).parents[2]

USER_CODE = '''
import functools

import numpy as np
import tensorflow as tf

from user_helpers import twice

SCALE = 3
TABLE = {"low": [1, 2], "high": (3.5, None)}


def logged(function):
    @functools.wraps(function)
    def inner(*args):
        return function(*args)
    return inner


@logged
def decode(x):
    return x * SCALE


def add(x, amount, *, sign=1):
    return x + sign * amount


def loop():
    ds = tf.data.Dataset.range(6)
    for k in range(3):
        ds = ds.map(lambda x: x * 10 + k)
    return ds


def everything(batch_size=2):
    offset = np.int64(4)

    @logged
    def shifted(x):
        """Two
lines."""
        return twice(x) + offset if x > TABLE["low"][0] else x

    ds = tf.data.Dataset.range(20).map(decode, num_parallel_calls=tf.data.AUTOTUNE).map(shifted)
    ds = ds.map(functools.partial(add, amount=5)).filter(lambda x: x % 2 == 0 or x > tf.cast(offset, tf.int64))
    options = tf.data.Options()
    options.deterministic = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    return ds.with_options(options).padded_batch(batch_size, drop_remainder=False).prefetch(tf.data.AUTOTUNE)


def tree():
    base = tf.data.Dataset.from_tensor_slices({"a": [1, 2, 3, 4], "b": [b"x", b"y", b"z", b"w"]})
    left, right = base.take(2), base.skip(2)
    both = tf.data.Dataset.zip(left.concatenate(right), tf.data.Dataset.range(0, 8, 2))
    return tf.data.Dataset.choose_from_datasets([both, both], tf.data.Dataset.range(2).repeat(4))


def nested():
    files = tf.data.Dataset.range(3)
    return files.interleave(
        lambda n: tf.data.Dataset.range(n, n + 4).map(lambda x: (n, x * SCALE)).batch(2), cycle_length=2  # ä )
    ).map(lambda n, x: (n, tf.io.encode_base64(tf.strings.as_string(x))))


def generated():
    def numbers():
        yield from (1, 2, 3)

    return tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec(shape=(), dtype=tf.int64)).map(decode)
'''

PROGRAM = """
import importlib.util, inspect, json, sys
from dataclasses import replace
from pathlib import Path
folder = Path(sys.argv[1])
sys.path[:0] = [str(folder / "code"), sys.argv[2]]
import numpy as np
import tensorflow as tf
import user_pipeline
from autotuner.emit.atomic import write_text
from autotuner.emit.module import EmittedModule, emit_module
from autotuner.emit.signatures import PARAMETERS, READERS
from autotuner.pipeline import Op
from autotuner.tfdata.record import record

CACHE = Op("cache[tuned]", "cache", decision="cache.after")

def changes(name, pipeline):
    if name == "nested":
        change = ("interleave[0]/map[0]", "num_parallel_calls")
        return pipeline.replace_at(change[0], lambda op: op.with_argument(change[1], 2)), {change: "inside"}
    return pipeline.insert_after(pipeline.output.label, CACHE), {}

def elements(ds):
    return repr([tf.nest.map_structure(lambda x: np.asarray(x).tolist(), item) for item in ds.as_numpy_iterator()])

told = {}
for name in ("loop", "everything", "tree", "nested", "generated"):
    function = getattr(user_pipeline, name)
    pipeline, changed = changes(name, record(function).pipeline)
    made = emit_module(pipeline, function_name="dataset_fn", signature="", header=(name,), effects={},
                       folder=folder / "out", changed=changed)
    assert isinstance(made, EmittedModule), made
    path = folder / "out" / f"tuned_{name}.py"
    write_text(path, made.text)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = module  # AutoGraph looks a function's module up there
    spec.loader.exec_module(module)
    told[name] = [made.text, elements(function()), elements(module.dataset_fn())]
signatures = {}
for kind, names in PARAMETERS.items():
    function = getattr(tf.data.Dataset, kind, None) or getattr(tf.data.experimental, kind, None)
    owner = eval(READERS[kind]).__init__ if kind in READERS else function
    actual = [name for name in inspect.signature(owner).parameters if name != "self"]
    signatures[kind] = actual[: len(names)] == list(names)
print(json.dumps([told, signatures]))
"""


def test_recorded_pipelines_come_back_as_code(tmp_path: Path) -> None:
    (tmp_path / "code").mkdir()
    (tmp_path / "out").mkdir()
    (tmp_path / "code" / "user_pipeline.py").write_text(USER_CODE)
    (tmp_path / "code" / "user_helpers.py").write_text("def twice(x):\n    return x + x\n")
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM), str(tmp_path), str(ROOT)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told, signatures = json.loads(done.stdout.splitlines()[-1])
    for text, before, after in told.values():
        assert before == after, text
    assert [kind for kind, right in signatures.items() if not right] == []
    assert 'sys.path.insert(0, str(Path(__file__).resolve().parent / "../code"))' in told["everything"][0]
    assert "from user_pipeline import SCALE" not in told["nested"][0]
    assert ".map(lambda x: (n, x * SCALE), num_parallel_calls=2).batch(2)" in told["nested"][0]
