"""Names of the emitted module: each means one thing, and sources are rewritten where theirs is taken."""

from __future__ import annotations

import ast
import builtins
import keyword
from collections.abc import Hashable, Iterable, Iterator, Mapping


class Namespace:
    """Gives out names; what is asked for twice gets the same name, what clashes gets a number."""

    def __init__(self, reserved: Iterable[str]) -> None:
        self._owners: dict[str, Hashable] = dict.fromkeys([*dir(builtins), *keyword.kwlist, *reserved])

    def claim(self, wanted: str, identity: Hashable) -> str:
        """``wanted``, or ``wanted_2`` and so on where it already means something else than ``identity``."""
        name, number = wanted, 1
        while name in self._owners and self._owners[name] != identity:
            number += 1
            name = f"{wanted}_{number}"
        self._owners[name] = identity
        return name


def parsed(source: str) -> tuple[ast.AST, int]:
    """The syntax tree of a ``def`` or of an expression, and how many lines its positions are too far down."""
    try:
        return ast.parse(f"(\n{source}\n)", mode="eval"), 1
    except SyntaxError:
        return ast.parse(source), 0


def is_expression(source: str) -> bool:
    """A lambda or another expression, as opposed to a ``def``."""
    return isinstance(parsed(source)[0], ast.Expression)


def renamed(source: str, names: Mapping[str, str]) -> str | None:
    """``source`` with outer names replaced; ``None`` where that could change what it means."""
    changes = {old: new for old, new in names.items() if old != new}
    if not changes:
        return source
    tree, shift = parsed(source)
    if changes.keys() & set(_bound_inside(tree)) or set(changes.values()) & set(_all_names(tree)):
        return None
    edits = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and node.id in changes:
            edits.append((node.lineno - shift, node.col_offset, node.id))
            node.id = changes[node.id]
    if isinstance(tree, ast.Module) and (own := definition(tree)).name in changes:
        keyword_length = len("async def " if isinstance(own, ast.AsyncFunctionDef) else "def ")
        edits.append((own.lineno - shift, own.col_offset + keyword_length, own.name))
        own.name = changes[own.name]
    lines = [line.encode() for line in source.split("\n")]
    for line, column, old in sorted(edits, reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + changes[old].encode() + text[column + len(old.encode()) :]
    result = b"\n".join(lines).decode()
    return result if _equal(result, tree) else None


def definition(tree: ast.Module) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """The one ``def`` of a parsed source."""
    [node] = tree.body
    if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
        raise TypeError(f"a source is a def or an expression, not {type(node).__name__}")
    return node


def _equal(result: str, expected: ast.AST) -> bool:
    """Names inside f-strings have no usable position in every Python version, so the result is read again."""
    try:
        return ast.dump(parsed(result)[0]) == ast.dump(expected)
    except SyntaxError:
        return False


def _bound_inside(tree: ast.AST) -> Iterator[str]:
    outermost = definition(tree) if isinstance(tree, ast.Module) else None
    for node in ast.walk(tree):
        match node:
            case ast.Name(id=name, ctx=ast.Store() | ast.Del()) | ast.arg(arg=name):
                yield name
            case ast.Global(names=names) | ast.Nonlocal(names=names):
                yield from names
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.ClassDef() if node is not outermost:
                yield node.name
            case ast.alias():
                yield (node.asname or node.name).partition(".")[0]
            case ast.ExceptHandler(name=str(name)) | ast.MatchAs(name=str(name)) | ast.MatchStar(name=str(name)):
                yield name


def _all_names(tree: ast.AST) -> Iterator[str]:
    yield from _bound_inside(tree)
    for node in ast.walk(tree):
        if isinstance(node, ast.Name):
            yield node.id
