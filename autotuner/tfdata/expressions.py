"""Code that makes an object equal to one that a pipeline was recorded with."""

from __future__ import annotations

import inspect
import json
import math
from typing import Any

import numpy as np
import tensorflow as tf

MAX_LITERAL_LEAVES = 64
"""What has more parts than this is not written out."""


def expression_of(value: object) -> tuple[str, tuple[str, ...]] | None:
    """Code that makes an equal object, with its imports; ``None`` where there is none, or it would be long."""
    tensorflow = ("import tensorflow as tf",)
    numpy = ("import numpy as np",)
    match value:
        case tf.DType():
            return f"tf.{value.name}", tensorflow
        case tf.TensorShape():
            return f"tf.TensorShape({value.as_list() if value.rank is not None else None})", tensorflow
        case tf.TensorSpec():
            shape = value.shape.as_list() if value.shape.rank is not None else None
            return f"tf.TensorSpec(shape={shape}, dtype=tf.{value.dtype.name})", tensorflow
        case tf.io.FixedLenFeature() | tf.io.FixedLenSequenceFeature() | tf.io.VarLenFeature() | tf.io.SparseFeature():
            return _feature(value)
        case np.ndarray() if value.size <= MAX_LITERAL_LEAVES and value.dtype.kind in "biuf":
            return f"np.array({value.tolist()!r}, dtype=np.{value.dtype.name})", numpy
        case np.generic() if value.dtype.kind in "biuf":
            return f"np.{value.dtype.name}({value.item()!r})", numpy
        case tf.Tensor() if hasattr(value, "numpy") and _small_dense(value):
            return f"tf.constant({value.numpy().tolist()!r}, dtype=tf.{value.dtype.name})", tensorflow
        case _:
            return None


def _feature(value: Any) -> tuple[str, tuple[str, ...]] | None:
    """What ``tf.io.parse_example`` is told of one feature, as it would be written by hand."""
    given, imports = list[str](), ["import tensorflow as tf"]
    for parameter in inspect.signature(type(value)).parameters.values():
        item = getattr(value, parameter.name)
        if item is parameter.default:
            continue
        text, needed = expression_of(item) or (_plain_text(item), ())
        if text is None:
            return None
        given.append(text if parameter.default is parameter.empty else f"{parameter.name}={text}")
        imports += needed
    return f"tf.io.{type(value).__name__}({', '.join(given)})", tuple(dict.fromkeys(imports))


def _plain_text(value: object) -> str | None:
    """A literal; ``None`` where there is none."""
    if type(value) in {list, tuple}:
        texts = [_plain_text(item) for item in value]  # type: ignore[attr-defined]
        opening, closing = "[]" if isinstance(value, list) else ("(", ",)" if len(texts) == 1 else ")")
        return None if None in texts else f"{opening}{', '.join(map(str, texts))}{closing}"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    exact = type(value) in {bool, int, bytes} or (isinstance(value, float) and math.isfinite(value))
    return repr(value) if exact else None


def _small_dense(tensor: tf.Tensor) -> bool:
    plain = tensor.dtype.is_floating or tensor.dtype.is_integer or tensor.dtype in {tf.bool, tf.string}
    return plain and tensor.shape.num_elements() <= MAX_LITERAL_LEAVES
