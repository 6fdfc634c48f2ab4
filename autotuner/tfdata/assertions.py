"""Recognises ``tf.data.experimental.assert_cardinality``, which is no method of a dataset and hides in ``apply``."""

from __future__ import annotations

import numpy as np

from autotuner.pipeline import Derived
from autotuner.pipeline.cardinality import ASSERTION

_QUALNAME = f"{ASSERTION}.<locals>._apply_fn"


def assertion(function: object) -> Derived | None:
    """The plain form of what ``assert_cardinality`` gave; ``None`` for every other function."""
    module = getattr(function, "__module__", None) or ""
    if not module.startswith("tensorflow.") or getattr(function, "__qualname__", "") != _QUALNAME:
        return None
    held = [np.asarray(cell.cell_contents) for cell in getattr(function, "__closure__", None) or ()]
    counts = tuple(int(value) for value in held if value.ndim == 0 and value.dtype.kind in "iu")
    return Derived(ASSERTION, (), counts) if len(counts) == 1 else None
