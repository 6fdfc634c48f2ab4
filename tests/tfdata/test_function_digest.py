"""Digests, odd callables, and functions of scripts and of TensorFlow, in processes of their own."""

from __future__ import annotations

import functools
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from autotuner.pipeline import Captured, FnRef, from_json
from tests.tfdata.describing import described


@pytest.mark.parametrize(
    "odd",
    [len, str.lower, "text".upper, int, [].append, 3, None, SimpleNamespace(__wrapped__=3), functools.partial(len),
     functools.partial(functools.partial(max, 1), 2)],
)  # fmt: skip
def test_odd_callables_are_described_without_an_error(odd: Any) -> None:
    fn = described(odd)
    assert fn.name
    assert fn.digest == described(odd).digest


def test_an_object_that_hates_questions_is_described() -> None:
    class Odd:
        def __getattr__(self, name: str) -> object:
            raise ZeroDivisionError(name)

    assert described(Odd()).name == "Odd"


def test_functions_of_a_script_are_imported_by_its_file_name(tmp_path: Path) -> None:
    script = tmp_path / "train_script.py"
    root = Path(__file__).parents[2]
    script.write_text(
        f"import sys; sys.path.insert(0, {str(root)!r})\n"
        "from autotuner.tfdata.functions import describe\n"
        "def decode(x): return x\n"
        "fn = describe(decode, 'k', lambda value, key: None)\n"
        "print(fn.module, fn.importable, fn.import_root)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["train_script", "True", str(tmp_path)]


DIGESTS = """
import sys
sys.path[:0] = {paths!r}
from autotuner.tfdata.functions import describe
import user_digests
for name in ("first", "second", "third", "fourth", "fifth", "sixth"):
    print(describe(getattr(user_digests, name), "k", lambda value, key: repr(value)).digest)
"""
DIGEST_MODULE = """
import functools
def helper(x):
    return x + {added}
def first(x, names=("a", "b")):
    return x in {{"one", "two", "three"}} and helper(x) and [y for y in names if y]
second = (lambda k: lambda x: x * k)({factor})
third = functools.partial(helper, {factor})
class Call:
    def __init__(self): self.mode = "{mode}"
    def __call__(self, x): return x
fourth = Call()
fifth = fourth.__call__
sixth = lambda x: print(fourth, helper)
"""


def digests(folder: Path, *, seed: str, added: int = 1, factor: int = 2, mode: str = "a", above: str = "") -> list[str]:
    folder.mkdir(exist_ok=True)
    text = above + DIGEST_MODULE.format(added=added, factor=factor, mode=mode)
    (folder / "user_digests.py").write_text(text)
    program = DIGESTS.format(paths=[str(folder), str(Path(__file__).parents[2])])
    environment = {"PYTHONHASHSEED": seed, "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=True)
    return done.stdout.split()


def test_a_digest_is_equal_in_every_process_and_place_and_follows_the_code(tmp_path: Path) -> None:
    base = digests(tmp_path / "a", seed="1")
    assert digests(tmp_path / "b", seed="2", above="# moved\n\n") == base
    assert len(set(base)) == 6

    def changed(**change: Any) -> list[bool]:
        return [new != old for new, old in zip(digests(tmp_path / "c", seed="3", **change), base, strict=True)]

    assert changed(added=5) == [True, False, True, False, False, True]
    assert changed(factor=5) == [False, True, True, False, False, False]
    assert changed(mode="b") == [False, False, False, True, True, True]


def test_functions_of_tensorflow_are_spelled_by_their_public_name() -> None:
    program = (
        "import json, tensorflow as tf\n"
        "from autotuner.pipeline import to_json\n"
        "from autotuner.tfdata.functions import describe\n"
        "from tensorflow import keras\n"
        "read = [tf.io.read_file, tf.image.resize, lambda x: (tf.io.read_file(x), keras, f(x)), tf.function(abs)]\n"
        "f = tf.io.decode_jpeg\n"
        "print(json.dumps([to_json(describe(fn, 'k', lambda value, key: None)) for fn in read]))\n"
    )
    root = Path(__file__).parents[2]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root)
    read, resize, lambda_, function = map(from_json, json.loads(done.stdout.splitlines()[-1]))
    assert isinstance(read, FnRef)
    assert isinstance(resize, FnRef)
    assert isinstance(lambda_, FnRef)
    assert isinstance(function, FnRef)
    assert (read.source, resize.source) == ("tf.io.read_file", "tf.image.resize")
    assert function.source is None
    spelled = {
        name: (item.expression, item.imports) for name, item in lambda_.bindings.items() if isinstance(item, Captured)
    }
    assert spelled == {
        "tf": ("tf", ("import tensorflow as tf",)),
        "keras": ("keras", ("from tensorflow import keras",)),
        "f": ("tf.io.decode_jpeg", ("import tensorflow as tf",)),
    }
