"""Where elements are made ahead of their use, and how many."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from autotuner.pipeline import DecisionValue, Facts, Op, Pipeline
from autotuner.rewrites.base import Decision, Preserves, Site

_HEAVY = {"map", "interleave", "flat_map", "TFRecordDataset", "TextLineDataset", "from_generator", "batch"}
_SUFFIX = ".buffer_size"
END = "prefetch[end]"


class Prefetch:
    """The final prefetch, the user's own ones, and extra ones after the source and after stages that work.

    Law: the sequence stays. A buffer of 0 means no prefetch there.
    """

    name = "prefetch"

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """``prefetch[end]``, each recorded prefetch by its label, and ``prefetch[LABEL]`` after stage LABEL."""
        del facts
        last = _end(pipeline)
        trunk = pipeline.trunk()
        for op, reader in zip(trunk, (*trunk[1:], None), strict=True):
            if op.kind == "prefetch":
                name = END if op is last else op.label
                yield _decision(name, "prefetch.end" if op is last else "prefetch.inner", op)
            elif op is not last and op.kind in _HEAVY and (reader is None or reader.kind != "prefetch"):
                yield _decision(f"prefetch[{op.label}]", "prefetch.inner", None)
        if last.kind != "prefetch":
            yield _decision(END, "prefetch.end", None)

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """Sets, inserts or removes the prefetches."""
        del facts
        for name, value in values.items():
            target = name.removesuffix(_SUFFIX)
            if target == END:
                pipeline = _at_end(pipeline, value, name)
            elif target in pipeline:
                pipeline = _resized(pipeline, target, value)
            elif value != 0:
                label = target.removeprefix("prefetch[").removesuffix("]")
                pipeline = pipeline.insert_after(label, _made(target, value, name))
        return pipeline


def _decision(target: str, setting: str, op: Op | None) -> Decision:
    value = op.argument("buffer_size") if op else 0
    return Decision(
        name=target + _SUFFIX,
        setting=f"{setting}.buffer_size",
        status_quo=value if isinstance(value, int | str) else None,
        preserves=Preserves.SEQUENCE,
        site=op.call_site if op else None,
        least=0,
    )


def _end(pipeline: Pipeline) -> Op:
    """The last op that is more than options."""
    return next(op for op in reversed(pipeline.trunk()) if op.kind != "with_options" or op.receiver is None)


def _made(label: str, value: DecisionValue, decision: str) -> Op:
    return Op(label, "prefetch", None, (("buffer_size", value),), decision=decision)


def _resized(pipeline: Pipeline, label: str, value: DecisionValue) -> Pipeline:
    if value == 0:
        return pipeline.remove(label)
    return pipeline.replace_op(label, lambda op: op.with_argument("buffer_size", value))


def _at_end(pipeline: Pipeline, value: DecisionValue, name: str) -> Pipeline:
    last = _end(pipeline)
    if last.kind == "prefetch":
        return _resized(pipeline, last.label, value)
    return pipeline if value == 0 else pipeline.insert_after(last.label, _made(END, value, name))
