"""A user's file as text to be edited: its bytes, its syntax tree, and where each call ends."""

from __future__ import annotations

import ast
import bisect
import io
import tokenize
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from autotuner.pipeline import CallSite

_BOM = b"\xef\xbb\xbf"

Scope: TypeAlias = ast.Module | ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef


class UnreadableError(Exception):
    """The file is not text that can be edited with certainty; the message says why."""


@dataclass(frozen=True)
class Edit:
    """Bytes ``start`` to ``end`` become ``text``."""

    start: int
    end: int
    text: str


def edited(source: bytes, edits: list[Edit]) -> bytes:
    """``source`` with all edits made; of insertions at one place the first stays first.

    Raises:
        UnreadableError: two edits overlap.
    """
    pieces: list[bytes] = []
    place = 0
    for edit in sorted(edits, key=lambda item: (item.start, item.end)):
        if edit.start < place:
            raise UnreadableError("two changes fall on the same text")
        pieces += [source[place : edit.start], edit.text.encode()]
        place = edit.end
    return b"".join([*pieces, source[place:]])


class SourceText:
    """One file; offsets are in bytes from its start."""

    def __init__(self, path: str, data: bytes) -> None:
        """Reads the syntax.

        Raises:
            UnreadableError: it is not Python in UTF-8, or its lines end in a way no tool agrees on.
        """
        self.path = path
        self.data = data
        try:
            encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
            text = data.decode(encoding)
            self.tree = ast.parse(data)
        except (SyntaxError, ValueError) as error:
            raise UnreadableError(f"{path} cannot be read as Python: {error}") from error
        if encoding.replace("_", "-") not in {"utf-8", "utf-8-sig"}:
            raise UnreadableError(f"{path} is not UTF-8 but {encoding}")
        if "\r" in text.replace("\r\n", "") or "\f" in text:
            raise UnreadableError(f"{path} has lines that end neither in LF nor in CRLF")
        self.newline = "\r\n" if b"\r\n" in data else "\n"

    @cached_property
    def _starts(self) -> list[int]:
        starts = [0]
        while (found := self.data.find(b"\n", starts[-1])) >= 0:
            starts.append(found + 1)
        return starts

    @cached_property
    def parents(self) -> dict[ast.AST, ast.AST]:
        """The node around each node."""
        return {child: node for node in ast.walk(self.tree) for child in ast.iter_child_nodes(node)}

    def offset(self, line: int, column: int) -> int:
        """The byte at a position as :mod:`ast` counts it."""
        mark = len(_BOM) if line == 1 and self.data.startswith(_BOM) else 0
        return self._starts[line - 1] + column + mark

    def start(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        """Where a node starts; the first decorator of one that has any."""
        decorators = getattr(node, "decorator_list", ())
        first = decorators[0] if decorators else node
        return self.offset(first.lineno, first.col_offset) - bool(decorators)

    def end(self, node: ast.expr | ast.stmt | ast.keyword) -> int:
        """Where a node ends."""
        return self.offset(node.end_lineno or 0, node.end_col_offset or 0)

    def text(self, start: int, end: int) -> str:
        """What stands there."""
        return self.data[start:end].decode()

    def node_text(self, node: ast.expr | ast.stmt | ast.keyword) -> str:
        """What a node is written as."""
        return self.text(self.start(node), self.end(node))

    def line_of(self, place: int) -> int:
        """The number of the line, from 1."""
        return bisect.bisect_right(self._starts, place)

    def line_start(self, place: int) -> int:
        """Where the line of ``place`` starts."""
        return self._starts[self.line_of(place) - 1]

    def line_end(self, place: int) -> int:
        """Where the line of ``place`` ends, without what ends it."""
        found = self.data.find(b"\n", place)
        end = len(self.data) if found < 0 else found
        return end - (end > 0 and self.data[end - 1 : end] == b"\r")

    def next_line(self, place: int) -> int:
        """Where the line after that of ``place`` starts."""
        found = self.data.find(b"\n", place)
        return len(self.data) if found < 0 else found + 1

    def above_comments(self, place: int) -> int:
        """Where the comment lines right above the line of ``place`` start, or that line itself."""
        start = self.line_start(place)
        while start > 0:
            above = self.line_start(start - 1)
            if not self.text(above, start).lstrip().startswith("#"):
                break
            start = above
        return start

    def indentation(self, place: int) -> str:
        """The white space the line of ``place`` starts with."""
        line = self.text(self.line_start(place), self.line_end(place))
        return line[: len(line) - len(line.lstrip(" \t"))]

    def first_on_line(self, place: int) -> bool:
        """Nothing but white space stands before ``place`` on its line."""
        return not self.text(self.line_start(place), place).strip(" \t\ufeff")

    def rest_of_line(self, place: int) -> str:
        """What follows ``place`` on its line, without white space around it."""
        return self.text(place, self.line_end(place)).strip()

    def expression_at(self, site: CallSite) -> ast.Call | ast.Name | None:
        """The call that ends at a call site, or the variable that is returned there: at most one, ends are unique."""
        return self._expressions.get((site.end_line, site.end_column))

    @cached_property
    def _expressions(self) -> dict[tuple[int, int], ast.Call | ast.Name]:
        # Decorator calls and calls of calls can share no end with another call.
        return {
            (node.end_lineno or 0, node.end_col_offset or 0): node
            for node in ast.walk(self.tree)
            if isinstance(node, ast.Call)
            or (isinstance(node, ast.Name) and isinstance(self.parents[node], ast.Return | ast.Lambda))
        }

    def statement(self, node: ast.AST) -> ast.stmt:
        """The innermost statement around ``node``."""
        while not isinstance(node, ast.stmt):
            node = self.parents[node]
        return node

    def scope(self, node: ast.AST) -> Scope:
        """The innermost function, lambda, class or module around ``node``."""
        node = self.parents[node]
        while not isinstance(node, Scope):
            node = self.parents[node]
        return node

    def top_level(self, node: ast.AST) -> ast.stmt:
        """The statement of the module that ``node`` is in."""
        while not isinstance(self.parents[node], ast.Module):
            node = self.parents[node]
        if not isinstance(node, ast.stmt):
            raise TypeError(f"{type(node).__name__} is no statement")
        return node

    def block(self, statement: ast.stmt) -> list[ast.stmt]:
        """The statements that ``statement`` stands among."""
        for body in bodies(self.parents[statement]):
            if statement in body:
                return body
        return [statement]

    def conditions(self, node: ast.AST) -> tuple[tuple[int, str], ...]:
        """Branches, loops and functions around ``node``: equal for code that runs under the same conditions."""
        found: list[tuple[int, str]] = []
        while node in self.parents:
            parent = self.parents[node]
            if isinstance(parent, _CONDITIONAL):
                fields = (name for name, value in ast.iter_fields(parent) if _holds(value, node))
                found.append((id(parent), next(fields)))
            node = parent
        return tuple(found)

    @cached_property
    def _brackets(self) -> list[tuple[int, int]]:
        """(offset, bracket depth from there on), in order."""
        found: list[tuple[int, int]] = []
        depth = 0
        for token in tokenize.generate_tokens(io.StringIO(self.data.decode("utf-8-sig"), newline="").readline):
            if token.type == tokenize.OP and token.string in "()[]{}":
                depth += 1 if token.string in "([{" else -1
                line, column = token.end
                start = self.offset(line, 0)
                before = self.text(start, self.line_end(start))[:column]
                found.append((start + len(before.encode()), depth))
        return found

    def in_brackets(self, place: int) -> bool:
        """A line break at ``place`` would not end the statement."""
        index = bisect.bisect_right(self._brackets, place, key=lambda item: item[0])
        return index > 0 and self._brackets[index - 1][1] > 0

    def names(self) -> set[str]:
        """Every name the file uses or binds."""
        return _names(self.tree)

    def names_at(self, node: ast.AST) -> set[str]:
        """Names that mean something where ``node`` stands: the module's, and those of the function around it."""
        top_level = self.top_level(node)
        found = _names(top_level)
        for other in self.tree.body:
            if isinstance(other, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                found.add(other.name)
            elif other is not top_level:
                found |= _names(other)
        return found


def _names(tree: ast.AST) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name) | ast.arg(arg=name) | ast.alias(asname=str(name)):
                found.add(name)
            case ast.alias(name=name):
                found.add(name.partition(".")[0])
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                found.add(name)
    return found


def bodies(node: ast.AST) -> Iterator[list[ast.stmt]]:
    """The blocks of statements directly inside ``node``."""
    for _, value in ast.iter_fields(node):
        if isinstance(value, list) and value and isinstance(value[0], ast.stmt):
            yield value


_CONDITIONAL = (
    ast.If,
    ast.IfExp,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.Try,
    ast.TryStar,
    ast.match_case,
    ast.BoolOp,
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.Lambda,
    ast.ListComp,
    ast.SetComp,
    ast.DictComp,
    ast.GeneratorExp,
)


def _holds(value: object, node: ast.AST) -> bool:
    return value is node or (isinstance(value, list) and any(item is node for item in value))
