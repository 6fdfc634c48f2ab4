"""Gives recorded ops their stable labels and drops those the result does not use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from autotuner.pipeline import Op, Pipeline, Upstream, Value


def labelled(ops: Sequence[Op], output: str | None = None) -> tuple[Pipeline, dict[str, str]]:
    """A pipeline of the ops that ``output`` is made from (default: all ops, in order), and old → new labels.

    An op with a named function is ``map[decode]``, the second of that name ``map[decode#2]``; others are numbered
    among their kind: ``batch[0]``.
    """
    used = Pipeline(tuple(_in_order(ops, output) if output else ops))
    names: dict[str, str] = {}
    seen: Counter[str] = Counter()
    for op in used.ops:
        names[op.label] = _label(op, seen)
    return Pipeline(tuple(_renamed(op, names) for op in used.ops)), names


def _in_order(ops: Sequence[Op], output: str) -> list[Op]:
    wanted = {output}
    for op in reversed(ops):
        if op.label in wanted:
            wanted.update(op.inputs)
    kept = [op for op in ops if op.label in wanted]
    return sorted(kept, key=lambda op: op.label == output)


def _label(op: Op, seen: Counter[str]) -> str:
    named = [fn.name for fn in op.functions if fn.name.isidentifier()]
    if named:
        base = f"{op.kind}[{named[0]}]"
        seen[base] += 1
        return base if seen[base] == 1 else f"{op.kind}[{named[0]}#{seen[base]}]"
    index = seen[op.kind]
    seen[op.kind] += 1
    return f"{op.kind}[{index}]"


def _renamed(op: Op, names: dict[str, str]) -> Op:
    def rename(value: Value) -> Value:
        match value:
            case Upstream(label):
                return Upstream(names[label])
            case tuple() | list():
                return type(value)(rename(item) for item in value)
            case dict():
                return {key: rename(item) for key, item in value.items()}
            case _:
                return value

    return replace(
        op,
        label=names[op.label],
        receiver=names[op.receiver] if op.receiver else None,
        arguments=tuple((key, rename(value)) for key, value in op.arguments),
    )
