"""Changes arguments of calls inside a user function's source, touching nothing else of the text."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from autotuner.emit.names import parsed
from autotuner.emit.signatures import PARAMETERS
from autotuner.pipeline import CallSite, FnRef


@dataclass(frozen=True)
class Change:
    """One argument of one call."""

    kind: str
    """Name of the called method or reader."""
    call_site: CallSite
    argument: str
    value: str | None
    """Text of the new value; ``None`` leaves the argument to its default."""


@dataclass(frozen=True)
class Uneditable:
    """Why the text cannot be changed with certainty."""

    reason: str


@dataclass(frozen=True)
class _Edit:
    start: int
    end: int
    text: str


def edited_source(fn: FnRef, changes: tuple[Change, ...]) -> str | Uneditable:
    """The source of ``fn`` with every change made."""
    if fn.source is None or fn.source_line is None:
        return Uneditable("its source could not be found")
    tree, shift = parsed(fn.source)
    source = fn.source.encode()
    edits: list[_Edit] = []
    for change in changes:
        call = _find_call(tree, shift, fn, change)
        if call is None:
            return Uneditable(f"the call of {change.kind} is not in its source")
        if any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords):
            return Uneditable(f"the call of {change.kind} unpacks its arguments")
        try:
            edits.extend(_edit(source, shift, call, change))
        except _UnsafeError as error:
            return Uneditable(f"the call of {change.kind} {error}")
    for edit in reversed(sorted(edits, key=lambda item: item.start)):  # noqa: C413 - equal starts must turn round too
        source = source[: edit.start] + edit.text.encode() + source[edit.end :]
    result = source.decode()
    return result if _reads_as(result, tree) else Uneditable("its text could not be changed safely")


class _UnsafeError(Exception):
    pass


def _find_call(tree: ast.AST, shift: int, fn: FnRef, change: Change) -> ast.Call | None:
    """The call that ends at the call site; by name where the text was moved sideways by an unknown amount."""
    site = change.call_site
    if site.file != fn.file or fn.source_line is None:
        return None
    line = site.end_line - fn.source_line + 1
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call) and (node.end_lineno or 0) - shift == line]
    cut = fn.source_column if line == 1 or isinstance(tree, ast.Module) else 0
    exact = [call for call in calls if call.end_col_offset == site.end_column - cut]
    named = [call for call in calls if _called_name(call) == change.kind]
    for found in (exact, named):
        if len(found) == 1:
            return found[0]
    return None


def _called_name(call: ast.Call) -> str:
    match call.func:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


def _edit(source: bytes, shift: int, call: ast.Call, change: Change) -> Iterator[_Edit]:
    """Yields the text edit, and makes the same change in the tree, so that both can be compared."""
    text = change.value or "None"
    value = ast.parse(text, mode="eval").body
    value.end_lineno = None  # marks what has no place in the source
    present = next((item for item in call.keywords if item.arg == change.argument), None)
    if present is not None:
        yield _over(source, shift, present.value, text)
        present.value = value
        return
    parameters = PARAMETERS.get(change.kind, ())
    if change.argument in parameters:
        place = parameters.index(change.argument)
        if place < len(call.args):
            yield _over(source, shift, call.args[place], text)
            call.args[place] = value
            return
    elif len(call.args) > 1:
        raise _UnsafeError(f"gives arguments by position, and where {change.argument} stands is not known")
    if change.value is None:
        return
    yield _appended(source, shift, call, f"{change.argument}={text}")
    call.keywords.append(ast.keyword(change.argument, value))


def _over(source: bytes, shift: int, node: ast.expr, text: str) -> _Edit:
    if node.end_lineno is None:
        raise _UnsafeError("is changed twice")
    return _Edit(_offset(source, node.lineno - shift, node.col_offset), _end(source, shift, node), text)


def _appended(source: bytes, shift: int, call: ast.Call, text: str) -> _Edit:
    closing = _end(source, shift, call) - 1
    written = [*call.args, *(item.value for item in call.keywords)]
    given = [item for item in written if item.end_lineno is not None]
    if not given:
        return _Edit(closing, closing, f", {text}" if written else text)
    last = max(_end(source, shift, item) for item in given)
    if last > closing:
        raise _UnsafeError("has a bare generator expression as its argument")
    place = last + _behind_parentheses(source[last:closing])
    return _Edit(place, place, f", {text}")


def _behind_parentheses(between: bytes) -> int:
    """Length of the parentheses that close around the last argument, comments between them skipped."""
    place, in_comment = 0, False
    for index, character in enumerate(between.decode("latin-1")):
        in_comment = character == "#" or (in_comment and character != "\n")
        if character == ")" and not in_comment:
            place = index + 1
    return place


def _end(source: bytes, shift: int, node: ast.expr) -> int:
    return _offset(source, (node.end_lineno or 0) - shift, node.end_col_offset or 0)


def _offset(source: bytes, line: int, column: int) -> int:
    return sum(len(text) + 1 for text in source.split(b"\n")[: line - 1]) + column


def _reads_as(result: str, expected: ast.AST) -> bool:
    try:
        return ast.dump(parsed(result)[0]) == ast.dump(expected)
    except SyntaxError:
        return False
