"""What can be found out about a live callable, whatever its kind."""

from __future__ import annotations

import functools
import importlib.util
import json
import sys
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from autotuner.pipeline import Captured, FnRef, from_json, to_json
from tests.tfdata.describing import described

Load = Callable[..., ModuleType]


@pytest.fixture
def load(tmp_path: Path) -> Iterator[Load]:
    """Writes a module and imports it under its own name."""
    loaded: list[str] = []

    def make(text: str | bytes, name: str = "user_pipeline") -> ModuleType:
        path = tmp_path / f"{name}.py"
        path.write_bytes(textwrap.dedent(text).encode() if isinstance(text, str) else text)
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        loaded.append(name)
        spec.loader.exec_module(module)
        return module

    yield make
    for name in loaded:
        sys.modules.pop(name, None)


def test_a_module_level_function_is_imported_by_name(load: Load, tmp_path: Path) -> None:
    module = load("""
        SCALE = 3

        def decode(x, y=SCALE):
            # why
            return x * SCALE
    """)
    fn = described(module.decode)
    assert (fn.name, fn.module, fn.qualname, fn.importable) == ("decode", "user_pipeline", "decode", True)
    assert fn.source == "def decode(x, y=SCALE):\n    # why\n    return x * SCALE"
    assert (fn.source_line, fn.source_column, fn.line) == (4, 0, 4)
    assert fn.file == str(tmp_path / "user_pipeline.py")
    assert fn.import_root == str(tmp_path)
    assert fn.bindings == {"SCALE": 3}
    assert from_json(json.loads(json.dumps(to_json(fn)))) == fn


def test_each_of_several_lambdas_on_one_line_is_found(load: Load) -> None:
    module = load("made = [lambda x: x, lambda x: x + 1, (lambda y: lambda x: x + y), lambda: 0, lambda x: x]\n")
    sources = [described(fn).source for fn in module.made]
    assert sources == ["lambda x: x", "lambda x: x + 1", "lambda y: lambda x: x + y", "lambda: 0", "lambda x: x"]
    inner = described(module.made[2](5))
    assert inner.source == "lambda x: x + y"
    assert inner.bindings == {"y": 5}
    assert not inner.importable
    assert described(module.made[4]).source_column == 78


def test_columns_are_bytes(load: Load) -> None:
    module = load("pair = ['äöü→', lambda x: x + 1]; other = 'é', lambda x: 'ß' + x  # → ü\n")
    assert described(module.pair[1]).source == "lambda x: x + 1"
    assert described(module.other[1]).source == "lambda x: 'ß' + x"


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
def test_a_lambda_over_several_lines_of_a_chain(load: Load, newline: str) -> None:
    text = "def use(f, n=1):\n    return f\n\nfn = use(\n    lambda x: (\n        x\n        + 1\n    ), n=2\n)\n"
    fn = described(load(text.replace("\n", newline).encode()).fn)
    assert fn.source == "lambda x: (\n        x\n        + 1\n    )"
    assert (fn.source_line, fn.source_column) == (5, 4)


def test_tabs_strings_and_nesting_are_kept(load: Load) -> None:
    module = load(b'def make(k):\n\tdef scale(x):\n\t\ttext = """a\n\tb\n"""\n\t\treturn x * k, text\n\treturn scale\n')
    fn = described(module.make(4))
    assert fn.source == 'def scale(x):\n\ttext = """a\n\tb\n"""\n\treturn x * k, text'
    assert fn.bindings == {"k": 4}
    assert fn.source_column == 1


def test_closures_over_loop_variables_carry_their_own_value(load: Load) -> None:
    module = load(
        "made = [(lambda k: lambda x: x * k)(k) for k in range(3)]\nfixed = [lambda x, k=k: x * k for k in [7]]"
    )
    assert [described(fn).bindings for fn in module.made] == [{"k": 0}, {"k": 1}, {"k": 2}]
    assert described(module.fixed[0]).bindings == {"k": 7}
    assert len({described(fn).digest for fn in module.made}) == 3


def test_bindings_say_how_each_name_is_written(load: Load) -> None:
    load("def helper(x):\n    return x\n", "user_helpers")
    module = load("""
        import os.path as osp
        import json
        import user_helpers
        from user_helpers import helper as assist
        from pathlib import Path
        TABLE = object()
        HERE = Path("data")

        class Box:
            @staticmethod
            def open(x):
                return x

        opened = Box.open

        def make(sizes, thing, inner):
            return lambda x: (osp, json, user_helpers, assist, TABLE, HERE, Box, opened, sizes, thing, inner, len(x))

        fn = make([1, (2.0, b"3")], set(), lambda x: x + TABLE)
    """)
    bindings = described(module.fn).bindings
    spelled = {name: (item.expression, item.imports) for name, item in bindings.items() if isinstance(item, Captured)}
    assert spelled == {
        "osp": ("osp", ("import posixpath as osp",)),
        "json": ("json", ("import json",)),
        "user_helpers": ("user_helpers", ("import user_helpers",)),
        "assist": ("assist", ("from user_helpers import helper as assist",)),
        "TABLE": ("TABLE", ("from user_pipeline import TABLE",)),
        "HERE": ("Path('data')", ("from pathlib import Path",)),
        "Box": ("Box", ("from user_pipeline import Box",)),
        "opened": ("Box.open", ("from user_pipeline import Box",)),
        "thing": (None, ()),
    }
    assert bindings["sizes"] == [1, (2.0, b"3")]
    inner = bindings["inner"]
    assert isinstance(inner, FnRef)
    assert inner.source == "lambda x: x + TABLE"
    assert list(inner.bindings) == ["TABLE"]


def test_decorated_functions(load: Load) -> None:
    module = load("""
        import functools

        def timed(function):
            @functools.wraps(function)
            def inner(x):
                return function(x)
            return inner

        def plain(function):
            def inner(x):
                return function(x) + 1
            return inner

        def register(function):
            return function

        @timed
        def top(x):
            return x

        def make(k):
            @timed
            def wrapped(x):
                return x * k

            @plain
            def bare(x):
                return x * k

            @register
            def same(x):
                return x * k

            def raw(x):
                return x * k

            return wrapped, bare, same, timed(raw)
    """)
    assert described(module.top).importable
    wrapped, bare, same, called = map(described, module.make(2))
    assert wrapped.source == "@timed\ndef wrapped(x):\n    return x * k"
    assert list(wrapped.bindings) == ["k", "timed"]
    assert bare.source == "def inner(x):\n    return function(x) + 1"
    below = bare.bindings["function"]
    assert isinstance(below, FnRef)
    assert below.source == "def bare(x):\n    return x * k"
    assert same.source == "def same(x):\n    return x * k"
    assert called.source == "def inner(x):\n    return function(x)"
    assert called.name == "raw"


def test_partials_and_bound_methods(load: Load) -> None:
    module = load("""
        import functools

        def scale(x, k, *, add=0):
            return x * k + add

        class Reader:
            def __init__(self):
                self.k = 2

            def parse(self, x):
                return x * self.k

            def __call__(self, x):
                return x

        READER = Reader()
        named = functools.partial(scale, k=3)
    """)
    partial = described(functools.partial(module.scale, 3, add=1))
    assert partial.name == "scale"
    assert partial.source == "functools.partial(scale, 3, add=1)"
    assert {name: item.imports for name, item in partial.bindings.items() if isinstance(item, Captured)} == {
        "functools": ("import functools",),
        "scale": ("from user_pipeline import scale",),
    }
    assert described(functools.partial(module.scale, object())).source is None
    method = described(module.READER.parse)
    assert (method.name, method.source) == ("parse", "reader.parse")
    owner = method.bindings["reader"]
    assert isinstance(owner, Captured)
    assert owner.imports == ("from user_pipeline import READER as reader",)
    assert described(module.Reader().parse).bindings["reader"] == Captured(
        "k.reader", "Reader", digest=repr(module.Reader)
    )
    instance = described(module.READER)
    assert (instance.name, instance.qualname, instance.importable) == ("Reader", "READER", True)
    assert not described(module.Reader()).importable


def test_functions_that_call_themselves(load: Load) -> None:
    module = load("""
        def make():
            def down(x):
                return down(x - 1) if x else x

            def even(x):
                return odd(x - 1)

            def odd(x):
                return even(x - 1)

            again = lambda x: again(x - 1)
            return down, even, again

        def twice(f):
            def inner(x):
                return f(f(x))
            return inner

        nested = twice(twice(abs))
    """)
    down, even, again = map(described, module.make())
    assert down.source is not None
    assert down.bindings == {}
    odd = even.bindings["odd"]
    assert isinstance(odd, FnRef)
    assert odd.bindings["even"] == Captured("k.odd.even", "even, which leads back to itself", digest="even")
    assert again.source is None
    inside = described(module.nested).bindings["f"]
    assert isinstance(inside, FnRef)
    assert isinstance(inside.bindings["f"], Captured)


def test_code_whose_file_is_gone_or_changed_has_no_source(load: Load, tmp_path: Path) -> None:
    module = load("fn = lambda x: x + 1\n")
    (tmp_path / "user_pipeline.py").write_text("fn = lambda x: x + 2\n")
    assert described(module.fn).source is None
    space: dict[str, Any] = {}
    exec("fn = lambda x: x", space)  # noqa: S102 - code without a file
    assert described(space["fn"]).source is None
    assert not described(space["fn"]).importable


def test_private_names_and_super_are_not_carried(load: Load) -> None:
    module = load("""
        class Base:
            def go(self):
                def fn(x):
                    return __class__, x
                return fn

        def late():
            return lambda x: defined_nowhere(x)
    """)
    assert described(module.late()).source is None
    assert described(module.Base().go()).bindings.keys() <= {"__class__"}
