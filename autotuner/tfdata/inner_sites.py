"""Call sites of what a function given to ``interleave`` builds, read from its source.

Autograph runs a converted copy of such a function, so the interpreter's positions are not those of the user's file.
"""

from __future__ import annotations

import ast
from dataclasses import replace

from autotuner.pipeline import CallSite, FnRef, Op, Pipeline


def with_sites(op: Op) -> Op:
    """``op`` with a call site for each inner op whose kind is called exactly once in the function's source."""
    if op.inner is None or not op.functions:
        return op
    sites = _sites(op.functions[0])
    return replace(op, inner=_placed(op.inner, sites))


def _placed(inner: Pipeline, sites: dict[str, CallSite | None]) -> Pipeline:
    return Pipeline(
        tuple(
            replace(
                op,
                call_site=op.call_site or sites.get(op.kind),
                inner=_placed(op.inner, sites) if op.inner else None,
            )
            for op in inner.ops
        )
    )


def _sites(fn: FnRef) -> dict[str, CallSite | None]:
    """By name of the called method; ``None`` where it is called more than once."""
    tree, before = _parsed(fn.source or "")
    if not fn.source or tree is None or fn.source_line is None or fn.file is None:
        return {}
    found: dict[str, CallSite | None] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            name = node.func.attr
            found[name] = None if name in found else _site(fn, node, before, whole=_is_def(tree))
    return found


def _site(fn: FnRef, node: ast.Call, before: int, *, whole: bool) -> CallSite | None:
    if node.end_lineno is None or node.end_col_offset is None or fn.file is None or fn.source_line is None:
        return None
    line, end_line = (fn.source_line + number - 1 - before for number in (node.lineno, node.end_lineno))
    shifted = whole or end_line == fn.source_line
    return CallSite(fn.file, line, end_line, node.end_col_offset + (fn.source_column if shifted else 0))


def _is_def(tree: ast.Module | ast.Expression) -> bool:
    """The text is a ``def``, which was dedented; a lambda's later lines stand as in the file."""
    return isinstance(tree, ast.Module) and not isinstance(tree.body[0], ast.Expr)


def _parsed(source: str) -> tuple[ast.Module | ast.Expression | None, int]:
    """The tree, and how many lines were put before the text to be able to read it."""
    try:
        return ast.parse(source), 0
    except SyntaxError:
        pass
    try:  # a lambda that goes over several lines needs brackets around it
        return ast.parse(f"(\n{source}\n)", mode="eval"), 1
    except SyntaxError:
        return None, 0
