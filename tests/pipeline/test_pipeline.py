from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.pipeline import (
    AUTOTUNE,
    Captured,
    Configuration,
    Facts,
    FnRef,
    Op,
    Pipeline,
    Upstream,
    Value,
    from_json,
    leaves,
    to_json,
)
from autotuner.pipeline.structure import structure
from tests.strategies import analysed, pipelines, values


def same(left: Any, right: Any) -> bool:
    """Equal in value and type, NaN to NaN."""
    if type(left) is not type(right):
        return False
    match left:
        case float():
            alike = left == right and math.copysign(1, left) == math.copysign(1, right)
            return alike or (math.isnan(left) and math.isnan(right))
        case tuple() | list():
            return len(left) == len(right) and all(map(same, left, right))
        case dict():
            return list(left) == list(right) and all(map(same, left.values(), right.values()))
        case FnRef():
            return same(dict(left.bindings), dict(right.bindings)) and same(
                {**vars(left), "bindings": None}, {**vars(right), "bindings": None}
            )
        case _:
            return bool(left == right)


def through_json(data: Any) -> Any:
    return json.loads(json.dumps(data))


@given(values())
def test_a_value_survives_json_exactly(value: Value) -> None:
    assert same(from_json(through_json(to_json(value))), value)


@given(pipelines())
def test_a_pipeline_survives_json(pipeline: Pipeline) -> None:
    again = Pipeline.from_json(through_json(pipeline.to_json()))
    assert again == pipeline
    assert again.signature() == pipeline.signature()


@given(analysed())
def test_facts_survive_json(found: tuple[Pipeline, Facts]) -> None:
    _, facts = found
    assert Facts.from_json(through_json(facts.to_json())) == facts


@given(pipelines(), st.data())
def test_what_is_inserted_is_read_and_removing_it_gives_the_pipeline_back(
    pipeline: Pipeline, data: st.DataObject
) -> None:
    label = data.draw(st.sampled_from([op.label for op in pipeline.ops]))
    grown = pipeline.insert_after(label, Op("new", "prefetch", None, (("buffer_size", 1),)))
    assert grown["new"].receiver == label
    assert {op.label for op in grown.consumers(label)} == {"new"}
    assert [op.label for op in grown.consumers("new")] == [op.label for op in pipeline.consumers(label)]
    assert (grown.output.label == "new") == (pipeline.output.label == label)
    assert grown.remove("new") == pipeline


@given(pipelines())
def test_the_trunk_leads_from_an_op_without_receiver_to_the_output(pipeline: Pipeline) -> None:
    trunk = pipeline.trunk()
    assert trunk[0].receiver is None
    assert trunk[-1] == pipeline.output
    assert [op.receiver for op in trunk[1:]] == [op.label for op in trunk[:-1]]


@given(pipelines())
def test_upstream_is_closed_and_ends_with_the_op(pipeline: Pipeline) -> None:
    for op in pipeline.ops:
        above = pipeline.upstream(op.label)
        labels = {item.label for item in above}
        assert above[-1] == op
        assert all(labels.issuperset(item.inputs) for item in above)
    assert pipeline.upstream(pipeline.output.label) == pipeline.ops


@given(pipelines())
def test_every_path_of_walk_can_be_read_and_replaced(pipeline: Pipeline) -> None:
    paths = [path for path, _ in pipeline.walk()]
    assert len(set(paths)) == len(paths)
    for path, op in pipeline.walk():
        assert pipeline.at(path) == op
        changed = pipeline.replace_at(path, lambda op: op.with_argument("marked", value=True))
        assert changed.at(path).argument("marked") is True
        assert changed.replace_at(path, lambda op: op.without_argument("marked")) == pipeline


@given(pipelines())
def test_the_signature_ignores_where_code_stands(pipeline: Pipeline) -> None:
    moved = Pipeline(tuple(replace(op, call_site=None) for op in pipeline.ops))
    assert moved.signature() == pipeline.signature()


@pytest.mark.parametrize(
    ("left", "right"),
    [
        ((1, 2), [1, 2]),  # two components, or one vector
        (1, True),
        (1, 1.0),
        (b"a", "a"),
        (float("nan"), None),
        (FnRef("v", "f", digest="a"), FnRef("v", "f", digest="b")),
        (Captured("a", "an array of which no digest is known"), Captured("b", "another one")),
        (Upstream("a[0]"), "a[0]"),
        ({"a": 1}, {"b": 1}),
    ],
)
def test_the_signature_tells_arguments_apart(left: Value, right: Value) -> None:
    def signature(value: Value) -> str:
        return Pipeline((Op("a[0]", "a"), Op("b[0]", "b", "a[0]", (("x", value),)))).signature()

    assert signature(left) != signature(right)


def test_the_signature_knows_a_function_by_its_code_and_not_by_its_place() -> None:
    def signature(function: FnRef) -> str:
        return Pipeline((Op("map[0]", "map", None, (("map_func", function),)),)).signature()

    assert signature(FnRef("v1", "f", file="/a.py", digest="d")) == signature(
        FnRef("v2", "f", file="/b.py", digest="d")
    )


@pytest.mark.parametrize(
    ("ops", "message"),
    [
        ((), "at least one op"),
        ((Op("a", "map", "b"),), "reads b"),
        ((Op("a", "zip", None, (("datasets", (Upstream("b"),)),)),), "reads b"),
        ((Op("a", "map", "b"), Op("b", "range")), "reads b"),
        ((Op("a", "range"), Op("a", "range")), "labelled a"),
    ],
)
def test_a_wrong_pipeline_cannot_be_built(ops: tuple[Op, ...], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        Pipeline(ops)


def test_edits_of_what_is_not_there_fail() -> None:
    pipeline = Pipeline((Op("a", "range"), Op("b", "map", "a")))
    for edit in (pipeline.remove, lambda label: pipeline.insert_after(label, Op("n", "cache"))):
        with pytest.raises(KeyError):
            edit("nobody")
    with pytest.raises(KeyError):
        pipeline.replace_op("nobody", lambda op: op)
    with pytest.raises(KeyError):
        pipeline.replace_at("b/inside", lambda op: op)
    with pytest.raises(ValueError, match="0 inputs"):
        pipeline.remove("a")
    with pytest.raises(ValueError, match="lose its label"):
        pipeline.replace_op("b", lambda op: replace(op, label="c"))


def test_references_deep_inside_arguments_are_redirected() -> None:
    deep: Value = {"of": [(Upstream("a"), 1)]}
    pipeline = Pipeline((Op("a", "range"), Op("z", "zip", None, (("datasets", deep),))))
    grown = pipeline.insert_after("a", Op("p", "prefetch"))
    assert [leaf for leaf in leaves(grown["z"].argument("datasets")) if isinstance(leaf, Upstream)] == [Upstream("p")]


SPEED = ("num_parallel_calls", "cycle_length", "block_length", "deterministic")


@given(pipelines(), st.data())
def test_structure_ignores_speed(pipeline: Pipeline, data: st.DataObject) -> None:
    path, op = data.draw(st.sampled_from(list(pipeline.walk())))
    if op.kind in {"map", "interleave", "batch"}:
        name = data.draw(st.sampled_from(SPEED))
        faster = pipeline.replace_at(path, lambda op: op.with_argument(name, AUTOTUNE))
        assert structure(faster) == structure(pipeline)
    label = data.draw(st.sampled_from([op.label for op in pipeline.ops]))
    assert structure(pipeline.insert_after(label, Op("new", "prefetch"))) == structure(pipeline)


@given(pipelines(), st.data())
def test_structure_sees_what_decides_the_data(pipeline: Pipeline, data: st.DataObject) -> None:
    label = data.draw(st.sampled_from([op.label for op in pipeline.ops]))
    assert structure(pipeline.insert_after(label, Op("new", "cache"))) != structure(pipeline)
    changed = pipeline.replace_op(pipeline.ops[0].label, lambda op: op.with_argument("seed", 77))
    assert structure(changed) != structure(pipeline)


DECISIONS = st.dictionaries(
    st.sampled_from("abc"), st.none() | st.booleans() | st.integers(0, 2) | st.text(max_size=2), max_size=3
)


@given(DECISIONS, DECISIONS)
def test_equal_configurations_have_equal_hashes_and_digests(left: dict[str, Any], right: dict[str, Any]) -> None:
    one, other = Configuration(left), Configuration(right)
    assert (one == other) == (one.digest() == other.digest())
    if one == other:
        assert hash(one) == hash(other)
    assert Configuration(dict(reversed(left.items()))) == one
    assert hash(Configuration(dict(reversed(left.items())))) == hash(one)


def test_a_configuration_is_changed_by_copying() -> None:
    given_values: dict[str, Any] = {"a": 1}
    configuration = Configuration(given_values)
    given_values["a"] = 2
    assert configuration.with_value("b", 3) == Configuration({"a": 1, "b": 3})
    assert configuration.without("a") == Configuration() == configuration.without("a").without("a")
    assert configuration == Configuration({"a": 1})
    assert configuration != Configuration({"a": True})
