"""How many elements a stage works on at the same time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autotuner.pipeline import DecisionValue, Facts, Op, OpFacts, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Refusal, Site
from autotuner.rewrites.cycle import fitting
from autotuner.rewrites.order import needs_order_of, place, reorder_refusal

_KINDS = ("map", "interleave", "batch")


class Parallelism:
    """``num_parallel_calls`` of map, interleave and batch, also inside functions given to ``interleave``.

    Law: with deterministic order the sequence stays, and draws from a seed stay with their elements; an
    ``interleave`` without an explicit ``cycle_length`` may resolve it differently when parallel, so there only the
    multiset stays.
    """

    name = "parallelism"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """One decision for each stage that takes ``num_parallel_calls``."""
        for path, op in pipeline.walk():
            if op.kind not in _KINDS:
                continue
            name = f"{path}.num_parallel_calls"
            known = facts[path.partition("/")[0]]
            if reason := _chance(op, known):
                yield Refusal(name, ", ".join(filter(None, (reason, place(op)))), op.call_site)
                continue
            preserves = _preserves(op)
            bound = needs_order_of(pipeline, path) if preserves is Preserves.MULTISET else None
            if bound is not None:
                yield reorder_refusal(name, op, bound)
                continue
            value = op.argument("num_parallel_calls")
            yield Decision(
                name=name,
                setting=f"{op.kind}.num_parallel_calls",
                status_quo=value if isinstance(value, int | str) else None,
                preserves=preserves,
                site=op.call_site,
                optional=True,
            )

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Sets the argument; see :func:`autotuner.rewrites.cycle.fitting` for what is repaired."""
        del facts
        for name, value in values.items():
            path = name.removesuffix(".num_parallel_calls")
            pipeline = pipeline.replace_at(path, lambda op, value=value: _with_calls(op, value))  # type: ignore[misc]
        return pipeline


def _chance(op: Op, known: OpFacts) -> str:
    """What several calls at the same time would leave to chance and one after the other does not."""
    if known.stateful:
        return f"{op.label} has side effects ({', '.join(known.stateful)}) whose order would change"
    if known.seeded and not _parallel(op):
        return f"{op.label} draws from a seed ({', '.join(known.seeded)}), and which element gets which draw would vary"
    return ""


def _parallel(op: Op) -> bool:
    """The user lets several calls run at the same time already."""
    return op.argument("num_parallel_calls") not in {None, 0, 1}


def _preserves(op: Op) -> Preserves:
    if op.kind == "interleave" and not isinstance(op.argument("cycle_length"), int):
        return Preserves.MULTISET
    return Preserves.SEQUENCE


def _with_calls(op: Op, value: DecisionValue) -> Op:
    if value is None:
        return op.without_argument("num_parallel_calls")
    return fitting(op.with_argument("num_parallel_calls", value))
