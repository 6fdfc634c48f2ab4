"""The values behind the outer names of a function: closure cells, globals, defaults and decorators."""

from __future__ import annotations

import ast
import builtins
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import FunctionType

from autotuner.tfdata.function_modules import Address, global_address
from autotuner.tfdata.function_source import Source, defaults_of, names_in, outer_names


class UnknownNameError(Exception):
    """A name the source needs has no value that is certain to be the right one."""


@dataclass(frozen=True)
class Scope:
    """The module around a function; empty for values that have none."""

    module: str | None = None
    names: Mapping[str, object] = field(default_factory=dict)
    tree: ast.AST | None = None

    @staticmethod
    def of(function: FunctionType, source: Source | None) -> Scope:
        """The scope of a function; without a module where its globals are not those of a loaded one."""
        name = function.__globals__.get("__name__")
        module = sys.modules.get(name) if isinstance(name, str) else None
        tree = source.node if source else None
        if module is None or vars(module) is not function.__globals__:
            return Scope(tree=tree)
        return Scope(name, function.__globals__, tree)

    def address(self, name: str, value: object) -> Address | None:
        """Where to import ``value`` from, if ``name`` is the module's own name for it."""
        if self.module is None or name not in self.names or self.names[name] is not value:
            return None
        return global_address(self.module, name)

    def holds(self, name: str, value: object) -> bool:
        """The module's ``name`` can be imported and is this very object."""
        return self.address(name, value) is not None


def needed_values(function: FunctionType, source: Source | None) -> dict[str, object]:
    """Every outer name that the function needs and that is not a builtin, with its present value.

    Raises:
        UnknownNameError: A name has no value yet, is not written in the source, or means two things in it.
    """
    cells = dict(_cells(function))
    needed = {
        name: value
        for name in outer_names(function.__code__)
        for value in _lookup(name, cells, function.__globals__)
        if name in cells or not _is_dunder(name)
    }
    if source is None:
        return needed
    if unwritten := needed.keys() - set(names_in(source.node)):
        raise UnknownNameError(min(unwritten))
    for node, value in _defaults(function, source):
        if isinstance(node, ast.Name):
            if needed.setdefault(node.id, value) is not value:
                raise UnknownNameError(node.id)
        else:
            _add(needed, names_in(node), cells, function.__globals__)
    if source.decorated:
        _add(needed, names_in(*getattr(source.node, "decorator_list", ())), cells, function.__globals__)
    return {name: value for name, value in needed.items() if vars(builtins).get(name, cells) is not value}


def _add(
    needed: dict[str, object], names: tuple[str, ...], cells: Mapping[str, object], outer: Mapping[str, object]
) -> None:
    for name in names:
        for value in _lookup(name, cells, outer):
            needed.setdefault(name, value)


def _cells(function: FunctionType) -> Iterator[tuple[str, object]]:
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=True):
        try:
            yield name, cell.cell_contents
        except ValueError:
            raise UnknownNameError(name) from None


def _lookup(name: str, cells: Mapping[str, object], outer: Mapping[str, object]) -> Iterator[object]:
    """The value, if the name is not a builtin."""
    if name in cells:
        yield cells[name]
    elif name in outer:
        yield outer[name]
    elif not hasattr(builtins, name):
        raise UnknownNameError(name)


def _defaults(function: FunctionType, source: Source) -> Iterator[tuple[ast.expr, object]]:
    arguments = source.node.args
    named = function.__kwdefaults__ or {}
    values = [
        *(function.__defaults__ or ()),
        *(
            named.get(argument.arg)
            for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True)
            if default is not None
        ),
    ]
    nodes = defaults_of(source.node)
    if len(nodes) != len(values):
        raise UnknownNameError("a default")
    return iter(zip(nodes, values, strict=True))


def _is_dunder(name: str) -> bool:
    return name.startswith("__") and name.endswith("__")
