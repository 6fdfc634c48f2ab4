"""Finds the exact source text of a code object, and the outer names that the text needs."""

from __future__ import annotations

import ast
import dis
import functools
import linecache
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from types import CodeType
from typing import TypeAlias

_GLOBAL_ACCESS = {"LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL", "LOAD_FROM_DICT_OR_GLOBALS"}

FunctionNode: TypeAlias = ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True)
class Source:
    """The text of one function: a ``def`` without its outer indentation, or a lambda expression as it stands."""

    text: str
    line: int
    column: int
    """UTF-8 bytes before the text on its first line."""
    node: FunctionNode
    decorated: bool = False
    """The text starts with the decorators."""


@dataclass(frozen=True)
class _File:
    lines: tuple[bytes, ...]
    functions: tuple[FunctionNode, ...]
    codes: tuple[CodeType, ...]


def find_source(code: CodeType) -> Source | None:
    """The source that ``code`` was compiled from, without decorators; ``None`` unless that is certain.

    Certain means: the file as it is now compiles to this very code object, at these very positions.
    """
    linecache.checkcache(code.co_filename)
    file = _read("".join(linecache.getlines(code.co_filename)))
    if file is None or not any(_same(code, known) for known in file.codes):
        return None
    matching = [node for node in file.functions if _compiles_to(node, code)]
    if not matching:
        return None
    # Lambdas that all cover the code are nested; the innermost starts last.
    node = max(matching, key=lambda item: (item.lineno, item.col_offset))
    text = _text(file, node, node.lineno)
    return None if text is None else Source(text, node.lineno, node.col_offset, node)


def with_decorators(source: Source, code: CodeType) -> Source | None:
    """The same ``def`` from its first decorator on."""
    file = _read("".join(linecache.getlines(code.co_filename)))
    if file is None or isinstance(source.node, ast.Lambda) or not source.node.decorator_list:
        return None
    line = source.node.decorator_list[0].lineno
    text = _text(file, source.node, line)
    return None if text is None or text[0] != "@" else Source(text, line, source.column, source.node, decorated=True)


def outer_names(code: CodeType) -> Iterator[str]:
    """Names the code takes from closure cells and globals (builtins included), each once, in order of use."""
    seen = dict.fromkeys(code.co_freevars)
    for name in _global_names(code):
        seen.setdefault(name)
    yield from seen


def names_in(*nodes: ast.AST) -> tuple[str, ...]:
    """Every name written inside ``nodes``, each once."""
    found = (node.id for root in nodes for node in ast.walk(root) if isinstance(node, ast.Name))
    return tuple(dict.fromkeys(found))


def defaults_of(node: FunctionNode) -> tuple[ast.expr, ...]:
    """Default expressions, which are evaluated where the function is defined."""
    return (*node.args.defaults, *(default for default in node.args.kw_defaults if default is not None))


def _global_names(code: CodeType) -> Iterator[str]:
    for instruction in dis.get_instructions(code):
        if instruction.opname in _GLOBAL_ACCESS:
            yield str(instruction.argval)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _global_names(constant)


@functools.lru_cache(maxsize=32)
def _read(text: str) -> _File | None:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the user saw them when their module was imported
            tree = ast.parse(text)
            compiled = compile(text, "<source>", "exec", ast.PyCF_ALLOW_TOP_LEVEL_AWAIT, dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError):
        return None
    functions = tuple(
        node for node in ast.walk(tree) if isinstance(node, ast.Lambda | ast.FunctionDef | ast.AsyncFunctionDef)
    )
    return _File(tuple(line.encode() for line in text.split("\n")), functions, tuple(_nested(compiled)))


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _same(code: CodeType, known: CodeType) -> bool:
    return code == known and list(code.co_positions()) == list(known.co_positions())


def _compiles_to(node: FunctionNode, code: CodeType) -> bool:
    if not isinstance(node, ast.Lambda):
        first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
        return node.name == code.co_name and first == code.co_firstlineno
    return code.co_name == "<lambda>" and node.lineno == code.co_firstlineno and _covers(node.body, code)


def _covers(body: ast.expr, code: CodeType) -> bool:
    start, end = (body.lineno, body.col_offset), (body.end_lineno or 0, body.end_col_offset or 0)
    for line, end_line, column, end_column in code.co_positions():
        if line is None or end_line is None or column is None or end_column is None:
            continue
        if (line, column) == (end_line, end_column):  # where the function is entered, not a place in its body
            continue
        if (line, column) < start or (end_line, end_column) > end:
            return False
    return True


def _text(file: _File, node: FunctionNode, first_line: int) -> str | None:
    lines = list(file.lines[first_line - 1 : node.end_lineno])
    lines[-1] = lines[-1][: node.end_col_offset]
    indent, lines[0] = lines[0][: node.col_offset], lines[0][node.col_offset :]
    if isinstance(node, ast.Lambda):
        return b"\n".join(lines).decode()
    if indent.strip():
        return None
    verbatim = _lines_inside_strings(node)
    for index, line in enumerate(lines[1:], start=1):
        if first_line + index not in verbatim:
            lines[index] = line.removeprefix(indent) if line.startswith(indent) else line.lstrip()
    text = b"\n".join(lines).decode()
    return text if _means(text, node) else None


def _lines_inside_strings(node: ast.AST) -> set[int]:
    inside: set[int] = set()
    for item in ast.walk(node):
        if isinstance(item, ast.JoinedStr) or (isinstance(item, ast.Constant) and isinstance(item.value, str | bytes)):
            inside.update(range(item.lineno + 1, (item.end_lineno or item.lineno) + 1))
    return inside


def _means(text: str, node: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    try:
        [parsed] = ast.parse(text).body
    except (SyntaxError, ValueError):
        return False
    if not isinstance(parsed, ast.FunctionDef | ast.AsyncFunctionDef):
        return False
    decorators = node.decorator_list if parsed.decorator_list else []
    bare = ast.dump(ast.FunctionDef(node.name, node.args, node.body, decorators, node.returns))
    return (
        ast.dump(ast.FunctionDef(parsed.name, parsed.args, parsed.body, parsed.decorator_list, parsed.returns)) == bare
    )
