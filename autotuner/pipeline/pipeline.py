"""The recorded pipeline: ops, their order, and the few edits every rewrite is made of."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from autotuner.pipeline.values import CallSite, Captured, Derived, FnRef, Upstream, Value, from_json, leaves, to_json

OPAQUE = "opaque"
"""Kind of a leaf that reuses a live dataset whose making was not seen."""


@dataclass(frozen=True)
class Op:
    """One call of the public tf.data API.

    ``receiver`` is the label of the dataset the method was called on; ``None`` for sources and for the static
    combinators (``zip``, ``sample_from_datasets``), whose datasets are :class:`Upstream` arguments.
    """

    label: str
    kind: str
    receiver: str | None = None
    arguments: tuple[tuple[str, Value], ...] = ()
    call_site: CallSite | None = None
    inner: Pipeline | None = None
    """What the function argument builds per element (``interleave``, ``flat_map``); only arguments may change."""
    decision: str | None = None
    """The decision that put this op here; ``None`` for what the user wrote."""

    @property
    def inputs(self) -> tuple[str, ...]:
        """Labels of all datasets this op reads, the receiver first."""
        given = (leaf for _, value in self.arguments for leaf in leaves(value))
        others = tuple(leaf.label for leaf in given if isinstance(leaf, Upstream))
        return ((self.receiver,) if self.receiver else ()) + others

    @property
    def functions(self) -> tuple[FnRef, ...]:
        """User functions among the arguments."""
        return tuple(leaf for _, value in self.arguments for leaf in leaves(value) if isinstance(leaf, FnRef))

    def argument(self, name: str, default: Value = None) -> Value:
        """The argument as the user wrote it, or ``default`` where they did not."""
        return dict(self.arguments).get(name, default)

    def with_argument(self, name: str, value: Value) -> Op:
        """A copy with one argument set; its place among the others is kept."""
        changed = dict(self.arguments) | {name: value}
        return replace(self, arguments=tuple(changed.items()))

    def without_argument(self, name: str) -> Op:
        """A copy that leaves one argument to TensorFlow's default."""
        return replace(self, arguments=tuple((key, value) for key, value in self.arguments if key != name))


@dataclass(frozen=True)
class Pipeline:
    """Ops in an order in which each comes after its inputs; the last one is the result."""

    ops: tuple[Op, ...]

    def __post_init__(self) -> None:
        seen: set[str] = set()
        for op in self.ops:
            if missing := [label for label in op.inputs if label not in seen]:
                raise ValueError(f"{op.label} reads {missing[0]}, which is not built before it")
            if op.label in seen:
                raise ValueError(f"two ops are labelled {op.label}")
            seen.add(op.label)
        if not self.ops:
            raise ValueError("a pipeline has at least one op")

    def __getitem__(self, label: str) -> Op:
        for op in self.ops:
            if op.label == label:
                return op
        raise KeyError(label)

    def __contains__(self, label: object) -> bool:
        return any(op.label == label for op in self.ops)

    @property
    def output(self) -> Op:
        """The op whose dataset the user's function returned."""
        return self.ops[-1]

    def consumers(self, label: str) -> tuple[Op, ...]:
        """Ops that read ``label``."""
        return tuple(op for op in self.ops if label in op.inputs)

    def upstream(self, label: str) -> tuple[Op, ...]:
        """Every op that ``label`` is made from, itself last."""
        wanted = {label}
        for op in reversed(self.ops):
            if op.label in wanted:
                wanted.update(op.inputs)
        return tuple(op for op in self.ops if op.label in wanted)

    def trunk(self) -> tuple[Op, ...]:
        """The receivers from the output back to the first op with no receiver, in building order."""
        chain = [self.output]
        while chain[-1].receiver:
            chain.append(self[chain[-1].receiver])
        return tuple(reversed(chain))

    def replace_op(self, label: str, change: Callable[[Op], Op]) -> Pipeline:
        """A copy in which one op is changed in place; its label must stay.

        Raises:
            KeyError: there is no such op.
            ValueError: ``change`` gave it another label.
        """
        if change(self[label]).label != label:
            raise ValueError(f"{label} would lose its label")
        return Pipeline(tuple(change(op) if op.label == label else op for op in self.ops))

    def insert_after(self, label: str, op: Op) -> Pipeline:
        """A copy with ``op`` between ``label`` and everything that read ``label``.

        Raises:
            KeyError: there is no such op.
        """
        self[label]
        placed = replace(op, receiver=label)
        rest: list[Op] = []
        for existing in self.ops:
            rest.append(_redirect(existing, label, op.label))
            if existing.label == label:
                rest.append(placed)
        return Pipeline(tuple(rest))

    def remove(self, label: str) -> Pipeline:
        """A copy without an op that has one input; its readers read that input.

        Raises:
            KeyError: there is no such op.
            ValueError: it has no input, or several.
        """
        inputs = self[label].inputs
        if len(inputs) != 1:
            raise ValueError(f"{label} has {len(inputs)} inputs: nothing can stand in for it")
        return Pipeline(tuple(_redirect(op, label, inputs[0]) for op in self.ops if op.label != label))

    def move_after(self, label: str, after: str) -> Pipeline:
        """A copy in which an op with one input stands behind ``after`` instead."""
        return self.remove(label).insert_after(after, self[label])

    def walk(self) -> Iterator[tuple[str, Op]]:
        """Every op with its path, inner ones as ``outer/inner``."""
        for op in self.ops:
            yield op.label, op
            if op.inner is not None:
                for path, inner in op.inner.walk():
                    yield f"{op.label}/{path}", inner

    def at(self, path: str) -> Op:
        """The op at a path of :meth:`walk`."""
        return dict(self.walk())[path]

    def replace_at(self, path: str, change: Callable[[Op], Op]) -> Pipeline:
        """:meth:`replace_op` for a path of :meth:`walk`."""
        outer, _, rest = path.partition("/")
        if not rest:
            return self.replace_op(outer, change)

        def deeper(op: Op) -> Op:
            if op.inner is None:
                raise KeyError(path)
            return replace(op, inner=op.inner.replace_at(rest, change))

        return self.replace_op(outer, deeper)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data; :meth:`from_json` gives an equal pipeline back."""
        return {"ops": [_op_to_json(op) for op in self.ops]}

    @staticmethod
    def from_json(data: dict[str, Any]) -> Pipeline:
        """The pipeline that :meth:`to_json` wrote."""
        return Pipeline(tuple(_op_from_json(item) for item in data["ops"]))

    def signature(self) -> str:
        """Hash of structure, arguments and function code, equal across processes and moves of the files."""
        return hashlib.sha256(json.dumps(_identity(self), sort_keys=True).encode()).hexdigest()[:16]


def _redirect(op: Op, old: str, new: str) -> Op:
    def swap(value: Value) -> Value:
        match value:
            case Upstream(label) if label == old:
                return Upstream(new)
            case tuple():
                return tuple(swap(item) for item in value)
            case list():
                return [swap(item) for item in value]
            case dict():
                return {key: swap(item) for key, item in value.items()}
            case _:
                return value

    if old not in op.inputs:
        return op
    receiver = new if op.receiver == old else op.receiver
    return replace(op, receiver=receiver, arguments=tuple((key, swap(value)) for key, value in op.arguments))


def _op_to_json(op: Op) -> dict[str, Any]:
    return {
        "label": op.label,
        "kind": op.kind,
        "receiver": op.receiver,
        "arguments": [[key, to_json(value)] for key, value in op.arguments],
        "call_site": vars(op.call_site) if op.call_site else None,
        "inner": op.inner.to_json() if op.inner else None,
        "decision": op.decision,
    }


def _op_from_json(data: dict[str, Any]) -> Op:
    return Op(
        label=data["label"],
        kind=data["kind"],
        receiver=data["receiver"],
        arguments=tuple((key, from_json(value)) for key, value in data["arguments"]),
        call_site=CallSite(**data["call_site"]) if data["call_site"] else None,
        inner=Pipeline.from_json(data["inner"]) if data["inner"] else None,
        decision=data["decision"],
    )


def _identity(pipeline: Pipeline) -> list[Any]:
    return [
        [
            op.label,
            op.kind,
            op.receiver,
            [[key, _value_identity(value)] for key, value in op.arguments],
            _identity(op.inner) if op.inner else None,
        ]
        for op in pipeline.ops
    ]


def _value_identity(value: Value) -> Any:  # noqa: ANN401 - JSON has no narrower type
    # A tuple of arrays is two components, a list of them one: containers keep their type.
    if isinstance(value, tuple | list):
        return {type(value).__name__: [_value_identity(item) for item in value]}
    if isinstance(value, dict):
        return {"dict": {key: _value_identity(item) for key, item in value.items()}}
    if isinstance(value, Derived):
        return {"derived": [value.form, list(value.numbers), *(_value_identity(item) for item in value.of)]}
    if isinstance(value, FnRef | Captured) and value.digest:
        return {"digest": value.digest}
    return to_json(value)
