"""Freezes closures when they are recorded, so that rebuilding later does not read a variable's last value."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any


def frozen(function: Callable[..., Any]) -> Callable[..., Any]:
    """A function that keeps today's closure values; other callables are returned as they are.

    ``for k in range(3): ds = ds.map(lambda x: x * 10 + k)`` would otherwise map with the last ``k`` three times.
    Globals stay shared: the graph hash catches those that change.
    """
    if isinstance(function, functools.partial):
        return functools.partial(frozen(function.func), *function.args, **function.keywords)
    if not isinstance(function, types.FunctionType) or not function.__closure__:
        return function
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(_copy_cell(cell, function) for cell in function.__closure__),
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__dict__.update(function.__dict__)
    copy.__module__ = function.__module__
    copy.__qualname__ = function.__qualname__
    return copy


def _copy_cell(cell: types.CellType, owner: types.FunctionType) -> types.CellType:
    try:
        value = cell.cell_contents
    except ValueError:  # not assigned yet
        return types.CellType()
    if isinstance(value, types.FunctionType) and value is not owner and value.__closure__:
        return types.CellType(frozen_shallow(value))
    return types.CellType(value)


def frozen_shallow(function: types.FunctionType) -> types.FunctionType:
    """One level deeper is enough for helpers a lambda closes over, and cannot recurse for ever."""
    copy = types.FunctionType(
        function.__code__,
        function.__globals__,
        function.__name__,
        function.__defaults__,
        tuple(_same_content(cell) for cell in function.__closure__ or ()),
    )
    copy.__kwdefaults__ = function.__kwdefaults__
    copy.__module__ = function.__module__
    copy.__qualname__ = function.__qualname__
    return copy


def _same_content(cell: types.CellType) -> types.CellType:
    try:
        return types.CellType(cell.cell_contents)
    except ValueError:
        return types.CellType()
