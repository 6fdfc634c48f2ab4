"""Why a pipeline cannot be written as code, told with the op and the user's own line."""

from __future__ import annotations

from dataclasses import dataclass

from autotuner.pipeline import FnRef, Op


@dataclass(frozen=True)
class Unemittable:
    """No code, and every reason why."""

    reasons: tuple[str, ...]


def subject_of(op: Op) -> str:
    """``map[decode] at pipeline.py:31``, the start of a reason."""
    return op.label if op.call_site is None else f"{op.label} at {op.call_site.file}:{op.call_site.line}"


def name_of(fn: FnRef) -> str:
    """The function with the place of its definition."""
    return f"{fn.name} ({fn.file}:{fn.line})" if fn.file and fn.line else fn.name
