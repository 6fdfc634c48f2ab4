"""Sets, adds and drops arguments of a call in the user's text, touching nothing else of it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping

from autotuner.emit.signatures import PARAMETERS
from autotuner.emit.sites import RefusedError
from autotuner.emit.source_text import Edit, SourceText


def argument_edits(source: SourceText, call: ast.Call, kind: str, changes: Mapping[str, str | None]) -> list[Edit]:
    """The edits that give ``call`` the arguments of ``changes``; ``None`` leaves one to its default.

    Raises:
        RefusedError: which argument stands where cannot be told.
    """
    return list(_Arguments(source, call, kind).edits(changes))


def argument_node(call: ast.Call, kind: str, name: str) -> ast.expr | None:
    """The expression that is given for a parameter; ``None`` where there is none."""
    for item in call.keywords:
        if item.arg == name:
            return item.value
    parameters = PARAMETERS.get(kind, ())
    if name in parameters and parameters.index(name) < len(call.args):
        return call.args[parameters.index(name)]
    return None


class _Arguments:
    def __init__(self, source: SourceText, call: ast.Call, kind: str) -> None:
        if any(isinstance(item, ast.Starred) for item in call.args) or any(item.arg is None for item in call.keywords):
            raise RefusedError(f"line {call.end_lineno}: the call of {kind} unpacks its arguments")
        self._source = source
        self._call = call
        self._kind = kind
        written = [(item, item) for item in call.args] + [(item, item.value) for item in call.keywords]
        starts = [(source.offset(whole.lineno, whole.col_offset), value) for whole, value in written]
        self._items = sorted(starts, key=lambda item: item[0])

    def edits(self, changes: Mapping[str, str | None]) -> Iterator[Edit]:
        added: list[str] = []
        dropped: list[ast.expr] = []
        for name, text in changes.items():
            node = argument_node(self._call, self._kind, name)
            if node is None:
                self._check_place(name)
                added += [] if text is None else [f"{name}={text}"]
            elif text is None and self._can_be_dropped(node):
                dropped.append(node)
            else:
                yield Edit(self._source.start(node), self._source.end(node), text or "None")
        yield from self._without(dropped)
        if added:
            yield from self._with(added, dropped)

    def _check_place(self, name: str) -> None:
        if name not in PARAMETERS.get(self._kind, ()) and len(self._call.args) > 1:
            raise RefusedError(
                f"line {self._call.end_lineno}: {self._kind} is given arguments by position, "
                f"and where {name} stands is not known"
            )

    def _can_be_dropped(self, node: ast.expr) -> bool:
        return any(item.value is node for item in self._call.keywords) or node is self._items[-1][1]

    def _end(self, index: int) -> int:
        """Where the item ends, the parentheses around it included."""
        following = index + 1 < len(self._items)
        limit = self._items[index + 1][0] if following else self._source.end(self._call) - 1
        end = self._source.end(self._items[index][1])
        if end > limit:
            raise RefusedError(f"line {self._call.end_lineno}: a bare generator expression is the argument")
        return end + _behind(self._source.text(end, limit), ")")

    def _without(self, dropped: list[ast.expr]) -> Iterator[Edit]:
        kept_before = False
        for index, (start, node) in enumerate(self._items):
            if node not in dropped:
                kept_before = True
            elif kept_before:
                yield Edit(self._end(index - 1), self._end(index), "")
            elif index + 1 < len(self._items):
                yield Edit(start, self._items[index + 1][0], "")
            else:
                end = self._end(index)
                yield Edit(start, end + self._comma(end), "")

    def _comma(self, end: int) -> int:
        """Bytes from the last argument's end up to and with a trailing comma; 0 where there is none."""
        return _behind(self._source.text(end, self._source.end(self._call) - 1), ",")

    def _with(self, added: list[str], dropped: list[ast.expr]) -> Iterator[Edit]:
        source, closing = self._source, self._source.end(self._call) - 1
        kept = [index for index, (_, node) in enumerate(self._items) if node not in dropped]
        if not kept:
            yield Edit(closing, closing, ", ".join(added))
            return
        last = len(self._items) - 1
        end = self._end(last)
        if kept[-1] != last:  # the text of the last one goes, comma and all
            yield Edit(end, end, ", " + ", ".join(added))
            return
        comma = self._comma(end)
        if not source.first_on_line(self._items[last][0]) or source.line_of(end) == source.line_of(closing):
            text = ", ".join(added)
            yield Edit(end + comma, end + comma, f" {text}" if comma else f", {text}")
            return
        indent = source.newline + source.indentation(self._items[last][0])
        if not comma:
            yield Edit(end, end, ",")
        place = source.line_end(end + comma)
        yield Edit(place, place, "".join(f"{indent}{text}," for text in added)[: None if comma else -1])


def _behind(between: str, wanted: str) -> int:
    """Bytes up to and with the last ``wanted`` character that is not in a comment; 0 where there is none."""
    place, in_comment = 0, False
    for index, character in enumerate(between):
        in_comment = character == "#" or (in_comment and character != "\n")
        if character == wanted and not in_comment:
            place = len(between[: index + 1].encode())
    return place
