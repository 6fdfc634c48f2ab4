"""Builds a dataset from a Pipeline: what was recorded, or what rewrites made of it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import tensorflow as tf

from autotuner.pipeline import AUTOTUNE, OPAQUE, UNKNOWN, AssertBatches, Captured, InputCardinality, Op, Pipeline, Value
from autotuner.tfdata.intercept import NESTING, READERS, STATIC, AtUserLevel, Call, intercepted, signature_of
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.seeds import SeedState

TUNED_ARGUMENTS = ("num_parallel_calls", "num_parallel_reads", "cycle_length", "block_length", "deterministic")
"""Arguments that may be changed inside functions given to ``interleave`` and ``flat_map``."""


def build(recorded: Recorded, pipeline: Pipeline | None = None) -> tf.data.Dataset:
    """The dataset of ``pipeline`` (default: as recorded), with the user's attributes hung on it again."""
    chosen = pipeline or recorded.pipeline
    dataset = build_all(recorded, chosen)[chosen.output.label]
    for name, value in recorded.attributes.items():
        setattr(dataset, name, value)
    return dataset


def build_all(
    recorded: Recorded, pipeline: Pipeline, built: Mapping[str, tf.data.Dataset] = MappingProxyType({})
) -> dict[str, tf.data.Dataset]:
    """The dataset of every op, by label. A dataset that two ops read is built once, what is in ``built`` not again."""
    datasets = dict(built)
    before = SeedState.current()
    try:
        for op in pipeline.ops:
            if op.label in datasets:
                continue
            if op.label in recorded.seeds:
                recorded.seeds[op.label].restore()
            datasets[op.label] = _build_op(recorded, pipeline, op, datasets)
    finally:
        before.restore()
    return datasets


def _build_op(recorded: Recorded, pipeline: Pipeline, op: Op, datasets: dict[str, tf.data.Dataset]) -> tf.data.Dataset:
    if op.kind == OPAQUE:
        leaf = op.argument("dataset")
        assert isinstance(leaf, Captured)  # noqa: S101 - what the recorder puts there
        return recorded.live[leaf.key]

    def argument(name: str, value: Value) -> Any:
        match value:
            case InputCardinality() if op.receiver:
                return datasets[op.receiver].cardinality()
            case AssertBatches(of):
                rows = datasets[pipeline[of].receiver or ""].cardinality()
                return _asserting(rows, value)
            case _:
                return recorded.live.decode_argument(name, value, datasets)

    arguments = {name: argument(name, value) for name, value in op.arguments}
    receiver = datasets[op.receiver] if op.receiver else None
    if not _inner_changed(recorded, op):
        return call(op.kind, receiver, arguments)
    overrider = _Overrider(op)
    with intercepted(overrider) as at_user_level:
        overrider.at_user_level = at_user_level
        return call(op.kind, receiver, arguments)


def _asserting(rows: Any, made: AssertBatches) -> Any:
    """What ``apply`` is given; emitted code writes the very same expressions."""
    if int(rows) == UNKNOWN:
        return _unchanged  # a pipeline over fewer elements need not know how many there are
    batches = rows // made.batch_size if made.drop_remainder else -(-rows // made.batch_size)
    return tf.data.experimental.assert_cardinality(batches)


def _unchanged(dataset: tf.data.Dataset) -> tf.data.Dataset:
    return dataset


def _inner_changed(recorded: Recorded, op: Op) -> bool:
    if op.inner is None:
        return False
    return op.label not in recorded.pipeline or recorded.pipeline[op.label].inner != op.inner


def call(kind: str, receiver: tf.data.Dataset | None, arguments: Mapping[str, Any]) -> tf.data.Dataset:
    """Calls the tf.data method, static method or reader ``kind`` with arguments by name."""
    if kind in READERS:
        return READERS[kind](**arguments)
    method = getattr(tf.data.Dataset, kind)
    leading = () if kind in STATIC or receiver is None else (receiver,)
    positional: list[Any] = []
    named: dict[str, Any] = {}
    for name, value in arguments.items():
        variadic = signature_of(method).parameters[name].kind.name
        if variadic == "VAR_POSITIONAL":
            positional.extend(value)
        elif variadic == "VAR_KEYWORD":
            named.update(value)
        else:
            named[name] = value
    return method(*leading, *positional, **named)


class _Overrider:
    """Replays a call with nested functions and changes the tuned arguments of the calls inside, at every depth."""

    def __init__(self, op: Op) -> None:
        self.at_user_level: AtUserLevel = lambda function, _enter, _leave: function
        self._levels: list[Iterator[Op]] = [iter((op,))]
        """Ops that are yet to be called in each function that is running, the innermost last."""

    def before(self, call: Call) -> dict[str, Any]:
        if call.kind == "apply":
            return call.arguments  # what its function calls comes next
        op = next(self._levels[-1], None)
        if op is None or op.kind != call.kind:
            recorded = op.label if op else "nothing more"
            raise RuntimeError(f"{recorded} was recorded here, but this time the function called {call.kind}")
        arguments = _tuned(call.arguments, op) if len(self._levels) > 1 else dict(call.arguments)
        if op.inner is not None:
            parameter = NESTING[op.kind]
            arguments[parameter] = self._nested(arguments[parameter], op.inner)
        return arguments

    def _nested(self, function: Callable[..., Any], inner: Pipeline) -> Callable[..., Any]:
        def enter() -> None:
            self._levels.append(op for op in inner.ops if op.kind not in {OPAQUE, "apply"})

        def leave() -> None:
            self._levels.pop()

        return self.at_user_level(function, enter, leave)

    def after(self, call: Call, dataset: tf.data.Dataset) -> None:
        """Nothing to remember."""


def _tuned(arguments: Mapping[str, Any], op: Op) -> dict[str, Any]:
    """The user's own arguments with the tuned ones as ``op`` has them: set, changed or left to the default."""
    wanted = dict(op.arguments)
    kept = {name: value for name, value in arguments.items() if name in wanted or name not in TUNED_ARGUMENTS}
    plain = {name: wanted[name] for name in TUNED_ARGUMENTS if isinstance(wanted.get(name), int | str)}
    return kept | {name: tf.data.AUTOTUNE if value == AUTOTUNE else value for name, value in plain.items()}
