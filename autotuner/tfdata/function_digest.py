"""Hashes of functions and values: equal in every process, whatever the file, the line or the hash seed."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from types import CodeType

from autotuner.pipeline import Captured, FnRef, Value
from autotuner.tfdata.function_modules import attribute

_UNSTEADY = {"name", "built"}
"""Attributes of a Keras layer that depend on what was made or called before."""


def digest_of(*parts: object) -> str:
    """Hash of the ``repr`` of parts that say the same in every process."""
    return hashlib.sha256(repr(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]


def code_identity(code: CodeType) -> tuple[object, ...]:
    """What the code does: no paths, lines or variable names."""
    constants = tuple(_constant_identity(constant) for constant in code.co_consts)
    shape = (code.co_argcount, code.co_posonlyargcount, code.co_kwonlyargcount, code.co_flags)
    return code.co_code.hex(), code.co_exceptiontable.hex(), constants, code.co_names, shape, code.co_freevars


def value_identity(value: Value) -> object:
    """What the value is, without the key it is stored under."""
    match value:
        case FnRef():
            return "function", value.digest
        case Captured():
            return "captured", value.digest or value.expression or value.summary
        case tuple() | list():
            return type(value).__name__, tuple(value_identity(item) for item in value)
        case dict():
            return "dict", tuple((name, value_identity(item)) for name, item in value.items())
        case _:
            return type(value).__name__, repr(value)


def bindings_identity(bindings: Mapping[str, Value]) -> tuple[object, ...]:
    """Names and values, whatever their order."""
    return tuple((name, value_identity(bindings[name])) for name in sorted(bindings))


def object_digest(value: object) -> str:
    """Hash of a callable that has no code of its own: its class, what calling it runs, its plain settings."""
    kind = value if isinstance(value, type) else type(value)
    methods = [
        (name, code_identity(code))
        for name, item in sorted(vars(kind).items())
        if isinstance(code := attribute(item, "__code__"), CodeType)
    ]
    settings = attribute(value, "__dict__") if not isinstance(value, type) else {}
    plain = [
        (name, repr(item))
        for name, item in (settings.items() if isinstance(settings, dict) else ())
        if type(item) in {bool, int, float, str, bytes} and not name.startswith("_") and name not in _UNSTEADY
    ]
    return digest_of(kind.__module__, kind.__qualname__, attribute(value, "__qualname__"), methods, sorted(plain))


def _constant_identity(constant: object) -> object:
    match constant:
        case CodeType():
            return code_identity(constant)
        case frozenset():
            return "frozenset", tuple(sorted(repr(_constant_identity(item)) for item in constant))
        case tuple():
            return "tuple", tuple(_constant_identity(item) for item in constant)
        case _:
            return type(constant).__name__, repr(constant)
