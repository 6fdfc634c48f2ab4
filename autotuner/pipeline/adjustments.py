"""Adjustments of ``tf.image`` that ``tf.vectorized_map`` cannot batch, and their exchange in a source."""

from __future__ import annotations

import re

ADJUSTMENTS = ("random_contrast", "random_saturation")
"""``tf.vectorized_map`` takes their factor for one of the whole batch and refuses one of each row."""
_CALL = re.compile(rf"\b\w+\.image\.({'|'.join(ADJUSTMENTS)})(?=\()")


def adjustments_in(source: str | None) -> frozenset[str]:
    """Which of :data:`ADJUSTMENTS` a function's own source calls."""
    return frozenset(_CALL.findall(source or ""))


def with_own_adjustments(source: str) -> str:
    """``source`` with plain functions of the same names called instead of those of ``tf.image``."""
    return _CALL.sub(r"\1", source)
