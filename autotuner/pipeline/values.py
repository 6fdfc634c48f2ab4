"""Argument values of an op as plain data, and their JSON form.

JSON scalars, lists and dicts stand for themselves; what JSON cannot say is tagged with a one-key object
``{"$fn": …}``, so a round trip is exact.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, fields
from typing import Any, TypeAlias

AUTOTUNE = "AUTOTUNE"
"""Stands for ``tf.data.AUTOTUNE`` wherever a count or a buffer size is expected."""

MAX_ELEMENTS = 2**63 - 1
"""More elements than any dataset has: ``tf.int64.max``."""


@dataclass(frozen=True)
class CallSite:
    """Where a call ends in the user's source; ends are unique inside a fluent chain, starts are not.

    Lines count from 1; columns are 0-based UTF-8 byte offsets.
    """

    file: str
    line: int
    end_line: int
    end_column: int


@dataclass(frozen=True)
class FnRef:
    """A user function: ``key`` finds the live object in the worker, the rest says how to write it as code."""

    key: str
    name: str
    module: str | None = None
    qualname: str | None = None
    importable: bool = False
    """``module`` and ``qualname`` lead back to this very function."""
    file: str | None = None
    line: int | None = None
    source: str | None = None
    """Dedented text of the lambda expression or ``def``, where it could be found exactly."""
    source_line: int | None = None
    """Line of ``file`` on which ``source`` starts."""
    bindings: Mapping[str, Value] = field(default_factory=dict)
    """Free names ``source`` needs, as values; imported modules appear as :class:`Captured` with an expression."""
    digest: str = ""
    """Hash of the code and of what it closes over: equal across processes for the same function."""
    source_column: int = 0
    """UTF-8 bytes before ``source`` on its first line; also what was cut from the other lines of a ``def``."""
    import_root: str | None = None
    """Folder that must be on ``sys.path`` for ``module``; ``None`` where it is installed."""


@dataclass(frozen=True)
class Captured:
    """A live object that stays in the worker; ``expression`` rebuilds it where that is possible."""

    key: str
    summary: str
    expression: str | None = None
    imports: tuple[str, ...] = ()
    """Import statements ``expression`` needs."""
    digest: str = ""
    import_root: str | None = None
    """Folder that must be on ``sys.path`` for ``imports``; ``None`` where they are installed."""


@dataclass(frozen=True)
class Upstream:
    """Another op's dataset, given as an argument (``zip``, ``concatenate``, ``sample_from_datasets``)."""

    label: str


@dataclass(frozen=True)
class Derived:
    """A function made of others, as code would make it.

    Forms: ``chain`` calls the second with what the first returns (``chain_tuple`` with its parts as arguments),
    ``vectorized_map`` works on a batch as the function does on each row, and so does ``vectorized_adjust`` where the
    function calls what :mod:`autotuner.pipeline.adjustments` names; ``parse_example`` is the function with
    ``tf.io.parse_single_example`` exchanged for its batched twin, ``jit_compile`` runs it under XLA.
    ``permuted_batches`` and ``ordered_batches`` are made of ``numbers`` alone (batch size, drop_remainder, element is
    one component, shuffles they stand for): given all rows, the batches of one epoch. ``assert_cardinality``, with the
    number of elements, is what the user gave to ``apply`` to say how many there are.
    """

    form: str
    of: tuple[FnRef | Derived, ...] = ()
    numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class InputCardinality:
    """The number of elements of the op's own input, known when the pipeline is built."""


@dataclass(frozen=True)
class AssertBatches:
    """A transformation that tells a dataset its length, which is computed when the pipeline is built.

    The length is the number of batches of ``batch_size`` that the elements make which the op ``of`` reads.
    """

    of: str
    batch_size: int
    drop_remainder: bool


Value: TypeAlias = (
    bool
    | int
    | float
    | str
    | bytes
    | tuple["Value", ...]
    | list["Value"]
    | dict[str, "Value"]
    | FnRef
    | Captured
    | Upstream
    | Derived
    | InputCardinality
    | AssertBatches
    | None
)

_TAGGED: dict[str, type[Any]] = {
    "$fn": FnRef,
    "$captured": Captured,
    "$upstream": Upstream,
    "$input_cardinality": InputCardinality,
    "$assert_batches": AssertBatches,
}


def to_json(value: Value) -> Any:  # noqa: ANN401 - JSON has no narrower type
    """Plain JSON data for a value."""
    match value:
        case bytes():
            return {"$bytes": base64.b64encode(value).decode("ascii")}
        case float() if not math.isfinite(value):
            return {"$float": repr(value)}
        case tuple():
            return {"$tuple": [to_json(item) for item in value]}
        case list():
            return [to_json(item) for item in value]
        case dict():
            return {"$dict": [[key, to_json(item)] for key, item in value.items()]}
        case FnRef() | Captured() | Upstream() | Derived() | InputCardinality() | AssertBatches():
            return _tagged(value)
        case _:
            return value


def _tagged(value: FnRef | Captured | Upstream | Derived | InputCardinality | AssertBatches) -> dict[str, Any]:
    match value:
        case FnRef():
            shallow = {field.name: getattr(value, field.name) for field in fields(value)}
            return {"$fn": shallow | {"bindings": {k: to_json(v) for k, v in value.bindings.items()}}}
        case Captured():
            return {"$captured": asdict(value) | {"imports": list(value.imports)}}
        case Upstream():
            return {"$upstream": {"label": value.label}}
        case Derived():
            return {
                "$derived": {
                    "form": value.form,
                    "of": [to_json(item) for item in value.of],
                    "numbers": list(value.numbers),
                }
            }
        case InputCardinality():
            return {"$input_cardinality": {}}
        case AssertBatches():
            return {"$assert_batches": asdict(value)}


def from_json(data: Any) -> Value:  # noqa: ANN401 - JSON has no narrower type
    """The value that :func:`to_json` wrote."""
    if isinstance(data, list):
        return [from_json(item) for item in data]
    if not isinstance(data, dict):
        return data  # type: ignore[no-any-return]
    [(tag, body)] = data.items()
    match tag:
        case "$bytes":
            return base64.b64decode(body)
        case "$float":
            return float(body)
        case "$tuple":
            return tuple(from_json(item) for item in body)
        case "$dict":
            return {key: from_json(item) for key, item in body}
        case "$fn":
            return FnRef(**(body | {"bindings": {k: from_json(v) for k, v in body["bindings"].items()}}))
        case "$derived":
            parts = tuple(part for part in map(from_json, body["of"]) if isinstance(part, FnRef | Derived))
            return Derived(body["form"], parts, tuple(body["numbers"]))
        case "$captured":
            return Captured(**(body | {"imports": tuple(body["imports"])}))
        case _:
            return _TAGGED[tag](**body)  # type: ignore[no-any-return]


def leaves(value: Value) -> Iterator[Value]:
    """Every non-container value inside ``value``, in order."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, tuple | list):
        for item in value:
            yield from leaves(item)
    else:
        yield value
