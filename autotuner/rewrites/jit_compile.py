"""Maps under XLA."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autotuner.pipeline import DecisionValue, Derived, Facts, FnRef, Pipeline
from autotuner.rewrites.base import Site, switch

_SUFFIX = ".jit_compile"


class JitCompile:
    """Runs a map under ``tf.function(jit_compile=True)``; only a measurement tells whether it pays.

    Law: the sequence stays, up to rounding. Offered where the compiled function was found to give the same values.
    """

    name = "jit_compile"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``map[f].jit_compile`` where it compiles; most functions on strings or files do not."""
        for op in pipeline.trunk():
            if op.kind == "map" and facts[op.label].jit_compiles and not facts[op.label].pinned:
                yield switch(op.label + _SUFFIX, "map.jit_compile", op)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Wraps the function in the form it has by now."""
        del facts
        for name in values:
            label = name.removesuffix(_SUFFIX)
            function = pipeline[label].argument("map_func")
            if isinstance(function, FnRef | Derived):
                compiled = Derived("jit_compile", (function,))
                pipeline = pipeline.replace_op(label, lambda op, made=compiled: op.with_argument("map_func", made))  # type: ignore[misc]
        return pipeline
