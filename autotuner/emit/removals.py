"""Takes calls out of the user's text: a link of a chain, its whole line, or the statement that is nothing else."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from autotuner.emit.patched_file import PatchedFile
from autotuner.emit.sites import RefusedError, Site
from autotuner.emit.source_text import Edit, SourceText


def remove(file: PatchedFile, sites: Sequence[Site]) -> None:
    """Takes out the calls of ``sites``, all of this file.

    Raises:
        RefusedError: without one of them the text would not be a program any more.
    """
    calls = [site.call for site in sites]
    gone: list[ast.stmt] = []
    for site in sites:
        statement = file.source.statement(site.call)
        if statement in gone:
            continue
        if _does_nothing_else(statement, calls):
            file.edit(_statement(file.source, statement))
            gone.append(statement)
        else:
            file.edit(_link(site))


def trailing_comment(site: Site) -> str:
    """The user's comment behind a call that has its line for itself: it goes where the call goes."""
    source, end = site.source, site.source.end(site.call)
    rest = source.rest_of_line(end)
    alone = source.first_on_line(site.dot) or _does_nothing_else(source.statement(site.call), [site.call])
    return rest.lstrip("# ") if alone and rest.startswith("#") else ""


def _does_nothing_else(statement: ast.stmt, calls: Sequence[ast.Call]) -> bool:
    """``ds = ds.shuffle(10)``, where every call of the chain is among ``calls``."""
    match statement:
        case ast.Assign(targets=[ast.Name(id=name)], value=value):
            node: ast.expr = value
            while isinstance(node, ast.Call) and node in calls and isinstance(node.func, ast.Attribute):
                node = node.func.value
            return isinstance(node, ast.Name) and node.id == name
        case _:
            return False


def _statement(source: SourceText, statement: ast.stmt) -> Edit:
    start, end = source.start(statement), source.end(statement)
    if len(source.block(statement)) == 1:
        raise RefusedError(f"line {statement.lineno} is all that stands under its condition")
    rest = source.rest_of_line(end)
    if not source.first_on_line(start) or (rest and not rest.startswith("#")):
        raise RefusedError(f"line {statement.lineno} holds several statements")
    return Edit(source.line_start(start), source.next_line(end), "")


def _link(site: Site) -> Edit:
    source, dot, end = site.source, site.dot, site.source.end(site.call)
    if not source.first_on_line(dot):
        return Edit(dot, end, "")
    rest = source.rest_of_line(end)
    if source.in_brackets(dot) and (not rest or rest.startswith("#")):
        return Edit(source.line_start(dot), source.next_line(end), "")
    if "#" in source.text(source.line_start(source.line_start(dot) - 1), source.line_start(dot)):
        return Edit(dot, end, "")
    return Edit(len(source.data[:dot].rstrip(b" \t\r\n\\")), end, "")
