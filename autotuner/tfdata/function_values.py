"""Captured values that code can spell: literals, modules, paths, and what an import statement finds."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from pathlib import Path, PurePath
from types import ModuleType

from autotuner.pipeline import Captured
from autotuner.tfdata.function_digest import digest_of
from autotuner.tfdata.function_modules import Address, module_import

_SCALARS = {type(None), bool, int, float, str, bytes}
_MAX_DEPTH = 20


def literal(value: object, depth: int = 0) -> bool:
    """Scalars, and lists, tuples and dicts of literals; subclasses (enums, NumPy scalars) are not."""
    if type(value) in _SCALARS:
        return True
    if depth > _MAX_DEPTH:  # a list may hold itself
        return False
    if isinstance(value, dict) and type(value) is dict:
        same_keys = {type(key) for key in value} in (set(), {str}, {int})
        return same_keys and all(literal(item, depth + 1) for item in value.values())
    return type(value) in {list, tuple} and all(literal(item, depth + 1) for item in _items(value))


def plain_leaves(value: object, depth: int = 0) -> int:
    """Number of scalars and objects in nested containers."""
    if depth > _MAX_DEPTH:
        return 1
    if type(value) in {list, tuple, dict}:
        return sum(plain_leaves(item, depth + 1) for item in _items(value))
    return 1


def module_value(value: object, name: str, key: str, tree: ast.AST | None = None) -> Captured | None:
    """A module as its import statement; submodules that ``tree`` reaches through it are imported as well."""
    if not isinstance(value, ModuleType):
        return None
    found = module_import(value, name)
    if found is None:
        return None
    statement, import_root = found
    below = _submodules(tree, name) if tree is not None and value.__name__ == name else ()
    digest = digest_of("module", value.__name__)
    return Captured(key, f"module {value.__name__}", name, (statement, *below), digest, import_root)


def path_value(value: object, key: str) -> Captured | None:
    """A ``pathlib`` path of this system."""
    if not isinstance(value, PurePath):
        return None
    kind = "Path" if isinstance(value, Path) else "PurePath"
    digest = digest_of(kind, str(value))
    return Captured(key, f"path {value}", f"{kind}({str(value)!r})", (f"from pathlib import {kind}",), digest)


def imported(address: Address, name: str, key: str, digest: str) -> Captured:
    """What lives at ``address``, known to its user as ``name``."""
    head, _, attributes = address.qualname.partition(".")
    alias = head if attributes else name
    return Captured(
        key=key,
        summary=f"{address.qualname} of {address.module}",
        expression=address.qualname if attributes else name,
        imports=(address.statement(alias),),
        import_root=address.import_root,
        digest=digest,
    )


def _items(value: object) -> Iterator[object]:
    if isinstance(value, dict):
        yield from value.values()
    elif isinstance(value, list | tuple):
        yield from value


def _submodules(tree: ast.AST, name: str) -> tuple[str, ...]:
    chains = (ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute))
    loaded = (chain for chain in chains if chain.startswith(f"{name}.") and chain in sys.modules)
    return tuple(dict.fromkeys(f"import {chain}" for chain in loaded))
