"""Random pipelines: as plain data for the laws of structure, as small programs for the laws of data."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from hypothesis import strategies as st

from autotuner.pipeline import (
    AUTOTUNE,
    INFINITE,
    UNKNOWN,
    AssertBatches,
    CallSite,
    Captured,
    Configuration,
    DecisionValue,
    Facts,
    FnRef,
    InputCardinality,
    Op,
    OpFacts,
    Pipeline,
    Upstream,
    Value,
)
from autotuner.rewrites import Decision

_NAMES = st.sampled_from(["decode", "augment", "normalize", "parse", "<lambda>"])
_KEYS = st.text(max_size=5)


def call_sites() -> st.SearchStrategy[CallSite]:
    line = st.integers(1, 999)
    return st.builds(CallSite, st.sampled_from(["/data/pipeline.py", "/data/ü.py"]), line, line, st.integers(0, 200))


def captured() -> st.SearchStrategy[Captured]:
    return st.builds(
        Captured,
        key=_KEYS,
        summary=st.text(max_size=10),
        expression=st.none() | st.just("np.array([1])"),
        imports=st.sampled_from([(), ("import numpy as np",)]),
        digest=st.text("0123456789abcdef", max_size=4),
    )


def fn_refs(values: st.SearchStrategy[Value]) -> st.SearchStrategy[FnRef]:
    return st.builds(
        FnRef,
        key=_KEYS,
        name=_NAMES,
        module=st.none() | st.just("pipeline"),
        importable=st.booleans(),
        line=st.none() | st.integers(1, 99),
        source=st.none() | st.just("lambda x: x"),
        bindings=st.dictionaries(_KEYS, values, max_size=2),
        digest=st.text("0123456789abcdef", max_size=4),
    )


def _nested(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return (
        st.lists(inner, max_size=3)
        | st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(_KEYS | st.just("$fn"), inner, max_size=3)
        | fn_refs(inner)
    )


def _asserted() -> st.SearchStrategy[AssertBatches]:
    return st.builds(AssertBatches, _NAMES, st.integers(1, 99), st.booleans())


_SCALARS: st.SearchStrategy[Any] = (
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.binary(max_size=5)
)


def values() -> st.SearchStrategy[Value]:
    """Argument values of every kind, except references to other ops."""
    return st.recursive(_SCALARS | captured() | st.just(InputCardinality()) | _asserted(), _nested, max_leaves=6)


_COUNT = st.sampled_from([1, 2, 4, 16])
_PARALLEL: st.SearchStrategy[Value] = st.none() | _COUNT | st.just(AUTOTUNE)
_SEED = st.none() | st.integers(0, 9)
_TRUNK = (
    "map", "map", "shuffle", "shuffle", "batch", "padded_batch", "unbatch", "filter", "interleave", "prefetch", "cache",
    "repeat", "take", "with_options", "concatenate", "skip", "shard",
)  # fmt: skip


def _arguments(draw: st.DrawFn, kind: str) -> dict[str, Value]:
    match kind:
        case "map":
            function = FnRef(f"v{draw(st.integers(0, 99))}", draw(_NAMES), digest=draw(st.sampled_from("abc")))
            return {"map_func": function, "num_parallel_calls": draw(_PARALLEL), "deterministic": draw(_MAYBE)}
        case "filter":
            return {"predicate": FnRef("v", "keep", digest="k")}
        case "interleave":
            function = FnRef("v", "read", digest="r")
            numbers = {"cycle_length": draw(_PARALLEL), "block_length": draw(st.none() | _COUNT)}
            return {"map_func": function, **numbers, "num_parallel_calls": draw(_PARALLEL)}
        case "shuffle":
            fixed = {"reshuffle_each_iteration": draw(_MAYBE)}
            return {"buffer_size": draw(_COUNT), "seed": draw(_SEED), **fixed}
        case "batch":
            return {"batch_size": draw(_COUNT), "drop_remainder": draw(_MAYBE), "num_parallel_calls": draw(_PARALLEL)}
        case "prefetch":
            return {"buffer_size": draw(_COUNT | st.just(AUTOTUNE))}
        case "cache":
            return {"filename": draw(st.sampled_from([None, "", "/data/cache"]))}
        case "repeat" | "take" | "skip" | "shard":
            count = draw(st.none() | _COUNT | st.sampled_from([0, -1]))
            return {"num_shards": draw(_COUNT), "index": 0} if kind == "shard" else {"count": count}
        case "with_options":
            return {"options": draw(st.sampled_from(_OPTION_SETS))}
        case _:
            return {}


_MAYBE = st.none() | st.booleans()
_OPTION_SETS: list[dict[str, Value]] = [{}, {"deterministic": False}, {"threading.private_threadpool_size": 4}]


class _Labels:
    def __init__(self) -> None:
        self.used: dict[str, int] = {}

    def next(self, kind: str) -> str:
        self.used[kind] = self.used.get(kind, -1) + 1
        return f"{kind}[{self.used[kind]}]"


def _op(draw: st.DrawFn, kind: str, labels: _Labels, receiver: str | None, *, inner: Pipeline | None = None) -> Op:
    given = {name: value for name, value in _arguments(draw, kind).items() if value is not None}
    return Op(labels.next(kind), kind, receiver, tuple(given.items()), draw(st.none() | call_sites()), inner)


def _source(draw: st.DrawFn, labels: _Labels) -> Op:
    kind = draw(st.sampled_from(["range", "list_files", "from_tensor_slices", "from_generator", "opaque", "readers"]))
    if kind == "readers":
        return Op(labels.next("TFRecordDataset"), "TFRecordDataset", None, (("filenames", ["a", "b"]),))
    seed = (("seed", draw(st.integers(0, 9))),) if kind == "list_files" and draw(st.booleans()) else ()
    return Op(labels.next(kind), kind, None, seed)


@st.composite
def _inner(draw: st.DrawFn) -> Pipeline | None:
    if draw(st.booleans()):
        return None
    labels = _Labels()
    ops = [Op(labels.next("TextLineDataset"), "TextLineDataset", None, (("filenames", Captured("f", "a file")),))]
    if draw(st.booleans()):
        ops.append(_op(draw, draw(st.sampled_from(["map", "shuffle", "take"])), labels, ops[-1].label))
    return Pipeline(tuple(ops))


@st.composite
def pipelines(draw: st.DrawFn, *, most: int = 8) -> Pipeline:
    """A trunk of any order, at times over a zip of two branches, with concatenations and diamonds."""
    labels = _Labels()
    ops = [_source(draw, labels)]
    if draw(st.integers(0, 3)) == 0:
        other = _source(draw, labels)
        both = (Upstream(ops[0].label), Upstream(other.label))
        ops += [other, Op(labels.next("zip"), "zip", None, (("datasets", both),))]
    for kind in draw(st.lists(st.sampled_from(_TRUNK), max_size=most)):
        last = ops[-1].label
        if kind == "concatenate":
            shared = draw(st.sampled_from([op.label for op in ops]))
            ops.append(Op(labels.next(kind), kind, last, (("dataset", Upstream(shared)),)))
        else:
            inner = draw(_inner()) if kind == "interleave" else None
            ops.append(_op(draw, kind, labels, last, inner=inner))
    return Pipeline(ops=tuple(ops))


def _facts_of(draw: st.DrawFn, op: Op, labels: list[str]) -> OpFacts:
    # Mostly harmless, or there would be hardly a place for a cache.
    blemish = draw(st.sampled_from(["", "", "", "", "", "random", "python", "stateful"])) if op.functions else ""
    batched = draw(st.sampled_from(["", "native", "vectorized_map"])) if op.kind == "map" else ""
    return OpFacts(
        vectorizes="" if blemish in {"python", "stateful"} else batched,
        jit_compiles=bool(batched) and not blemish and draw(st.booleans()),
        pinned=draw(st.sampled_from([False] * 9 + [True])),
        random=("RandomUniform",) if blemish == "random" else (),
        seeded=("RandomUniform",) if blemish == "random" and draw(st.booleans()) else (),
        fuses_with=draw(st.sampled_from(["", *labels])) if op.kind == "map" else "",
        unaffected_by=tuple(draw(st.lists(st.sampled_from(labels), max_size=3))) if op.kind == "filter" else (),
        python=("EagerPyFunc",) if blemish == "python" else (),
        stateful=("AssignVariableOp",) if blemish == "stateful" else (),
        pads_nothing=op.kind == "padded_batch" and draw(st.booleans()),
        cardinality=draw(st.sampled_from([100, 100, 100, UNKNOWN, INFINITE])),
        element_bytes=draw(st.none() | st.just(8.0)),
        elements_per_step=draw(st.none() | st.just(2.0)),
        opaque_reason="not seen" if op.kind == "opaque" else "",
    )


@st.composite
def analysed(draw: st.DrawFn, *, most: int = 8) -> tuple[Pipeline, Facts]:
    """A pipeline with facts that could be its own."""
    pipeline = draw(pipelines(most=most))
    return pipeline, Facts({op.label: _facts_of(draw, op, [one.label for one in pipeline.ops]) for op in pipeline.ops})


def values_of(decision: Decision) -> st.SearchStrategy[DecisionValue]:
    """What the decision may be set to."""
    if decision.choices:
        return st.sampled_from([decision.status_quo, *decision.choices])
    numbers: list[DecisionValue] = [decision.status_quo, *(n for n in (0, 1, 2, 3, 5, 8) if n >= decision.least)]
    return st.sampled_from([*numbers, AUTOTUNE] if decision.autotune else numbers)


def configurations(decisions: tuple[Decision, ...]) -> st.SearchStrategy[Configuration]:
    """Any subset of the decisions, in any order, each at any value."""
    every = {decision.name: values_of(decision) for decision in decisions}
    fixed = st.fixed_dictionaries({}, optional=every)
    return fixed.flatmap(lambda found: st.permutations(list(found.items()))).map(
        lambda items: Configuration(dict(items))
    )


@dataclass(frozen=True)
class Step:
    """One call of a program: the name in ``STEPS``, and its number."""

    name: str
    number: int = 0


Program = tuple[Step, ...]

SOURCES = ("range", "slices", "interleaved", "parallel_interleaved", "files")
ELEMENTWISE = ("triple", "shuffle_one", "repeat_once", "random_add", "map_parallel", "prefetch", "cache_")
REORDER = ("shuffle_seeded", "shuffle", "shuffle_fixed")
CHOOSING = ("take", "skip", "shard", "take_all", "filter_even", "repeat")


@st.composite
def programs(draw: st.DrawFn) -> Program:
    """A source, stages on single elements, a batch, stages on batches.

    What keeps elements by their place never follows a shuffle without a seed: there the user's own epochs differ.
    """
    steps = [Step(draw(st.sampled_from(SOURCES)), draw(st.integers(5, 12)))]
    free = False
    for _ in range(draw(st.integers(0, 4))):
        allowed = [*ELEMENTWISE, *REORDER, *(() if free else CHOOSING)]
        name = draw(st.sampled_from(allowed))
        free = free or name in {"shuffle", "shuffle_fixed"}
        steps.append(Step(name, draw(st.integers(1, 4))))
    if draw(st.booleans()):
        drop = not free and draw(st.booleans())
        steps.append(Step("batch_drop" if drop else "batch", draw(st.integers(1, 3))))
        steps += [
            Step(draw(st.sampled_from(["triple", "random_add", "prefetch"]))) for _ in range(draw(st.integers(0, 2)))
        ]
    return tuple(steps)


def orders_left_to_chance(program: Program) -> bool:
    """The user's own epochs come in an order that is drawn without a seed."""
    return any(step.name in {"shuffle", "shuffle_fixed"} for step in program)


def dataset_fn_of(program: Program, folder: str) -> Callable[[], Any]:
    """The function a user would have written; ``folder`` holds text files for ``files``."""
    from tests.programs import STEPS

    def dataset_fn() -> Any:
        dataset = None
        for step in program:
            dataset = STEPS[step.name](dataset, step.number, folder)
        return dataset

    return dataset_fn
