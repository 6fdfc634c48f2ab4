"""What an entry of the catalogue of pipelines is."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

import tensorflow as tf

DatasetFn: TypeAlias = Callable[[Path], tf.data.Dataset]


@dataclass(frozen=True)
class Entry:
    """One ``dataset_fn`` and what is to be expected of its recording."""

    name: str
    function: DatasetFn
    repeatable: bool = True
    """Two readings of two builds give the same elements in the same order."""
    same_signature: bool = True
    """Recorded again it is the same pipeline; else the function itself draws something new at each call."""
    opaque: Mapping[str, str] = field(default_factory=dict)
    """Labels of the leaves that cannot be recorded, each with a part of its reason."""

    def at(self, folder: Path) -> Callable[[], tf.data.Dataset]:
        """The function over the files of ``folder``, as ``record`` takes it."""
        return functools.partial(self.function, folder)


class Catalogue:
    """Collects entries by decorator."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []

    def entry(
        self, *, repeatable: bool = True, same_signature: bool = True, opaque: Mapping[str, str] | None = None
    ) -> Callable[[DatasetFn], DatasetFn]:
        """Adds the decorated function under its own name."""

        def add(function: DatasetFn) -> DatasetFn:
            self.entries.append(Entry(function.__name__, function, repeatable, same_signature, opaque or {}))
            return function

        return add
