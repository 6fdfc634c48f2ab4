"""Where each recorded op stands in the user's files, or why it cannot be told."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from autotuner.emit.source_text import SourceText, UnreadableError
from autotuner.pipeline import OPAQUE, CallSite, Op, Pipeline
from autotuner.tfdata.function_modules import is_installed

Read = Callable[[str], bytes]


class RefusedError(Exception):
    """This change cannot be written into the user's own source; the message says why."""


@dataclass(frozen=True)
class Site:
    """Where an op was made."""

    op: Op
    source: SourceText
    node: ast.expr
    """The call that made it; of a dataset that was not seen being made, the expression that is returned."""
    own: bool
    """It is the call of the tf.data method itself, not of something that makes several of them."""

    @property
    def call(self) -> ast.Call:
        """The call.

        Raises:
            RefusedError: there is none.
        """
        if not isinstance(self.node, ast.Call):
            raise RefusedError(f"{self.place} calls nothing")
        return self.node

    @property
    def is_method(self) -> bool:
        """Something's method is called."""
        return isinstance(self.node, ast.Call) and isinstance(self.node.func, ast.Attribute)

    @property
    def receiver(self) -> ast.expr:
        """The expression whose method is called."""
        return method_of(self.call).value

    @property
    def dot(self) -> int:
        """Where the call leaves its receiver: the dot before the method's name."""
        function = method_of(self.call)
        name = self.source.end(function) - len(function.attr.encode())
        return self.source.data.rindex(b".", self.source.end(function.value), name)

    @property
    def place(self) -> str:
        """``data.py:31``."""
        return f"{Path(self.source.path).name}:{self.node.end_lineno}"


def method_of(call: ast.Call) -> ast.Attribute:
    """What a method call calls.

    Raises:
        RefusedError: it is no method call.
    """
    if not isinstance(call.func, ast.Attribute):
        raise RefusedError(f"line {call.lineno}: {ast.unparse(call.func)} is not called as a method")
    return call.func


class Sites:
    """The calls of one recorded pipeline."""

    def __init__(self, recorded: Pipeline, read: Read) -> None:
        self._read = read
        self._ops = dict(recorded.walk())
        self._sources: dict[str, SourceText] = {}
        self._sharing: dict[CallSite, list[str]] = {}
        for path, op in self._ops.items():
            if op.call_site is not None:
                self._sharing.setdefault(op.call_site, []).append(path)

    def find(self, path: str) -> Site:
        """Where an op was made.

        Raises:
            RefusedError: there is none that can be edited.
        """
        op = self._ops[path]
        if op.call_site is None:
            raise RefusedError(f"{path}: which line makes it is not known (it is called from generated code)")
        source = self.source(op.call_site.file)
        node = source.expression_at(op.call_site)
        if node is None or (op.kind != OPAQUE and not isinstance(node, ast.Call)):
            raise RefusedError(f"{path}: {op.call_site.file}:{op.call_site.end_line} has changed since it was recorded")
        return Site(op, source, node, called_name(node) == op.kind)

    def source(self, file: str) -> SourceText:
        """The text of one of the user's files.

        Raises:
            RefusedError: it is not the user's, no file, or not readable.
        """
        if file not in self._sources:
            self._sources[file] = self._opened(file)
        return self._sources[file]

    def _opened(self, file: str) -> SourceText:
        if is_installed(file):
            raise RefusedError(f"{file} belongs to an installed package")
        try:
            return SourceText(file, self._read(file))
        except OSError as error:
            raise RefusedError(f"{file} is no file that could be edited (a notebook, or generated code)") from error
        except UnreadableError as error:
            raise RefusedError(str(error)) from error

    def sharing(self, path: str) -> list[str]:
        """Paths of all ops that the call of ``path`` made: several in a loop, or in a function called twice."""
        site = self._ops[path].call_site
        return [path] if site is None else self._sharing[site]

    def all(self) -> Mapping[str, Site]:
        """Every op whose call can be edited."""
        found: dict[str, Site] = {}
        for path in self._ops:
            try:
                found[path] = self.find(path)
            except RefusedError:
                continue
        return found


def called_name(node: ast.expr) -> str:
    """The last part of what is called: ``map`` of ``ds.map(f)``."""
    match node:
        case ast.Call(func=ast.Attribute(attr=name) | ast.Name(id=name)):
            return name
        case _:
            return ""
