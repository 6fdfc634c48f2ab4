"""The recorded pipeline and its configurations: plain data, no TensorFlow, no Optuna."""

from autotuner.pipeline.configuration import Configuration, DecisionValue
from autotuner.pipeline.facts import INFINITE, UNKNOWN, Facts, OpFacts
from autotuner.pipeline.pipeline import OPAQUE, Op, Pipeline
from autotuner.pipeline.values import (
    AUTOTUNE,
    MAX_ELEMENTS,
    AssertBatches,
    CallSite,
    Captured,
    Derived,
    FnRef,
    InputCardinality,
    Upstream,
    Value,
    from_json,
    leaves,
    to_json,
)

__all__ = [
    "AUTOTUNE",
    "INFINITE",
    "MAX_ELEMENTS",
    "OPAQUE",
    "UNKNOWN",
    "AssertBatches",
    "CallSite",
    "Captured",
    "Configuration",
    "DecisionValue",
    "Derived",
    "Facts",
    "FnRef",
    "InputCardinality",
    "Op",
    "OpFacts",
    "Pipeline",
    "Upstream",
    "Value",
    "from_json",
    "leaves",
    "to_json",
]
