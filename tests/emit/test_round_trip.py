"""Whatever the pipeline, its text makes the same calls, with the same values."""

from __future__ import annotations

import math
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from autotuner.pipeline import InputCardinality, Op, Pipeline, Upstream
from tests.emit.emitting import built, calls, chain, expected, op, source

LITERALS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.lists(inner, max_size=4).map(tuple)
        | st.dictionaries(st.text(), inner, max_size=4)
    ),
    max_leaves=12,
)


@given(LITERALS)
def test_every_literal_comes_back(value: Any) -> None:
    [made] = built(chain(op("from_tensors[0]", tensors=value))).args
    assert same(made, value)


def same(left: Any, right: Any) -> bool:
    if isinstance(left, float) and isinstance(right, float):
        return left == right or (math.isnan(left) and math.isnan(right))
    if isinstance(left, list | tuple):
        return type(left) is type(right) and len(left) == len(right) and all(map(same, left, right))
    if isinstance(left, dict):
        return list(left) == list(right) and all(map(same, left.values(), right.values()))
    return type(left) is type(right) and bool(left == right)


ARGUMENTS: dict[str, tuple[str, ...]] = {
    "batch": ("batch_size", "drop_remainder", "num_parallel_calls"),
    "shuffle": ("buffer_size", "seed", "reshuffle_each_iteration"),
    "prefetch": ("buffer_size",),
    "repeat": ("count",),
    "enumerate": ("start",),
    "group_by_window": ("window_size",),
}


@st.composite
def pipelines(draw: st.DrawFn) -> Pipeline:
    ops: list[Op] = [source()]
    for index in range(draw(st.integers(0, 8))):
        existing = st.sampled_from([item.label for item in ops])
        kind = draw(st.sampled_from([*ARGUMENTS, "range", "zip", "concatenate"]))
        label = f"{kind}[{index + 1}]"
        if kind == "range":
            ops.append(source(label, draw(st.integers())))
        elif kind == "zip":
            ops.append(Op(label, kind, None, (("args", (Upstream(draw(existing)), Upstream(draw(existing)))),)))
        elif kind == "concatenate":
            ops.append(op(label, draw(existing), dataset=Upstream(draw(existing))))
        else:
            names = draw(st.sets(st.sampled_from(ARGUMENTS[kind])))
            values = st.integers() | st.none() | st.just(InputCardinality())
            arguments = tuple((name, draw(values)) for name in sorted(names))
            ops.append(Op(label, kind, draw(existing), arguments))
    return Pipeline(tuple(ops))


@given(pipelines())
def test_the_emitted_text_makes_the_calls_of_the_pipeline(pipeline: Pipeline) -> None:
    assert calls(built(pipeline)) == expected(pipeline, pipeline.output)
