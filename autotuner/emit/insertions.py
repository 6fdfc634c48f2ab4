"""Puts calls into a chain the way its author wrote it: a line each, a statement each, or behind one another."""

from __future__ import annotations

import ast
from collections.abc import Sequence
from dataclasses import dataclass, replace

from autotuner.emit.patched_file import PatchedFile
from autotuner.emit.sites import RefusedError, Site
from autotuner.emit.source_text import Edit

NAME = "\0"
"""Stands in the text of a link for whatever the dataset is called there."""


@dataclass(frozen=True)
class Link:
    """One call to be put into a chain: ``.cache()``."""

    text: str
    comment: str = ""
    setup: tuple[str, ...] = ()
    """Statements that must run before."""

    def chained(self) -> str:
        """Behind an expression."""
        return f".apply(lambda ds: ds{self.text.replace(NAME, 'ds')})" if NAME in self.text else self.text

    def called_on(self, name: str) -> str:
        """On a variable."""
        return f"{name} = {name}{self.text.replace(NAME, name)}"


def told_once(links: Sequence[Link]) -> list[Link]:
    """What one decision puts in a row is told at its first call."""
    return [
        replace(link, comment="") if link.comment in [other.comment for other in links[:index]] else link
        for index, link in enumerate(links)
    ]


def insert_after(file: PatchedFile, site: Site, links: Sequence[Link]) -> None:
    """Puts ``links`` behind the call of ``site``, or behind what is returned there.

    Raises:
        RefusedError: there is no place for what must run before.
    """
    source, end = file.source, file.source.end(site.node)
    statement = source.statement(site.node)
    if (indent := _chain_indent(site)) is not None:
        _setup(file, statement, links)
        lines = [source.newline + file.line(indent, link.chained(), link.comment) for link in links]
        file.edit(_at(source.line_end(end), "".join(lines)))
    elif (name := _variable(statement, site.node)) and _is_open(source.rest_of_line(end)):
        indent = source.indentation(source.start(statement))
        lines = [source.newline + line for line in _statements(file, links, indent, name)]
        file.edit(_at(source.line_end(end), "".join(lines)))
    else:
        _setup(file, statement, links)
        file.edit(_at(end, "".join(link.chained() for link in links)))
        for link in links:
            file.tell(end, link.comment, comment_place(site, statement))


def insert_before(file: PatchedFile, site: Site, links: Sequence[Link]) -> None:
    """Puts ``links`` between the call of ``site`` and what it is called on.

    Raises:
        RefusedError: it is no method call, or there is no place for what must run before.
    """
    source, dot = file.source, site.dot
    statement = source.statement(site.node)
    start = source.start(statement)
    if source.first_on_line(dot) and source.in_brackets(dot):
        _setup(file, statement, links)
        indent = source.indentation(dot)
        lines = [file.line(indent, link.chained(), link.comment) + source.newline for link in links]
        file.edit(_at(source.above_comments(dot), "".join(lines)))
        return
    name = _variable(statement, site.node)
    continues = isinstance(site.receiver, ast.Name) and site.receiver.id == name
    if name and continues and source.first_on_line(start):
        lines = [line + source.newline for line in _statements(file, links, source.indentation(start), name)]
        file.edit(_at(source.above_comments(start), "".join(lines)))
        return
    _setup(file, statement, links)
    file.edit(_at(dot, "".join(link.chained() for link in links)))
    for link in links:
        file.tell(dot, link.comment, comment_place(site, statement))


def _at(place: int, text: str) -> Edit:
    return Edit(place, place, text)


def _chain_indent(site: Site) -> str | None:
    """The indentation of a chain with a call a line, where ``site`` is one of them; else ``None``."""
    source, end = site.source, site.source.end(site.node)
    if not source.in_brackets(end) or not _is_open(source.rest_of_line(end)):
        return None
    places = [source.start(site.node)]
    if site.is_method:
        places.append(site.dot)
    following = source.parents.get(site.node)
    if isinstance(following, ast.Attribute):
        places.append(source.data.index(b".", end))
    for place in reversed(places):
        if source.first_on_line(place):
            return source.indentation(place)
    return None


def _is_open(rest: str) -> bool:
    """A line may be added behind this end of a line."""
    return not rest or rest.startswith("#")


def _variable(statement: ast.stmt, node: ast.expr) -> str:
    """The variable that the whole statement is there to set to the value of ``node``; empty where it is not."""
    match statement:
        case (
            ast.Assign(targets=[ast.Name(id=name)], value=value) | ast.AnnAssign(target=ast.Name(id=name), value=value)
        ):
            last = (statement.end_lineno, statement.end_col_offset) == (node.end_lineno, node.end_col_offset)
            return name if value is node and last else ""
        case _:
            return ""


def _statements(file: PatchedFile, links: Sequence[Link], indent: str, name: str) -> list[str]:
    lines: list[str] = []
    for link in links:
        lines += [indent + line for line in link.setup]
        lines.append(file.line(indent, link.called_on(name), link.comment))
    return lines


def _setup(file: PatchedFile, statement: ast.stmt, links: Sequence[Link]) -> None:
    """Statements ahead of the one that the links go into."""
    source = file.source
    lines = [line for link in links for line in link.setup]
    if not lines:
        return
    start = source.start(statement)
    if not source.first_on_line(start) or isinstance(statement, ast.FunctionDef | ast.ClassDef):
        raise RefusedError(f"there is no place for `{lines[0]}` ahead of line {statement.lineno}")
    indent = source.indentation(start)
    file.edit(_at(source.above_comments(start), "".join(indent + line + source.newline for line in lines)))


def comment_place(site: Site, statement: ast.stmt) -> int:
    """Whose line a comment may stand ahead of: the call's own line of a chain, else the statement."""
    source = site.source
    in_chain = site.is_method and source.first_on_line(site.dot)
    return site.dot if in_chain and source.in_brackets(site.dot) else source.start(statement)
