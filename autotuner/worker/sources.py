"""Runs other text in place of what the user's files hold, under the same names and paths, in this process only."""

from __future__ import annotations

import ast
import contextlib
import linecache
import os
import sys
from collections.abc import Callable, Iterator, Mapping
from importlib.machinery import SourceFileLoader
from pathlib import Path
from types import CodeType, FunctionType, ModuleType
from typing import Any
from unittest import mock

from autotuner.tfdata.function_modules import is_installed

_VERSION = "{path} (version {number})"
"""What code of other text says that its file is called: what was imported before must find its own lines, too."""


@contextlib.contextmanager
def replaced_sources(texts: Mapping[str, str]) -> Iterator[None]:
    """Inside, an import of one of these files runs its text here, and what reads sources reads it.

    What was imported from the user's own files before is forgotten, because it may hold on to what they defined.
    """
    by_path = {os.path.realpath(path): text for path, text in texts.items()}
    original = SourceFileLoader.get_code

    def get_code(self: SourceFileLoader, fullname: str) -> CodeType | None:
        path = self.get_filename(fullname)
        text = by_path.get(os.path.realpath(path))
        return original(self, fullname) if text is None else _compiled(path, text)

    with mock.patch.object(SourceFileLoader, "get_code", get_code):
        _forget_users_modules()
        yield


def _compiled(path: str, text: str) -> CodeType:
    numbers = range(len(linecache.cache) + 1)
    name = next(
        name for number in numbers if (name := _VERSION.format(path=path, number=number)) not in linecache.cache
    )
    linecache.cache[name] = (len(text), None, text.splitlines(keepends=True), name)
    return compile(text.encode(), name, "exec", dont_inherit=True)


def _forget_users_modules() -> None:
    """The next import of the user's own files runs them again."""
    for name, module in list(sys.modules.items()):
        if _is_users(name, module):
            del sys.modules[name]


def _is_users(name: str, module: ModuleType) -> bool:
    file = getattr(module, "__file__", None)
    ours = name == "__main__" or name.partition(".")[0] == __name__.partition(".")[0]
    return isinstance(file, str) and not ours and not is_installed(file)


def with_new_code(function: Callable[..., Any], texts: Mapping[str, str]) -> Callable[..., Any]:
    """A function that came pickled, made to run what its file's new text defines under its name.

    Its module is a script that must not run again; so the functions of the script that it can reach get the code
    of the new text, and statements that only the new text has (imports, functions) run in its namespace.
    """
    for path, text in texts.items():
        code = _compiled(path, text)
        codes = dict(_codes(code))
        for live in _reachable(function, path):
            if (new := codes.get(live.__qualname__)) is not None:
                live.__code__ = new
            _run_additions(path, text, code.co_filename, live.__globals__)
    return function


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


def _reachable(function: Callable[..., Any], path: str) -> list[FunctionType]:
    found: list[FunctionType] = []
    waiting: list[object] = [function]
    while waiting:
        item = waiting.pop()
        item = getattr(item, "__wrapped__", item)
        if isinstance(item, FunctionType) and item not in found and item.__code__.co_filename == path:
            found.append(item)
            waiting += [value for name, value in item.__globals__.items() if name in item.__code__.co_names]
    return found


def _run_additions(path: str, text: str, filename: str, namespace: dict[str, Any]) -> None:
    own = ast.parse(Path(path).read_bytes()).body
    known = {ast.dump(node) for node in own} | {name for node in own for name in _bound_names(node)}
    added = [
        node
        for node in ast.parse(text).body
        if isinstance(node, ast.Import | ast.ImportFrom | ast.FunctionDef | ast.Assign)
        and not known & {ast.dump(node), *_bound_names(node)}
    ]
    exec(compile(ast.Module([*added], []), filename, "exec", dont_inherit=True), namespace)  # noqa: S102 - the user's own file with our changes


def _bound_names(node: ast.stmt) -> Iterator[str]:
    """Names that a definition or an assignment of the module binds."""
    match node:
        case ast.FunctionDef(name=name):
            yield name
        case ast.Assign(targets=targets):
            yield from (target.id for target in targets if isinstance(target, ast.Name))
