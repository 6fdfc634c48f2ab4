"""Breaks lines that a patch made longer than the file's own, the way its author breaks theirs."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from autotuner.emit.source_text import Edit, SourceText, UnreadableError, bodies, edited


def with_short_lines(source: SourceText, data: bytes, width: int) -> bytes:
    """``data``, what edits made of ``source``, with its new lines broken where they are longer than ``width``.

    A line that offers no place to break it stays as it is.
    """
    own, left = set(source.data.decode().splitlines()), set[str]()
    while True:
        lines = data.decode().splitlines()
        long = [line for line in lines if len(line) > width and line not in own | left]
        if not long:
            return data
        broken = _broken(SourceText(source.path, data), lines.index(long[0]) + 1, width)
        if broken is None:
            left.add(long[0])
        else:
            data = broken


def _broken(source: SourceText, number: int, width: int) -> bytes | None:
    """The file with one line broken; ``None`` where it cannot be."""
    layout = _Layout(source, number, width)
    edits = list(layout.chain() or layout.arguments())
    if not edits:
        return None
    try:
        data = edited(source.data, edits)
        same = ast.dump(ast.parse(data)) == ast.dump(source.tree)
    except (UnreadableError, SyntaxError):
        return None
    return data if same else None


class _Layout:
    """The ways in which one line can be broken."""

    def __init__(self, source: SourceText, number: int, width: int) -> None:
        self._source = source
        self._number = number
        self._width = width
        start = source.offset(number, 0)
        self._indent = source.indentation(start)
        self._deeper = self._indent + _unit(source.tree, source)

    def chain(self) -> list[Edit]:
        """A call a line in parentheses, where the line is a statement whose value is a chain of calls."""
        value = next(filter(None, map(self._value, ast.walk(self._source.tree))), None)
        dots = list(self._dots(value)) if value is not None else []
        if value is None or not dots:
            return []
        start, end = self._source.start(value), self._source.end(value)
        newline = self._source.newline
        bare = self._source.text(start - 1, start) != "("
        opening = Edit(start, start, f"{'(' * bare}{newline}{self._deeper}")
        closing = Edit(end, end, f"{newline}{self._indent}{')' * bare}")
        return [opening, *(Edit(dot, dot, newline + self._deeper) for dot in dots), closing]

    def _value(self, node: ast.AST) -> ast.expr | None:
        """The value of a statement that is the whole line."""
        if isinstance(node, ast.Return | ast.Assign | ast.AnnAssign | ast.Expr) and self._on_line(node):
            return node.value
        return None

    def _on_line(self, node: ast.stmt | ast.expr) -> bool:
        return node.lineno == node.end_lineno == self._number

    def _dots(self, value: ast.expr) -> Iterator[int]:
        """Where calls are made on what calls give, the last first."""
        while isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute):
            value = value.func.value
            if isinstance(value, ast.Call):
                yield self._source.data.index(b".", self._source.end(value))

    def arguments(self) -> list[Edit]:
        """The arguments of the outermost call whose brackets the line holds on lines of their own."""
        calls = [
            node
            for node in ast.walk(self._source.tree)
            if isinstance(node, ast.Call) and node.func.end_lineno == node.end_lineno == self._number and _given(node)
        ]
        if not calls:
            return []
        call = max(calls, key=lambda node: self._source.end(node) - self._source.end(node.func))
        opening = self._source.data.index(b"(", self._source.end(call.func)) + 1
        return [Edit(opening, self._source.end(call) - 1, self._laid_out(call, opening))]

    def _laid_out(self, call: ast.Call, opening: int) -> str:
        newline = self._source.newline
        given = sorted(_given(call), key=lambda node: (node.lineno, node.col_offset))
        texts = list(map(self._source.node_text, given))
        column = len(self._source.text(self._source.line_start(opening), opening))
        if len(texts) > 1 and _aligns(self._source.tree) and column + max(map(len, texts)) < self._width:
            return f",{newline}{' ' * column}".join(texts)
        line = self._deeper + ", ".join(texts)
        if len(line) <= self._width:
            return f"{newline}{line}{newline}{self._indent}"
        return newline + "".join(f"{self._deeper}{text},{newline}" for text in texts) + self._indent


def _given(call: ast.Call) -> list[ast.expr | ast.keyword]:
    return [*call.args, *call.keywords]


def _unit(tree: ast.Module, source: SourceText) -> str:
    """What one level of indentation is written as."""
    for node in tree.body:
        for block in bodies(node):
            if inside := source.indentation(source.start(block[0])):
                return inside
    return "    "


def _aligns(tree: ast.Module) -> bool:
    """Arguments on lines of their own stand under the first one, behind the bracket, in most calls of the file."""
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and len(_given(node)) > 1]
    several = [
        (call, [item.lineno for item in _given(call)]) for call in calls if call.func.end_lineno != call.end_lineno
    ]
    beside = [call.func.end_lineno == min(lines) < max(lines) for call, lines in several]
    return sum(beside) > len(beside) / 2
