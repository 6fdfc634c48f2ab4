"""Describes live Python callables as plain data: where they are imported from, their source, what they close over."""

from __future__ import annotations

import copy
import functools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import BuiltinFunctionType, CodeType, FunctionType, MethodType

from autotuner.pipeline import Captured, FnRef, Value
from autotuner.tfdata.function_digest import bindings_identity, code_identity, digest_of, object_digest, value_identity
from autotuner.tfdata.function_modules import Address, address_of, attribute, instance_address, tensorflow_name
from autotuner.tfdata.function_scope import Scope, UnknownNameError, needed_values
from autotuner.tfdata.function_source import Source, find_source, with_decorators
from autotuner.tfdata.function_values import imported, literal, module_value, path_value, plain_leaves

DescribeValue = Callable[[object, str], Value]

_MAX_INLINE_LEAVES = 64
_ADDRESS = re.compile(r" at 0x[0-9a-f]+")
_FUNCTION_TYPES = (FunctionType, BuiltinFunctionType, MethodType, functools.partial)


def describe(function: object, key: str, describe_value: DescribeValue) -> FnRef:
    """The plain form of ``function``, any callable; what cannot be found out about it is left empty.

    ``describe_value(value, key)`` is asked for captured objects that are neither literals nor importable; ``key``
    is the function's key followed by the captured name.
    """
    return _Describer(describe_value).describe(function, key)


@dataclass(frozen=True)
class _Written:
    """How a callable is written as code."""

    source: str | None = None
    line: int | None = None
    column: int = 0
    bindings: Mapping[str, Value] = field(default_factory=dict)
    function: FunctionType | None = None
    """Whose code ``source`` is."""


class _Describer:
    def __init__(self, describe_value: DescribeValue) -> None:
        self._describe_value = describe_value
        self._digests: dict[int, str] = {}
        self._open: list[object] = []
        """What is being described, outermost first: a value that leads back here is not followed again."""

    def describe(self, value: object, key: str) -> FnRef:
        public = tensorflow_name(value)
        address = Address("tensorflow", public.removeprefix("tf."), None) if public else address_of(value)
        if address is None and not isinstance(value, _FUNCTION_TYPES):
            address = instance_address(value)
        function = _innermost(value)
        self._open.append(value)
        try:
            written = self._written(value, function, key)
        finally:
            self._open.pop()
        name = public.rpartition(".")[2] if public else _name(value)
        return FnRef(
            key=key,
            name=name,
            module=address.module if address else _text(attribute(value, "__module__")),
            qualname=address.qualname if address else _text(attribute(value, "__qualname__")),
            importable=address is not None,
            file=function.__code__.co_filename if function else None,
            line=function.__code__.co_firstlineno if function else None,
            source=written.source,
            source_line=written.line,
            bindings=written.bindings,
            digest=_digest(value, written),
            source_column=written.column,
            import_root=address.import_root if address else None,
        )

    def _written(self, value: object, function: FunctionType | None, key: str) -> _Written:
        if public := tensorflow_name(value):
            tensorflow = Captured(f"{key}.tf", "module tensorflow", "tf", ("import tensorflow as tf",), digest="tf")
            return _Written(public, bindings={"tf": tensorflow})
        if isinstance(value, functools.partial):
            return self._partial(value, key)
        if isinstance(value, MethodType):
            return self._method(value, key)
        if function is None:
            return _Written()
        source = _source_of(value, function)
        if source is None and isinstance(value, FunctionType) and value is not function:
            # A wrapper that is not the def's own decorator is written as what it is: a function with a closure.
            function, source = value, find_source(value.__code__)
        try:
            bindings = self._bound(function, source, key)
        except UnknownNameError:
            return _Written(function=function)
        if source is None:
            return _Written(bindings=bindings, function=function)
        return _Written(source.text, source.line, source.column, bindings, function)

    def _bound(self, function: FunctionType, source: Source | None, key: str) -> dict[str, Value]:
        scope = Scope.of(function, source)
        bindings: dict[str, Value] = {}
        for name, value in needed_values(function, source).items():
            if value is not self._open[-1] and not _calls_itself(function, name, value):
                bindings[name] = self._binding(value, name, f"{key}.{name}", scope)
            elif name != function.__code__.co_name:
                raise UnknownNameError(name)
        return bindings

    def _partial(self, value: functools.partial[object], key: str) -> _Written:
        arguments = [*value.args, *value.keywords.values()]
        if not all(literal(item) for item in arguments):
            return _Written()
        name = _name(value.func)
        name = name if name.isidentifier() and name != "functools" else "function"
        written = [name, *map(repr, value.args), *(f"{word}={item!r}" for word, item in value.keywords.items())]
        bindings = {
            "functools": module_value(functools, "functools", f"{key}.functools"),
            name: self._binding(value.func, name, f"{key}.{name}", Scope()),
        }
        return _Written(f"functools.partial({', '.join(written)})", bindings=bindings)

    def _method(self, value: MethodType, key: str) -> _Written:
        owner = value.__self__
        kind = owner if isinstance(owner, type) else type(owner)
        name = kind.__name__.lower()
        address = address_of(owner) if isinstance(owner, type) else instance_address(owner)
        described = self._describe_value(owner, f"{key}.{name}") if address is None else None
        bound = imported(address, name, f"{key}.{name}", object_digest(owner)) if address else described
        return _Written(f"{name}.{_name(value)}", bindings={name: bound})

    def _binding(self, value: object, name: str, key: str, scope: Scope) -> Value:
        """The value of a free name."""
        small = plain_leaves(value) <= _MAX_INLINE_LEAVES
        if literal(value) and (small or not scope.holds(name, value)):
            return copy.deepcopy(value)  # type: ignore[return-value]
        direct = module_value(value, name, key, scope.tree) or path_value(value, key)
        if direct is not None:
            return direct
        if public := tensorflow_name(value):
            return Captured(key, public, public, ("import tensorflow as tf",), digest=public)
        if address := address_of(value) or scope.address(name, value):
            return imported(address, name, key, self._importable_digest(value, address, key))
        if self._is_open(value):
            return Captured(key, f"{name}, which leads back to itself", digest=name)
        if isinstance(value, list | tuple | dict) and small and type(value) in {list, tuple, dict}:
            return self._container(value, name, key)
        if isinstance(value, _FUNCTION_TYPES) or isinstance(attribute(value, "__wrapped__"), FunctionType):
            return self.describe(value, key)
        return self._describe_value(value, key)

    def _container(self, value: list[object] | tuple[object, ...] | dict[object, object], name: str, key: str) -> Value:
        if isinstance(value, dict) and not all(isinstance(word, str) for word in value):
            return self._describe_value(value, key)
        self._open.append(value)
        try:
            if isinstance(value, dict):
                return {str(word): self._binding(item, name, f"{key}.{word}", Scope()) for word, item in value.items()}
            items = [self._binding(item, name, f"{key}.{index}", Scope()) for index, item in enumerate(value)]
            return items if isinstance(value, list) else tuple(items)
        finally:
            self._open.pop()

    def _importable_digest(self, value: object, address: Address, key: str) -> str:
        where = (address.module, address.qualname)
        if address.import_root is None or self._is_open(value):
            return digest_of(where)
        if _innermost(value) is not None:
            if id(value) not in self._digests:
                self._digests[id(value)] = self.describe(value, key).digest
            return digest_of(where[1], self._digests[id(value)])
        if isinstance(value, type) or callable(value):
            return digest_of(where[1], object_digest(value))
        if literal(value):
            return digest_of(where[1], value)
        return digest_of(where[1], value_identity(self._describe_value(value, key)))

    def _is_open(self, value: object) -> bool:
        return any(item is value for item in self._open)


def _calls_itself(function: FunctionType, name: str, value: object) -> bool:
    """``value`` is this function: the same object, or the one that a copy with other cells was made from."""
    if value is function:
        return True
    if not isinstance(value, FunctionType) or value.__code__ is not function.__code__:
        return False
    cells = dict(zip(value.__code__.co_freevars, value.__closure__ or (), strict=True))
    return name in cells and cells[name].cell_contents is value


def _digest(value: object, written: _Written) -> str:
    bound = bindings_identity(written.bindings)
    if written.function is None:
        return digest_of(object_digest(value), written.source, bound)
    function = written.function
    named = attribute(function, "__kwdefaults__")
    defaults = (function.__defaults__, sorted(named.items()) if isinstance(named, dict) else ())
    return digest_of(code_identity(function.__code__), _ADDRESS.sub("", repr(defaults)), bound)


def _innermost(value: object) -> FunctionType | None:
    """The user's own function below its decorators."""
    if isinstance(value, functools.partial):
        return _innermost(value.func)
    if isinstance(value, MethodType):
        value = value.__func__
    layer = value
    for _ in range(20):
        below = attribute(layer, "__wrapped__")
        if below is None:
            break
        layer = below
    if not isinstance(layer, FunctionType):
        layer = value
    return layer if isinstance(layer, FunctionType) and isinstance(layer.__code__, CodeType) else None


def _source_of(value: object, function: FunctionType) -> Source | None:
    source = find_source(function.__code__)
    if source is None or value is function:
        return source
    wrappers = 0
    layer = value
    while layer is not function and wrappers <= len(getattr(source.node, "decorator_list", ())):
        layer, wrappers = attribute(layer, "__wrapped__"), wrappers + 1
    decorators = getattr(source.node, "decorator_list", ())
    # As many wrappers as decorators: running the decorated def again gives this very callable.
    return with_decorators(source, function.__code__) if decorators and len(decorators) == wrappers else None


def _name(value: object) -> str:
    if isinstance(value, functools.partial):
        return _name(value.func)
    name = attribute(value, "__name__")
    return name if isinstance(name, str) else type(value).__name__


def _text(value: object) -> str | None:
    return value if isinstance(value, str) else None
