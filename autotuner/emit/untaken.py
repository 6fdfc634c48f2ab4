"""Code of the user's that the recording did not run: what is moved past it was never compared with it."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

from autotuner.emit.signatures import PARAMETERS
from autotuner.emit.sites import Site, called_name
from autotuner.emit.source_text import SourceText

_METHODS = PARAMETERS.keys() - {"apply", "load", "take"}


def untaken_branch(sites: Mapping[str, Site]) -> str:
    """Why stages must stay in their order: a branch beside them that changes the dataset and was not recorded.

    With other arguments the user's function may take that branch, and stages that were moved for this recording
    would then stand elsewhere than they were proven to be right. Empty where there is none.
    """
    made = {site.node for site in sites.values()}
    names = {site.receiver.id for site in sites.values() if _on_variable(site)}  # type: ignore[attr-defined]
    functions = {(site.source, site.source.scope(site.node)) for site in sites.values()}
    for source, function in sorted(functions, key=lambda item: (item[0].path, getattr(item[1], "lineno", 0))):
        if isinstance(function, ast.Module | ast.ClassDef):
            continue
        for branch in _branches(function):
            inside = [node for part in branch for node in ast.walk(part)]
            if not made.intersection(inside) and (line := _changes_a_dataset(inside, names)):
                return _told(source, line)
    return ""


def _told(source: SourceText, line: int) -> str:
    return (
        f"{Path(source.path).name}:{line} is in a branch that was not taken when the pipeline was recorded, "
        "so what stands around it cannot change places"
    )


def _on_variable(site: Site) -> bool:
    return site.is_method and isinstance(site.receiver, ast.Name)


def _branches(function: ast.AST) -> Iterator[list[ast.AST]]:
    """Code inside ``function`` that runs under a condition."""
    for node in ast.walk(function):
        match node:
            case ast.If() | ast.For() | ast.AsyncFor() | ast.While():
                yield [*node.body]
                yield [*node.orelse]
            case ast.IfExp():
                yield [node.body]
                yield [node.orelse]
            case ast.Try() | ast.TryStar():
                for handler in node.handlers:
                    yield [*handler.body]
            case ast.match_case():
                yield [*node.body]
            case ast.BoolOp():
                yield [*node.values[1:]]


def _changes_a_dataset(inside: list[ast.AST], names: set[str]) -> int:
    """The line on which a dataset is changed, or the function left; 0 where neither happens."""
    for node in inside:
        match node:
            case ast.Call() if isinstance(node.func, ast.Attribute) and called_name(node) in _METHODS:
                return node.lineno
            case ast.Name(id=name, ctx=ast.Store()) if name in names:
                return node.lineno
            case ast.Return() | ast.Yield() | ast.YieldFrom():
                return node.lineno
    return 0
