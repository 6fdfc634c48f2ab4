"""What a rewrite did to the recorded ops: arguments, and on the trunk what went, what came and where it stands now."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeAlias

from autotuner.pipeline import AssertBatches, Op, Pipeline, Upstream, Value

_UNTOUCHED, _TOUCHED = 1000, 999
"""Weights in the alignment: of two ops that changed places, the one that a decision names is the one that moved."""


class LeftOut:
    """Stands for an argument that is not written any more."""


Changed: TypeAlias = Mapping[str, Value | LeftOut]
"""Argument → new value."""


@dataclass(frozen=True)
class Placed:
    """Ops that stand behind a kept op now and did not before, in order."""

    after: str
    """The kept op; empty for the place ahead of the first one."""
    before: str
    """The next kept op; empty where there is none."""
    ops: tuple[Op, ...]


@dataclass(frozen=True)
class Differences:
    """From the recorded pipeline to the rewritten one."""

    arguments: Mapping[str, Changed]
    """By op path."""
    removed: tuple[str, ...]
    """Labels that are gone from their place, whether for good or to another one."""
    placed: tuple[Placed, ...]
    reason: str = ""
    """Why the difference is more than such changes; empty where it is not."""

    @property
    def structural(self) -> bool:
        """More than arguments, prefetches and options: what runs how often, or in which order, is another."""
        harmless = {"prefetch", "with_options"}
        placed = any(op.kind not in harmless for place in self.placed for op in place.ops)
        return placed or any(label.partition("[")[0] not in harmless for label in self.removed)


def differences(recorded: Pipeline, rewritten: Pipeline) -> Differences:
    """How ``rewritten`` differs."""
    old, new = recorded.trunk(), rewritten.trunk()
    together = counted(rewritten)
    kept = _kept([op.label for op in old if op.label not in together], list(new))
    return Differences(
        arguments=_arguments(recorded, rewritten),
        removed=tuple(op.label for op in old if op.label not in kept),
        placed=_placed(new, kept),
        reason=_elsewhere(recorded, rewritten),
    )


def counted(pipeline: Pipeline) -> dict[str, str]:
    """Ops from one whose input is counted to the one that says the number again: label → label of the first.

    They are written as one call, because only there the counted dataset has a name.
    """
    trunk = pipeline.trunk()
    labels = [op.label for op in trunk]
    found: dict[str, str] = {}
    for index, op in enumerate(trunk):
        for _, value in op.arguments:
            if isinstance(value, AssertBatches) and value.of in labels[:index]:
                found |= dict.fromkeys(labels[labels.index(value.of) : index + 1], value.of)
    return found


def _kept(old: list[str], new: list[Op]) -> set[str]:
    """Labels that stayed in their order: the heaviest common subsequence."""
    best: list[list[tuple[int, tuple[str, ...]]]] = [[(0, ())] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i, label in enumerate(old, start=1):
        for j, op in enumerate(new, start=1):
            chosen = max(best[i - 1][j], best[i][j - 1], key=lambda item: item[0])
            if op.label == label:
                weight, labels = best[i - 1][j - 1]
                with_both = (weight + (_TOUCHED if op.decision else _UNTOUCHED), (*labels, label))
                chosen = max(with_both, chosen, key=lambda item: item[0])
            best[i][j] = chosen
    return set(best[-1][-1][1])


def _placed(new: tuple[Op, ...], kept: set[str]) -> tuple[Placed, ...]:
    found: list[Placed] = []
    after, waiting = "", list[Op]()
    for op in new:
        if op.label not in kept:
            waiting.append(op)
            continue
        if waiting:
            found.append(Placed(after, op.label, tuple(waiting)))
        after, waiting = op.label, []
    return tuple([*found, Placed(after, "", tuple(waiting))] if waiting else found)


def _arguments(recorded: Pipeline, rewritten: Pipeline) -> dict[str, Changed]:
    before = dict(recorded.walk())
    changed: dict[str, Changed] = {}
    for path, op in rewritten.walk():
        if path in before and (different := changed_arguments(before[path], op)):
            changed[path] = different
    return changed


def changed_arguments(before: Op, after: Op) -> Changed:
    """Arguments of ``after`` that are not written as they were."""
    old, new = dict(before.arguments), dict(after.arguments)
    different = {
        name: value for name, value in new.items() if name not in old or _unlabelled(old[name]) != _unlabelled(value)
    }
    return different | {name: LeftOut() for name in old if name not in new}


def _unlabelled(value: Value) -> Value:
    """``value`` without the labels of other ops: the code reads whatever its variable holds."""
    match value:
        case Upstream():
            return Upstream("")
        case tuple() | list():
            return type(value)(_unlabelled(item) for item in value)
        case dict():
            return {key: _unlabelled(item) for key, item in value.items()}
        case _:
            return value


def _elsewhere(recorded: Pipeline, rewritten: Pipeline) -> str:
    """A change of structure off the trunk."""
    trunks = {op.label for op in (*recorded.trunk(), *rewritten.trunk())}
    before = {op.label: op for op in recorded.ops if op.label not in trunks}
    after = {op.label: op for op in rewritten.ops if op.label not in trunks}
    if before.keys() != after.keys() or any(before[label].receiver != after[label].receiver for label in before):
        return "it changes a branch, not only the stages that lead to the result"
    if recorded.trunk()[0].label != rewritten.trunk()[0].label:
        return "it changes where the elements come from"
    return ""
