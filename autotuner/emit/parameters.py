"""Puts the user's parameters back into a rewritten pipeline, wherever their values still stand in it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from autotuner.emit.literals import quoted
from autotuner.measure.messages import Mark
from autotuner.pipeline import Captured, Derived, FnRef, Op, Pipeline, Value

Place = tuple[str, ...]


def parametrised(rewritten: Pipeline, recorded: Pipeline, marks: Iterable[Mark]) -> Pipeline:
    """``rewritten`` with names of parameters where ``marks`` says that ``recorded`` holds them.

    Only values that the rewrite left as they were; what it computed from one stays a number.
    """
    names = {tuple(mark.place): _name(mark) for mark in marks}
    before = {op.label: op for op in recorded.ops}
    functions = {
        fn.key: marked
        for op in recorded.ops
        for name, value in op.arguments
        for fn, marked in _functions(value, _put(value, (op.label, name), names))
    }

    def argument(op: Op, name: str, value: Value) -> Value:
        if op.label in before and before[op.label].argument(name) == value:
            return _put(value, (op.label, name), names)
        return _swapped(value, functions)

    return Pipeline(
        tuple(
            replace(op, arguments=tuple((name, argument(op, name, value)) for name, value in op.arguments))
            for op in rewritten.ops
        )
    )


def _name(mark: Mark) -> Captured:
    expression = f"{mark.parameter} + {quoted(mark.suffix)}" if mark.suffix else mark.parameter
    return Captured(f"parameter {mark.parameter}", f"the parameter {mark.parameter}", expression, digest=expression)


def _put(value: Value, place: Place, names: Mapping[Place, Captured]) -> Value:
    if place in names:
        return names[place]
    if isinstance(value, FnRef):
        bindings = {name: _put(item, (*place, name), names) for name, item in value.bindings.items()}
        return replace(value, bindings=bindings)
    if isinstance(value, tuple | list):
        return type(value)(_put(item, (*place, str(index)), names) for index, item in enumerate(value))
    if isinstance(value, dict):
        return {key: _put(item, (*place, key), names) for key, item in value.items()}
    return value


def _functions(value: Value, marked: Value) -> Iterable[tuple[FnRef, FnRef]]:
    if isinstance(value, FnRef) and isinstance(marked, FnRef):
        yield value, marked


def _swapped(value: Value, functions: Mapping[str, FnRef]) -> Value:
    if isinstance(value, FnRef):
        return functions.get(value.key, value)
    if isinstance(value, Derived):
        parts = (_swapped(part, functions) for part in value.of)
        return replace(value, of=tuple(part for part in parts if isinstance(part, FnRef | Derived)))
    return value
