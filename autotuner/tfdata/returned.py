"""Where the dataset that a function returns stands in its source, whatever made it."""

from __future__ import annotations

import ast
import functools
from collections.abc import Callable, Iterator
from types import FunctionType, MethodType
from typing import Any

from autotuner.pipeline import CallSite
from autotuner.tfdata.function_source import FunctionNode, find_source


def returned_at(function: Callable[..., Any]) -> CallSite | None:
    """The end of the one expression that ``function`` returns; ``None`` where it is not the only one, or not known."""
    while isinstance(function, functools.partial | MethodType):
        function = function.func if isinstance(function, functools.partial) else function.__func__
    if not isinstance(function, FunctionType) or (source := find_source(function.__code__)) is None:
        return None
    found = [node.body] if isinstance(node := source.node, ast.Lambda) else list(_returned(node))
    value = found[0] if len(found) == 1 else None
    if value is None:
        return None
    return CallSite(function.__code__.co_filename, value.lineno, value.end_lineno or 0, value.end_col_offset or 0)


def _returned(function: FunctionNode) -> Iterator[ast.expr | None]:
    """What each ``return`` of ``function`` gives; those of functions inside it are not its own."""
    waiting: list[ast.AST] = [*function.body] if isinstance(function.body, list) else []
    while waiting:
        match waiting.pop():
            case ast.Return(value=value):
                yield value
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() | ast.Lambda():
                pass
            case node:
                waiting += ast.iter_child_nodes(node)
