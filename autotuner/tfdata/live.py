"""The worker's live objects, and how they become plain values of a Pipeline and come back."""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable
from collections.abc import Set as AbstractSet
from typing import Any

import numpy as np
import tensorflow as tf

from autotuner.pipeline import AUTOTUNE, Captured, Derived, FnRef, Upstream, Value
from autotuner.tfdata.assertions import assertion
from autotuner.tfdata.derive import derive
from autotuner.tfdata.expressions import MAX_LITERAL_LEAVES, expression_of
from autotuner.tfdata.freeze import frozen
from autotuner.tfdata.function_modules import instance_address
from autotuner.tfdata.functions import describe

_AUTOTUNED = {"num_parallel_calls", "num_parallel_reads", "buffer_size", "cycle_length"}

DatasetReference = Callable[[tf.data.Dataset], Upstream]


class HiddenDatasetError(Exception):
    """An argument holds a dataset inside a structure that has no plain form."""


class Live:
    """Objects by key. Functions are kept frozen: rebuilt later, they mean what they meant when recorded."""

    def __init__(self) -> None:
        self._objects: dict[str, object] = {}
        self._made = 0

    def __getitem__(self, key: str) -> object:
        return self._objects[key]

    def keep(self, value: object) -> str:
        """Stores ``value`` and returns its key."""
        key = f"v{self._made}"
        self._made += 1
        self._objects[key] = value
        return key

    def retain(self, keys: AbstractSet[str]) -> None:
        """Lets go of everything else."""
        self._objects = {key: value for key, value in self._objects.items() if key in keys}

    def put(self, key: str, value: object) -> None:
        """Stores ``value`` under a key that ops already refer to."""
        self._objects[key] = value

    def encode_argument(self, name: str, value: object, reference: DatasetReference) -> Value:
        """The plain form of one argument of a tf.data call.

        Raises:
            HiddenDatasetError: a dataset would be lost from sight.
        """
        if name in _AUTOTUNED and isinstance(value, int) and value == tf.data.AUTOTUNE:
            return AUTOTUNE
        if isinstance(value, tf.data.Options):
            return encode_options(value)
        if name == "transformation_func" and (asserted := assertion(value)) is not None:
            return asserted
        return self._encode(value, reference)

    def encode_attribute(self, value: object) -> Value:
        """The plain form of what the user hung on their dataset."""
        try:
            return self._encode(value, _no_reference)
        except HiddenDatasetError:
            return self._capture(value)

    def decode_argument(self, name: str, value: Value, datasets: dict[str, tf.data.Dataset]) -> Any:
        """The live form of what :meth:`encode_argument` gave; upstream labels become ``datasets``."""
        if name in _AUTOTUNED and value == AUTOTUNE:
            return tf.data.AUTOTUNE
        if name == "options" and isinstance(value, dict):
            return decode_options(value)
        return self._decode(value, datasets)

    def _encode(self, value: object, reference: DatasetReference) -> Value:
        if isinstance(value, tf.data.Dataset):
            return reference(value)
        if isinstance(value, os.PathLike):
            return os.fspath(value)
        if value is None or type(value) in {bool, int, float, str, bytes}:
            return value  # type: ignore[return-value]
        holds_dataset = _holds_dataset(value)
        if type(value) in {list, tuple, dict} and (holds_dataset or _leaf_count(value) <= MAX_LITERAL_LEAVES):
            return self._encode_container(value, reference)
        if holds_dataset:
            raise HiddenDatasetError
        if callable(value) and not isinstance(value, tf.DType):
            return self._encode_function(value, reference)
        return self._capture(value)

    def _encode_container(self, value: Any, reference: DatasetReference) -> Value:
        if isinstance(value, dict):
            if all(isinstance(key, str) for key in value):
                return {key: self._encode(item, reference) for key, item in value.items()}
            if _holds_dataset(value):
                raise HiddenDatasetError
            return self._capture(value)
        return type(value)(self._encode(item, reference) for item in value)

    def _encode_function(self, value: Callable[..., Any], reference: DatasetReference) -> FnRef:
        key = self.keep(frozen(value))
        return describe(value, key, lambda item, _: self._encode_binding(item, reference))

    def _encode_binding(self, value: object, reference: DatasetReference) -> Value:
        # A dataset inside a closure cannot be written as code; its identity is all there is.
        return self._capture(value) if isinstance(value, tf.data.Dataset) else self._encode(value, reference)

    def _capture(self, value: object) -> Captured:
        expression, imports = expression_of(value) or (None, ())
        root = None
        if expression is None and (address := instance_address(value)) is not None:
            # Too large to be written out, but a module of the user's holds this very object under a name.
            name = address.qualname
            expression, imports, root = name, (f"from {address.module} import {name}",), address.import_root
        return Captured(self.keep(value), _summary(value), expression, imports, digest_of(value), root)

    def _decode(self, value: Value, datasets: dict[str, tf.data.Dataset]) -> Any:
        match value:
            case Upstream(label):
                return datasets[label]
            case FnRef() | Captured():
                return self._objects[value.key]
            case Derived(form, parts, numbers):
                return derive(form, numbers, tuple(self._decode(part, datasets) for part in parts))
            case tuple() | list():
                return type(value)(self._decode(item, datasets) for item in value)
            case dict():
                return {key: self._decode(item, datasets) for key, item in value.items()}
            case _:
                return value


def _no_reference(dataset: tf.data.Dataset) -> Upstream:
    raise HiddenDatasetError(dataset)


_ENUMS = {
    "auto_shard_policy": tf.data.experimental.AutoShardPolicy,
    "experimental_external_state_policy": tf.data.experimental.ExternalStatePolicy,
    "autotune_algorithm": tf.data.experimental.AutotuneAlgorithm,
}
"""Options that take an enum; these are kept by name."""


def encode_options(options: tf.data.Options) -> dict[str, Value]:
    """The options that were set, flattened: ``{"threading.private_threadpool_size": 16}``."""
    flat: dict[str, Value] = {}

    def walk(node: Any, prefix: str) -> None:
        for name, value in node._options.items():  # noqa: SLF001 - the only list of what was set
            if hasattr(value, "_options"):
                walk(value, f"{prefix}{name}.")
            elif value is not None:
                flat[prefix + name] = value.name if hasattr(value, "name") else value

    walk(options, "")
    return flat


def decode_options(flat: dict[str, Value]) -> tf.data.Options:
    """A ``tf.data.Options`` with the flattened names set."""
    options = tf.data.Options()
    for path, value in flat.items():
        *parents, name = path.split(".")
        node: Any = options
        for parent in parents:
            node = getattr(node, parent)
        setattr(node, name, getattr(_ENUMS[name], str(value)) if name in _ENUMS else value)
    return options


def _holds_dataset(value: object) -> bool:
    if isinstance(value, dict):
        return any(map(_holds_dataset, value.values()))
    if isinstance(value, list | tuple):
        return any(map(_holds_dataset, value))
    return isinstance(value, tf.data.Dataset)


def _leaf_count(value: object) -> int:
    if isinstance(value, dict):
        return sum(_leaf_count(item) for item in value.values())
    if type(value) in {list, tuple}:  # a named tuple is a value of its own, such as what tells of a feature
        return sum(map(_leaf_count, value))  # type: ignore[call-overload]
    return 1


def _summary(value: object) -> str:
    shape = getattr(value, "shape", None)
    if shape is not None:
        return f"{type(value).__name__} of shape {tuple(shape) if shape is not None else '?'}"
    if isinstance(value, list | tuple):
        return f"{type(value).__name__} of {len(value)} items"
    return type(value).__name__


def digest_of(value: object) -> str:
    """Equal for objects of equal contents, as far as their contents can be seen."""
    digest = hashlib.sha256(type(value).__name__.encode())
    if isinstance(value, np.ndarray | np.generic) or (isinstance(value, tf.Tensor) and hasattr(value, "numpy")):
        array = np.asarray(value)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(array.tobytes() if array.dtype.kind != "O" else repr(array.tolist()).encode())
    elif isinstance(value, list | tuple | dict):
        for item in value.items() if isinstance(value, dict) else value:
            digest.update(digest_of(item).encode())
    else:
        digest.update(re.sub(r"0x[0-9a-f]+", "", repr(value)).encode())
    return digest.hexdigest()[:16]
