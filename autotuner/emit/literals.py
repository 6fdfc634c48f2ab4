"""Python text of literal values, in the quotes ``ruff format`` prefers."""

from __future__ import annotations

import math


def scalar_text(value: bool | float | str | bytes | None) -> str:  # noqa: FBT001 - any scalar is a value here
    """An expression that evaluates to ``value``."""
    match value:
        case float() if not math.isfinite(value):
            return f'float("{value}")'
        case str() | bytes():
            return quoted(value)
        case _:
            return repr(value)


def quoted(value: str | bytes) -> str:
    """The literal in double quotes, unless single ones need fewer escapes."""
    text = repr(value)
    prefix = "b" if isinstance(value, bytes) else ""
    quote, body = text[len(prefix)], text[len(prefix) + 1 : -1]
    if quote == '"' or body.count('"') > body.count("\\'"):
        return text
    plain = body.replace("\\'", "'").replace('"', '\\"')
    return f'{prefix}"{plain}"'


def docstring(lines: list[str]) -> str:
    """The lines as a docstring that reads as they do; nothing for no lines."""
    text = "\n".join(line.rstrip() for line in lines).strip()
    if not text:
        return ""
    safe = text.replace("\\", "\\\\").replace('"""', '\\"\\"\\"')
    if "\n" in safe:
        return f'"""{safe}\n"""'
    return f'"""{safe[:-1]}\\""""' if safe.endswith('"') else f'"""{safe}"""'
