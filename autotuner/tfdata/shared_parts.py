"""Builds many pipelines of one recording, and what they have in common once: tracing functions is most of the work."""

from __future__ import annotations

import hashlib
import json

import tensorflow as tf

from autotuner.pipeline import Derived, Op, Pipeline, to_json
from autotuner.tfdata.build import build_all
from autotuner.tfdata.intercept import NESTING
from autotuner.tfdata.record import Recorded

_REMEMBERS = {"apply", "cache", "random", "rejection_resample", "sample_from_datasets", "shuffle", "snapshot"}
"""Kinds whose dataset one reading may leave changed for the next, or that may hold one that is."""


class SharedParts:
    """Datasets of one recording by what they are made of; only such as a reading leaves as they were."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self._made: dict[str, tf.data.Dataset] = {}

    def fork(self) -> SharedParts:
        """The same parts, and a place of its own for further ones."""
        other = SharedParts(self.recorded)
        other._made.update(self._made)
        return other

    def build(self, pipeline: Pipeline) -> tf.data.Dataset:
        """The dataset of ``pipeline``."""
        return self.build_all(pipeline)[pipeline.output.label]

    def build_all(self, pipeline: Pipeline) -> dict[str, tf.data.Dataset]:
        """The dataset of every op, by label."""
        keys = self._keys(pipeline)
        made = {label: self._made[key] for label, key in keys.items() if key in self._made}
        datasets = build_all(self.recorded, pipeline, made)
        self._made |= {key: datasets[label] for label, key in keys.items()}
        return datasets

    def _keys(self, pipeline: Pipeline) -> dict[str, str]:
        """By label, a hash of an op and all it reads; none where something remembers."""
        if any(state.seed is not None for state in self.recorded.seeds.values()):
            return {}  # with a global seed an op draws its own from what was built before it
        keys: dict[str, str] = {}
        for op in pipeline.ops:
            if all(label in keys for label in op.inputs) and not _remembers(op):
                keys[op.label] = _key(op, [keys[label] for label in op.inputs])
        return keys


def _key(op: Op, inputs: list[str]) -> str:
    arguments = [[name, to_json(value)] for name, value in op.arguments]
    inner = op.inner.to_json() if op.inner else None
    told = json.dumps([op.label, op.kind, inputs, arguments, inner], sort_keys=True)
    return hashlib.sha256(told.encode()).hexdigest()


def _remembers(op: Op) -> bool:
    if op.kind == "apply" and isinstance(op.argument("transformation_func"), Derived):
        return False  # it only states a length
    if op.kind in _REMEMBERS or (op.kind == "list_files" and op.argument("shuffle") is not False):
        return True
    if op.kind in NESTING:
        return op.inner is None or any(_remembers(inner) for inner in op.inner.ops)
    return False
