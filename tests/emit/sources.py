"""Recordings made by hand of source text: each op finds its call in the text as the recorder would."""

from __future__ import annotations

import ast
import textwrap
from collections.abc import Callable, Mapping
from pathlib import Path

from autotuner.emit.patch import EmittedPatch, emit_patch
from autotuner.emit.refusal import Unemittable
from autotuner.pipeline import CallSite, Configuration, FnRef, Op, Pipeline, Value

FILE = "/project/data.py"
AHEAD = Op("prefetch[end]", "prefetch", None, (("buffer_size", "AUTOTUNE"),), decision="prefetch[end].buffer_size")
OPTIONS = Op(
    "with_options[tuned]",
    "with_options",
    None,
    (("options", {"threading.private_threadpool_size": 16}),),
    decision="options.private_threadpool_size",
)
Rewrite = Callable[[Pipeline], Pipeline]


def recorded(text: str, *kinds: str) -> Pipeline:
    """A chain of the calls named ``kinds`` (``map``, ``map#2`` for the second in the text), functions as labels."""
    ops: list[Op] = []
    for kind in kinds:
        name, _, number = kind.partition("#")
        call = _calls(text, name)[int(number or 1) - 1]
        arguments = _arguments(name, call)
        named = [value.name for _, value in arguments if isinstance(value, FnRef)]
        label = f"{name}[{named[0]}]" if named and named[0].isidentifier() else f"{name}[{len(ops)}]"
        site = CallSite(FILE, call.lineno, call.end_lineno or 0, call.end_col_offset or 0)
        ops.append(Op(label, name, ops[-1].label if ops else None, arguments, site))
    return Pipeline(tuple(ops))


def _calls(text: str, name: str) -> list[ast.Call]:
    found = [
        node
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
    ]
    return sorted(found, key=lambda node: (node.end_lineno or 0, node.end_col_offset or 0))


_POSITIONAL = {"map": "map_func", "filter": "predicate", "interleave": "map_func"}
_FIRST = {"batch": "batch_size", "shuffle": "buffer_size", "prefetch": "buffer_size", "list_files": "file_pattern"}


def _arguments(kind: str, call: ast.Call) -> tuple[tuple[str, Value], ...]:
    made: list[tuple[str, Value]] = []
    for index, node in enumerate(call.args):
        name = {**_POSITIONAL, **_FIRST}.get(kind, "args") if index == 0 else f"argument{index}"
        made.append((name, _value(name, node)))
    return tuple(made) + tuple((str(item.arg), _value(str(item.arg), item.value)) for item in call.keywords)


def _value(name: str, node: ast.expr) -> Value:
    if name in {"map_func", "predicate"}:
        text = ast.unparse(node)
        return FnRef(key=text, name=text if text.isidentifier() else "<lambda>")
    if isinstance(node, ast.Attribute) and node.attr == "AUTOTUNE":
        return "AUTOTUNE"
    return node.value if isinstance(node, ast.Constant) else 7  # type: ignore[return-value]


def patch(
    text: str,
    pipeline: Pipeline,
    rewritten: Pipeline,
    configuration: Mapping[str, object] | None = None,
    effects: Mapping[str, str] | None = None,
    data: bytes | None = None,
) -> EmittedPatch | Unemittable:
    def read(path: str) -> bytes:
        if path != FILE:
            raise FileNotFoundError(path)
        return text.encode() if data is None else data

    return emit_patch(
        pipeline,
        rewritten,
        configuration=Configuration(configuration),  # type: ignore[arg-type]
        effects=effects or {},
        read=read,
    )


def patched(text: str, pipeline: Pipeline, rewritten: Pipeline, **options: object) -> str:
    made = patch(text, pipeline, rewritten, **options)  # type: ignore[arg-type]
    assert isinstance(made, EmittedPatch), made
    return made.files[FILE]


def changed_lines(text: str, result: str) -> list[str]:
    """``-`` and ``+`` lines."""
    import difflib

    lines = difflib.unified_diff(text.splitlines(), result.splitlines(), n=0, lineterm="")
    return [line for line in lines if not line.startswith(("---", "+++", "@@"))]


def dedented(text: str) -> str:
    return textwrap.dedent(text).lstrip("\n")


def project(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder
