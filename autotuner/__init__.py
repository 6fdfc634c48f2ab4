"""Finds the tf.data pipeline that trains fastest on this machine, with the same data, and writes it as code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from autotuner.api import TuneResult, autotune, inspect_pipeline
    from autotuner.barriers import barrier
    from autotuner.determinism import deterministic
    from autotuner.measure.result import Interval, Verdict
    from autotuner.space import Preset

__version__ = "0.1.0"

_HOMES = {
    "TuneResult": "autotuner.api",
    "autotune": "autotuner.api",
    "inspect_pipeline": "autotuner.api",
    "Interval": "autotuner.measure.result",
    "Verdict": "autotuner.measure.result",
    "Preset": "autotuner.space",
    "barrier": "autotuner.barriers",
    "deterministic": "autotuner.determinism",
}

__all__ = [
    "Interval",
    "Preset",
    "TuneResult",
    "Verdict",
    "__version__",
    "autotune",
    "barrier",
    "deterministic",
    "inspect_pipeline",
]


def __getattr__(name: str) -> Any:  # noqa: ANN401 - public names are loaded when first used
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    import importlib

    return getattr(importlib.import_module(_HOMES[name]), name)
