"""Emits pipelines made by hand, and runs the text against the fake TensorFlow."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from autotuner.emit.module import EmittedModule, emit_module
from autotuner.emit.refusal import Unemittable
from autotuner.emit.signatures import VARIADIC, positional
from autotuner.pipeline import (
    AUTOTUNE,
    CallSite,
    Captured,
    FnRef,
    InputCardinality,
    Op,
    Pipeline,
    Upstream,
    Value,
)
from tests.fakes import AUTOTUNED, FakeDataset, fake_tensorflow

REPRODUCED = {"same", "never repeats"}
"""What the round trip of the catalogue says of code that is right.

A function that makes seeded layers builds another graph each time; a study compares its data instead.
"""
HERE = Path("/work-folder")
TF = Captured("tf", "module tensorflow", "tf", ("import tensorflow as tf",), digest="tf")


def source(label: str = "range[0]", *arguments: Value) -> Op:
    return Op(label, "range", None, (("args", arguments or (10,)),))


def op(label: str, receiver: str | None = None, /, decision: str | None = None, **arguments: Value) -> Op:
    site = CallSite("/user/pipeline.py", 7, 9, 30)
    return Op(label, label.partition("[")[0], receiver, tuple(arguments.items()), site, decision=decision)


def chain(*ops: Op) -> Pipeline:
    """A pipeline in which each op but sources reads the one before it."""
    linked: list[Op] = []
    for item in ops:
        receiver = linked[-1].label if linked else None
        linked.append(Op(item.label, item.kind, receiver, item.arguments, item.call_site, item.inner, item.decision))
    return Pipeline(tuple(linked))


def fn(text: str, /, name: str = "<lambda>", **bindings: Value) -> FnRef:
    return FnRef(name, name, source=text, source_line=1, bindings=bindings, file="/user/pipeline.py", line=3)


def own(name: str, module: str = "user_code", root: str = "/user") -> FnRef:
    return FnRef(name, name, module, name, importable=True, import_root=root)


def emit(
    pipeline: Pipeline,
    *,
    signature: str = "",
    header: tuple[str, ...] = ("Tuned.",),
    effects: Mapping[str, str] | None = None,
    folder: Path = HERE,
    changed: Mapping[tuple[str, str], str] | None = None,
    attributes: Mapping[str, Value] | None = None,
) -> EmittedModule | Unemittable:
    return emit_module(
        pipeline,
        function_name="dataset_fn",
        signature=signature,
        header=header,
        effects=effects or {},
        folder=folder,
        changed=changed,
        attributes=attributes or {},
    )


def text_of(pipeline: Pipeline, **options: Any) -> str:
    made = emit(pipeline, **options)
    assert isinstance(made, EmittedModule), made
    return made.text


def reasons_of(pipeline: Pipeline, **options: Any) -> tuple[str, ...]:
    made = emit(pipeline, **options)
    assert isinstance(made, Unemittable), made
    return made.reasons


def body_of(pipeline: Pipeline, **options: Any) -> list[str]:
    """Statements of the emitted function, without indentation, docstring and ``return``."""
    lines = text_of(pipeline, **options).split('"""Build the tuned dataset."""\n')[1].splitlines()
    return [line.removeprefix("    ") for line in lines[:-1]]


def run(text: str, file: Path = HERE / "tuned_pipeline.py") -> dict[str, Any]:
    """The namespace of the module, executed against the fake."""
    space: dict[str, Any] = {"__file__": str(file), "__name__": "tuned_pipeline"}
    before = list(sys.path)
    try:
        with fake_tensorflow():
            exec(compile(text, str(file), "exec"), space)  # noqa: S102 - what was emitted
    finally:
        sys.path[:] = before
    return space


def built(pipeline: Pipeline, **options: Any) -> FakeDataset:
    """The fake dataset that the emitted function returns."""
    made = run(text_of(pipeline, **options))["dataset_fn"]()
    assert isinstance(made, FakeDataset)
    return made


def ruff(*arguments: str, text: str) -> str:
    program = Path(sys.executable).with_name("ruff")
    command = [str(program), *arguments, "--isolated", "--line-length", "120", "-"]
    return subprocess.run(command, input=text, capture_output=True, text=True, check=False).stdout


def calls(dataset: FakeDataset) -> Any:
    """The calls that made a fake dataset, arguments under their names."""
    if dataset.kind in VARIADIC:
        named: dict[str, Any] = {"args": dataset.args}
    else:
        named = dict(zip(positional(dataset.kind), dataset.args, strict=False)) | dataset.kwargs
    receiver = dataset.receiver and calls(dataset.receiver)
    return dataset.kind, receiver, {name: _seen(value) for name, value in named.items()}


def _seen(value: Any) -> Any:
    match value:
        case FakeDataset():
            return calls(value)
        case ("cardinality", FakeDataset() as receiver):
            return "cardinality", calls(receiver)
        case tuple() | list():
            return type(value)(_seen(item) for item in value)
        case _:
            return AUTOTUNE if value is AUTOTUNED else value


def expected(pipeline: Pipeline, item: Op) -> Any:
    receiver = expected(pipeline, pipeline[item.receiver]) if item.receiver else None

    def wanted(value: Value) -> Any:
        match value:
            case Upstream(label):
                return expected(pipeline, pipeline[label])
            case InputCardinality():
                return "cardinality", receiver
            case tuple() | list():
                return type(value)(wanted(part) for part in value)
            case _:
                return value

    return item.kind, receiver, {name: wanted(value) for name, value in item.arguments}
