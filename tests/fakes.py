"""Stand-ins that need no TensorFlow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from types import ModuleType, SimpleNamespace
from typing import Any


@dataclass(eq=False)
class FakeDataset:
    """Remembers the call that made it; every method makes another one."""

    kind: str
    receiver: FakeDataset | None = None
    args: tuple[Any, ...] = ()
    kwargs: dict[str, Any] = field(default_factory=dict)

    def cardinality(self) -> tuple[str, FakeDataset]:
        return "cardinality", self

    def __getattr__(self, kind: str) -> Callable[..., FakeDataset]:
        if kind.startswith("_"):
            raise AttributeError(kind)
        return lambda *args, **kwargs: FakeDataset(kind, self, args, kwargs)


class FakeOptions:
    """Remembers what was set, under flattened names; what is only read is made on the way."""

    def __getattr__(self, name: str) -> FakeOptions:
        if name.startswith("_"):
            raise AttributeError(name)
        made = FakeOptions()
        object.__setattr__(self, name, made)
        return made

    def flat(self, prefix: str = "") -> dict[str, Any]:
        found: dict[str, Any] = {}
        for name, value in vars(self).items():
            found |= value.flat(f"{prefix}{name}.") if isinstance(value, FakeOptions) else {prefix + name: value}
        return found


class _Static:
    def __getattr__(self, kind: str) -> Callable[..., FakeDataset]:
        return lambda *args, **kwargs: FakeDataset(kind, None, args, kwargs)


AUTOTUNED = object()
"""What the fake ``tf.data.AUTOTUNE`` is."""


@contextmanager
def fake_tensorflow() -> Iterator[ModuleType]:
    """``import tensorflow`` gives a module that records dataset calls."""
    module = ModuleType("tensorflow")
    readers = ("TFRecordDataset", "TextLineDataset", "FixedLengthRecordDataset")
    policies = SimpleNamespace(AutoShardPolicy=SimpleNamespace(OFF="policy off"), CsvDataset=_Static().CsvDataset)
    module.data = SimpleNamespace(  # type: ignore[attr-defined]
        Dataset=_Static(),
        AUTOTUNE=AUTOTUNED,
        Options=FakeOptions,
        experimental=policies,
        **{reader: getattr(_Static(), reader) for reader in readers},
    )
    module.float32 = "float32"  # type: ignore[attr-defined]
    saved = sys.modules.get("tensorflow")
    sys.modules["tensorflow"] = module
    try:
        yield module
    finally:
        sys.modules.pop("tensorflow")
        if saved is not None:
            sys.modules["tensorflow"] = saved
