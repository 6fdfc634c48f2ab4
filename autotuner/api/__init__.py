"""The Python interface."""

from autotuner.api.inspection import Inspection, inspect_pipeline
from autotuner.api.tune import autotune
from autotuner.api.tune_result import TuneResult

__all__ = ["Inspection", "TuneResult", "autotune", "inspect_pipeline"]
