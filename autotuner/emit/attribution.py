"""Which decision changed which argument."""

from __future__ import annotations

from collections.abc import Mapping

from autotuner.pipeline import Configuration, Pipeline
from autotuner.rewrites.cache import AFTER as CACHE
from autotuner.rewrites.materialise import AFTER as MATERIALISE

FUNCTIONS = {"map_func", "predicate"}


def decided(recorded: Pipeline, rewritten: Pipeline, configuration: Configuration) -> Mapping[tuple[str, str], str]:
    """(op path, argument) → decision, for every argument that differs from what the user wrote."""
    before = dict(recorded.walk())
    changed: dict[tuple[str, str], str] = {}
    for path, op in rewritten.walk():
        if path not in before:
            continue
        old = dict(before[path].arguments)
        for name in {**dict(op.arguments), **old}:
            if name in old and op.argument(name, _NOT_GIVEN) == old[name]:
                continue
            decision = _decision(path, name, op.decision, configuration)
            if decision:
                changed[path, name] = decision
    return changed


def _decision(path: str, argument: str, of_op: str | None, configuration: Configuration) -> str:
    for name in (f"{path}.{argument}", f"prefetch[end].{argument}"):
        if name in configuration:
            return name
    if of_op is not None:
        return ""  # an op that a decision made or moved names that one itself
    about = [name for name in configuration if name.rpartition(".")[0] == path]
    if argument in FUNCTIONS and about:
        return about[0]
    return next((name for name in (CACHE, MATERIALISE) if name in configuration), "")


_NOT_GIVEN = "argument that is not given"
