"""A hash of what is trained: equal in every process for the same model, whatever its weights hold."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from typing import Any

import keras

from autotuner.pipeline import Captured, Value
from autotuner.tfdata.function_digest import digest_of, object_digest
from autotuner.tfdata.functions import describe

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


def model_fingerprint(model: keras.Model, model_fn: Callable[..., Any]) -> str:
    """Of the model's configuration, optimizer and loss, dtype policy, shapes of its weights, and the code that made it.

    The code counts because a configuration names a loss or a layer of the user's own, but does not hold it.
    """
    shapes = [(tuple(weight.shape), str(weight.dtype)) for weight in model.weights]
    how = (keras.backend.backend(), str(model.dtype_policy.name), _configuration(model), model.jit_compile)
    return digest_of(how, shapes, function_fingerprint(model_fn))


def function_fingerprint(function: Callable[..., Any]) -> str:
    """Of the code of ``function`` and of what it refers to; arrays and variables count by shape alone."""
    return describe(getattr(function, "python_function", function), "trained", _outlined).digest


def _outlined(value: object, key: str) -> Value:
    return Captured(key, type(value).__name__, digest=_outline(value))


def _outline(value: object) -> str:
    if isinstance(value, keras.Model | keras.Layer | keras.Optimizer | keras.Loss):
        return digest_of(_configuration(value))
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return digest_of(type(value).__name__, str(value.shape), str(value.dtype))
    return object_digest(value)


def _configuration(made: object) -> str:
    """What Keras would save of it; of a class that cannot be saved, its code."""
    try:
        saved = keras.saving.serialize_keras_object(made)
        return _ADDRESS.sub("", json.dumps(saved, sort_keys=True, default=repr))
    except Exception:  # noqa: BLE001 - get_config is the user's own
        return object_digest(made)
