"""Lays expressions out over lines the way ``ruff format`` does: on one line where it fits, else one item a line."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

LINE_LENGTH = 120


@dataclass(frozen=True)
class Group:
    """A bracketed list: a call, a tuple, a list or a dict; each item has a prefix such as ``count=``."""

    opening: str
    items: tuple[tuple[str, Node], ...]
    closing: str
    lone_comma: bool = False
    """A single item is followed by a comma: ``(1,)``."""


Node: TypeAlias = str | Group


def flat(node: Node) -> str:
    """The expression without line breaks of our own."""
    if isinstance(node, str):
        return node
    comma = "," if node.lone_comma and len(node.items) == 1 else ""
    return node.opening + ", ".join(prefix + flat(item) for prefix, item in node.items) + comma + node.closing


def laid_out(prefix: str, node: Node, indent: int = 0, suffix: str = "") -> str:
    """``prefix`` and the expression from column ``indent`` on, without the indentation of the first line."""
    line = prefix + flat(node) + suffix
    fits = indent + len(line) <= LINE_LENGTH and "\n" not in line
    if fits or isinstance(node, str) or not node.items:
        return line
    deeper = indent + 4
    items = [" " * deeper + laid_out(before, item, deeper, ",") + "\n" for before, item in node.items]
    return f"{prefix}{node.opening}\n{''.join(items)}{' ' * indent}{node.closing}{suffix}"
