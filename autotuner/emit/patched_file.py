"""Collects the changes of one file: edits, comments behind them, imports and functions they need."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass, field

from autotuner.emit.line_breaks import with_short_lines
from autotuner.emit.sites import RefusedError
from autotuner.emit.source_text import Edit, SourceText, UnreadableError, edited

_USUAL_LINE_LENGTH = 88
_LONGEST_LINE = 120


@dataclass
class _Told:
    """Comments for one line."""

    above: int
    """Where a line of its own goes where the comment does not fit behind the line."""
    texts: list[str] = field(default_factory=list)


class PatchedFile:
    """The changes of one file, in any order."""

    def __init__(self, source: SourceText) -> None:
        self.source = source
        self._edits: list[Edit] = []
        self._told: dict[int, _Told] = {}
        self._imports: list[str] = []
        self._definitions: dict[str, tuple[ast.stmt, str, bool]] = {}
        longest = max((len(line) for line in source.data.decode("utf-8-sig").splitlines()), default=0)
        self._line_length = min(_LONGEST_LINE, max(_USUAL_LINE_LENGTH, longest))

    def edit(self, *edits: Edit) -> None:
        """Adds edits; insertions at one place come in the order in which they are added."""
        self._edits.extend(edits)

    def tell(self, place: int, comment: str, above: int) -> None:
        """Puts a comment behind the line of ``place``, or ahead of the line of ``above`` where it does not fit."""
        if comment:
            told = self._told.setdefault(self.source.line_of(place), _Told(self.source.line_start(above)))
            told.texts += [comment] if comment not in told.texts else []

    def line(self, indent: str, text: str, comment: str) -> str:
        """A new line of the file with its comment, without what ends it."""
        whole = f"{indent}{text}  # {comment}" if comment else indent + text
        if len(whole) <= self._line_length:
            return whole
        return f"{indent}# {comment}{self.source.newline}{indent}{text}" if comment else whole

    def tensorflow(self) -> str:
        """What the file calls TensorFlow; an import is added where it has none."""
        for node in ast.walk(self.source.tree):
            if isinstance(node, ast.Import):
                for item in node.names:
                    if item.name == "tensorflow" or (item.name.startswith("tensorflow.") and not item.asname):
                        return item.asname or "tensorflow"
        self.need_import("import tensorflow as tf")
        return "tf"

    def autotune(self) -> str:
        """``tf.data.AUTOTUNE``, or the name the file has for it."""
        for node in self.source.tree.body:
            match node:
                case ast.Assign(targets=[ast.Name(id=name)], value=ast.Attribute(attr="AUTOTUNE")):
                    return name
        return f"{self.tensorflow()}.data.AUTOTUNE"

    def need_import(self, statement: str) -> None:
        """Adds an import, unless the file has it.

        Raises:
            RefusedError: the name means something else there.
        """
        [wanted] = ast.parse(statement).body
        present = {ast.dump(node) for node in self.source.tree.body}
        if ast.dump(wanted) in present or statement in self._imports:
            return
        bound = statement.rpartition(" ")[2].partition(".")[0]
        if bound in self.source.names():
            raise RefusedError(f"{self.source.path} uses the name {bound} for something else than `{statement}`")
        self._imports.append(statement)

    def need_function(self, text: str, wanted: str, near: ast.stmt, *, behind: bool = False) -> str:
        """Adds a function ahead of (or behind) the statement ``near``; gives the name it got.

        ``text`` is its ``def`` without indentation, in which the function is called ``wanted``.
        """
        for name, (_, known, _) in self._definitions.items():
            if known == text:
                return name
        taken, name, number = self.source.names() | self._definitions.keys(), wanted, 1
        while name in taken:
            number += 1
            name = f"{wanted}_{number}"
        self._definitions[name] = (near, text, behind)
        return name

    def patched(self) -> bytes:
        """The file with every change made.

        Raises:
            RefusedError: the changes get into each other's way, or what comes out is not Python.
        """
        lines = [edit for edit in self._edits if edit.text.startswith(("\n", "\r"))]
        within = [edit for edit in self._edits if edit not in lines]
        edits = [*self._import_edits(), *self._definition_edits(), *within, *self._comment_edits(), *lines]
        try:
            data = edited(self.source.data, edits)
            ast.parse(data)
        except (UnreadableError, SyntaxError) as error:
            raise RefusedError(f"{self.source.path}: {error}") from error
        return with_short_lines(self.source, data, self._line_length)

    def _import_edits(self) -> list[Edit]:
        if not self._imports:
            return []
        body = self.source.tree.body
        others = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom) and not _is_future(node)]
        lines = "".join(statement + self.source.newline for statement in sorted(self._imports))
        if others:
            place = self.source.line_start(self.source.start(others[0]))
            return [Edit(place, place, lines)]
        ahead = [node for node in body if _is_future(node) or _is_docstring(node, body)]
        place = self.source.next_line(self.source.end(ahead[-1])) if ahead else 0
        return [Edit(place, place, lines)]

    def _definition_edits(self) -> list[Edit]:
        made = []
        for name, (near, text, behind) in self._definitions.items():
            start = self.source.start(near)
            indent = self.source.indentation(start)
            gap = self.source.newline * (1 if indent else 2)
            renamed = re.sub(r"(?m)^(async def|def) \w+", rf"\1 {name}", text, count=1)
            lines = [indent + line if line.strip() else "" for line in renamed.split("\n")]
            block = self.source.newline.join(lines) + self.source.newline
            if behind:
                place = self.source.next_line(self.source.end(near))
                made.append(Edit(place, place, gap + block))
            else:
                place = self.source.above_comments(start)
                made.append(Edit(place, place, block + gap))
        return made

    def _comment_edits(self) -> list[Edit]:
        made = []
        for number, told in self._told.items():
            start = self.source.offset(number, 0)
            end = self.source.line_end(start)
            comment = "; ".join(told.texts)
            changed = (
                item for item in self._edits if start <= item.start and item.end <= end and "\n" not in item.text
            )
            grown = sum(len(item.text) - (item.end - item.start) for item in changed)
            length = len(self.source.text(start, end)) + grown + len(comment) + 4
            if length <= self._line_length and not self._has_comment(start, end):
                made.append(Edit(end, end, f"  # {comment}"))
            else:
                indent = self.source.indentation(told.above)
                made.append(Edit(told.above, told.above, f"{indent}# {comment}{self.source.newline}"))
        return made

    def _has_comment(self, start: int, end: int) -> bool:
        """A comment ends the line already, or a backslash takes it on."""
        line = self.source.text(start, end)
        return "#" in line or line.endswith("\\")


def _is_future(node: ast.stmt) -> bool:
    return isinstance(node, ast.ImportFrom) and node.module == "__future__"


def _is_docstring(node: ast.stmt, body: list[ast.stmt]) -> bool:
    constant = isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
    return node is body[0] and constant and isinstance(node.value.value, str)  # type: ignore[attr-defined]
