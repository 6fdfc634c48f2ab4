"""A configuration: the decisions that differ from the user's pipeline."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from typing import TypeAlias

DecisionValue: TypeAlias = bool | int | float | str | None


class Configuration(Mapping[str, DecisionValue]):
    """Immutable, ordered decisions → values; the empty one is the status quo.

    The same object is suggested by Optuna, applied, logged, stored and printed.
    """

    __slots__ = ("_values",)

    def __init__(self, values: Mapping[str, DecisionValue] | None = None) -> None:
        self._values = dict(values or {})

    def __getitem__(self, name: str) -> DecisionValue:
        return self._values[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._values)

    def __len__(self) -> int:
        return len(self._values)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Mapping):
            return NotImplemented
        return _exact(self) == _exact(other)

    def __hash__(self) -> int:
        return hash(frozenset(self._values.items()))

    def __repr__(self) -> str:
        return f"Configuration({self._values!r})"

    def with_value(self, name: str, value: DecisionValue) -> Configuration:
        """A copy with one decision set."""
        return Configuration(self._values | {name: value})

    def without(self, name: str) -> Configuration:
        """A copy with one decision back at the status quo."""
        return Configuration({key: value for key, value in self._values.items() if key != name})

    def digest(self) -> str:
        """Hash that is equal for equal decisions, whatever their order."""
        return hashlib.sha256(json.dumps(self._values, sort_keys=True).encode()).hexdigest()[:16]


def _exact(values: Mapping[str, DecisionValue]) -> dict[str, tuple[type, DecisionValue]]:
    """Python holds ``True``, ``1`` and ``1.0`` for equal; as values of a decision they are not."""
    return {name: (type(value), value) for name, value in values.items()}
