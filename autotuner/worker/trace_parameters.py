"""Finds out which values of a recorded pipeline are the arguments of the user's function.

The function runs again with one argument changed, twice, to different values. A place of the pipeline holds that
argument when it held the old value and follows both new ones; equal values of two parameters are told apart, because
only one of them changes at a time. An argument that changes anything else cannot stay a parameter of code that is
written down.
"""

from __future__ import annotations

import functools
import inspect
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from autotuner.measure.messages import Mark, Traced
from autotuner.pipeline import Captured, FnRef, Pipeline, Value
from autotuner.tfdata.record import Recorded


class _ComputedError(Exception):
    """The argument changes more than places that hold it; the message says what."""


def trace_parameters(recorded: Recorded, scratch: Path) -> Traced:
    """Finds every place of the recorded pipeline that holds an argument of the function."""
    found = Traced([], {}, {}, {})
    for parameter in inspect.signature(recorded.origin.dataset_fn).parameters.values():
        if parameter.kind in {parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD}:
            continue
        try:
            others = list(_others(parameter.default, scratch))
            found.marks.extend(_agreeing(recorded, parameter.name, parameter.default, others))
        except _ComputedError as error:
            found.baked[parameter.name] = str(error)
            continue
        found.defaults[parameter.name] = parameter.default
        found.others[parameter.name] = others[0]
    return found


def _agreeing(recorded: Recorded, name: str, default: object, others: list[Any]) -> list[Mark]:
    """Places that follow the argument to each of ``others``."""
    marks, *again = (_marks(recorded, name, default, other) for other in others)
    if not marks:
        raise _ComputedError("no stage holds it")
    if any(other != marks for other in again):
        raise _ComputedError("what follows from it differs from value to value")
    return marks


def _others(default: object, scratch: Path) -> Iterator[Any]:
    """Two more values of the kind that ``default`` is."""
    match default:
        case bool() | None:
            raise _ComputedError("it decides which stages there are")
        case int() | float():
            yield from (default + 1, default + 3)
        case str() if default and Path(default).exists():
            yield from (_other_path(Path(default), scratch) for _ in range(2))
        case str():
            yield from (f"{default}_", f"{default}__")
        case _:
            raise _ComputedError("there is no other value of its kind to try")


def _other_path(path: Path, scratch: Path) -> str:
    """Another name of the same file or folder."""
    link = Path(tempfile.mkdtemp(prefix="other-", dir=scratch)) / path.name
    link.symlink_to(path.resolve())
    return str(link)


def _marks(recorded: Recorded, name: str, default: object, other: object) -> list[Mark]:
    """Places that hold ``default``, and ``other`` once the argument is ``other``."""
    function: Callable[[], Any] = functools.partial(recorded.origin.dataset_fn, **{name: other})
    try:
        changed = recorded.origin.again(function).pipeline
    except Exception as error:
        raise _ComputedError(f"the function fails with {other!r}: {type(error).__name__}") from error
    marks: list[Mark] = []
    for place, old, new in _differences(recorded.pipeline, changed):
        if type(old) is type(new) and old == default and new == other:
            marks.append(Mark(name, place))
            continue
        texts = isinstance(old, str) and isinstance(new, str) and isinstance(default, str)
        suffix = str(old).removeprefix(str(default))
        if not texts or suffix == old or new != f"{other}{suffix}":
            raise _ComputedError(f"{' of '.join(reversed(place[:2]))} is computed from it")
        marks.append(Mark(name, place, suffix))
    return marks


_Difference = tuple[list[str], Value, Value]


def _differences(old: Pipeline, new: Pipeline) -> Iterator[_Difference]:
    """Plain values that differ, with their places; anything else that does cannot be a parameter alone."""
    stages = [[(op.label, op.kind, op.receiver, op.inner is None) for op in pipeline.ops] for pipeline in (old, new)]
    if stages[0] != stages[1]:
        raise _ComputedError("it decides which stages there are")
    for before, after in zip(old.ops, new.ops, strict=True):
        given = dict(after.arguments)
        if dict(before.arguments).keys() != given.keys():
            raise _ComputedError(f"it decides what {before.label} is given")
        for name, value in before.arguments:
            yield from _in_value([before.label, name], value, given[name])


def _in_value(place: list[str], old: Value, new: Value) -> Iterator[_Difference]:
    if isinstance(old, FnRef) and isinstance(new, FnRef):
        yield from _in_function(place, old, new)
    elif isinstance(old, Captured) and isinstance(new, Captured):
        if old.digest != new.digest:
            raise _ComputedError(f"{' of '.join(reversed(place[:2]))} is computed from it")
    elif isinstance(old, tuple | list) and isinstance(new, tuple | list) and len(old) == len(new):
        for index, (one, other) in enumerate(zip(old, new, strict=True)):
            yield from _in_value([*place, str(index)], one, other)
    elif isinstance(old, dict) and isinstance(new, dict) and old.keys() == new.keys():
        for key, value in old.items():
            yield from _in_value([*place, key], value, new[key])
    elif type(old) is not type(new) or old != new:
        yield place, old, new


def _in_function(place: list[str], old: FnRef, new: FnRef) -> Iterator[_Difference]:
    if old.digest == new.digest:
        return
    if old.source is None or old.source != new.source or old.bindings.keys() != new.bindings.keys():
        raise _ComputedError(f"{old.name} is computed from it")
    inside = [
        found for name, value in old.bindings.items() for found in _in_value([*place, name], value, new.bindings[name])
    ]
    if not inside:
        raise _ComputedError(f"{old.name} holds something computed from it")
    yield from inside
