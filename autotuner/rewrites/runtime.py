"""Options of the tf.data runtime: its thread pool, its graph rewrites, its own tuning, its order guarantee."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline, Value
from autotuner.rewrites.base import Decision, Preserves, Site
from autotuner.rewrites.order import needs_order_of, options_of, reorder_refusal

TUNES_ITSELF = "options.autotune"
_OPTIONS: dict[str, tuple[str, tuple[DecisionValue, ...], Preserves]] = {
    "options.private_threadpool_size": ("threading.private_threadpool_size", (), Preserves.SEQUENCE),
    "options.map_fusion": ("experimental_optimization.map_fusion", (True, False), Preserves.SEQUENCE),
    "options.filter_fusion": ("experimental_optimization.filter_fusion", (True, False), Preserves.SEQUENCE),
    "options.filter_parallelization": (
        "experimental_optimization.filter_parallelization",
        (True, False),
        Preserves.SEQUENCE,
    ),
    TUNES_ITSELF: ("autotune.enabled", (True, False), Preserves.SEQUENCE),
    "options.deterministic": ("deterministic", (True, False), Preserves.MULTISET),
}
_LEAST_FILTERS = {"options.filter_fusion": 2, "options.filter_parallelization": 1}
"""Filters that a pipeline must have for the option to do anything."""
_OVERTAKING = {
    "map", "interleave", "batch", "TFRecordDataset", "TextLineDataset", "FixedLengthRecordDataset", "flat_map", "apply",
    "opaque",
}  # fmt: skip
_LABEL = "with_options[tuned]"


class Runtime:
    """``tf.data.Options`` that change how the same elements are made.

    Law: the sequence stays, except that ``deterministic=False`` keeps only the multiset.
    """

    name = "runtime"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """One decision for each option that can do something; the status quo is what the user's own options say."""
        del facts
        filters = sum(op.kind == "filter" for _, op in pipeline.walk())
        set_by_user: dict[str, object] = {}
        for op in pipeline.trunk():
            set_by_user |= options_of(op)
        for name, (option, choices, preserves) in _OPTIONS.items():
            if filters < _LEAST_FILTERS.get(name, 0):
                continue
            value = set_by_user.get(option)
            bound = _bound(pipeline) if preserves is Preserves.MULTISET else None
            if bound is not None:
                yield reorder_refusal(name, *bound)
                continue
            yield Decision(
                name=name,
                setting=name,
                status_quo=value if isinstance(value, bool | int) else None,
                preserves=preserves,
                choices=choices,
                autotune=False,
            )

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Adds one ``with_options`` at the end; TensorFlow merges it with the user's, ours last."""
        del facts
        options: dict[str, Value] = {_OPTIONS[name][0]: value for name, value in values.items() if value is not None}
        if not options:
            return pipeline
        decisions = ", ".join(name for name, value in values.items() if value is not None)
        op = Op(_LABEL, "with_options", None, (("options", options),), decision=decisions)
        return pipeline.insert_after(pipeline.output.label, op)


def _bound(pipeline: Pipeline) -> tuple[Op, Op] | None:
    """An op whose elements may overtake each other, and one behind it that keeps them by their place."""
    for path, op in pipeline.walk():
        if op.kind in _OVERTAKING and (bound := needs_order_of(pipeline, path)) is not None:
            return op, bound
    return None
