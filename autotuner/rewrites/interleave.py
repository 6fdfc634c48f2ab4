"""How many inputs are read in turn, and how many elements of each at a time."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Site
from autotuner.rewrites.cycle import fitting
from autotuner.rewrites.order import needs_order_of, reorder_refusal

_ARGUMENTS = ("cycle_length", "block_length")
_READERS = ("TFRecordDataset", "TextLineDataset", "FixedLengthRecordDataset")


class Interleave:
    """``cycle_length`` and ``block_length`` of interleave, ``num_parallel_reads`` of readers of several files.

    Law: every input is still read once and whole, so the multiset stays; the order does not.
    """

    name = "interleave"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """Decisions for each interleave and each reader that is given more than one file."""
        del facts
        for path, op in pipeline.walk():
            arguments: tuple[str, ...] = ()
            if op.kind == "interleave":
                arguments = _ARGUMENTS
            elif op.kind in _READERS and _reads_several(op, nested="/" in path):
                arguments = ("num_parallel_reads",)
            bound = needs_order_of(pipeline, path) if arguments else None
            for argument in arguments:
                if bound is not None:
                    yield reorder_refusal(f"{path}.{argument}", op, bound)
                else:
                    yield _decision(path, op, argument)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Sets the arguments; see :func:`autotuner.rewrites.cycle.fitting` for what is repaired."""
        del facts
        for name, value in values.items():
            path, _, argument = name.rpartition(".")

            def change(op: Op, argument: str = argument, value: DecisionValue = value) -> Op:
                return fitting(op.without_argument(argument) if value is None else op.with_argument(argument, value))

            pipeline = pipeline.replace_at(path, change)
        return pipeline


def _decision(path: str, op: Op, argument: str) -> Decision:
    value = op.argument(argument)
    return Decision(
        name=f"{path}.{argument}",
        setting=f"{'interleave' if op.kind == 'interleave' else 'reader'}.{argument}",
        status_quo=value if isinstance(value, int | str) else None,
        preserves=Preserves.MULTISET,
        site=op.call_site,
        autotune=argument != "block_length",
    )


def _reads_several(op: Op, *, nested: bool) -> bool:
    # Inside a function the reader is given one file as a rule, and a scalar cannot be told from a list there.
    return not nested and not isinstance(op.argument("filenames"), str | bytes)
