from __future__ import annotations

import json
import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.errors import IllegalConfigurationError
from autotuner.pipeline import AUTOTUNE, Configuration, Derived, Facts, Op, OpFacts, Pipeline, Value
from autotuner.rewrites import REWRITES, Decision, Preserves, apply, effective, find_sites
from autotuner.rewrites.materialise import spelled_out
from autotuner.rewrites.neighbours import does_nothing
from autotuner.rewrites.order import needs_order_of, order_is_deterministic
from tests.strategies import analysed, configurations, values_of

Found = tuple[Pipeline, Facts]


@given(analysed())
def test_decisions_have_names_of_their_own_and_offer_the_status_quo(found: Found) -> None:
    decisions, refusals = find_sites(*found)
    names = [decision.name for decision in decisions]
    assert len(set(names)) == len(names)
    for decision in decisions:
        assert decision.allows(decision.status_quo)
        assert not decision.choices or decision.name.startswith("options.") or decision.status_quo in decision.choices
        assert decision.requires is None or decision.requires in names
        assert decision.requires is None or decision.yields_to is None
    # A place is refused under the name of the decision that offers the other places.
    assert all(refusal.name not in names or refusal.name.endswith((".after", ".before")) for refusal in refusals)


@given(analysed())
def test_the_status_quo_changes_nothing(found: Found) -> None:
    pipeline, facts = found
    decisions, _ = find_sites(pipeline, facts)
    status_quo = Configuration({decision.name: decision.status_quo for decision in decisions})
    assert apply(pipeline, facts, Configuration()) == pipeline
    assert apply(pipeline, facts, status_quo) == pipeline
    assert effective(status_quo, decisions) == Configuration()


@given(analysed(), st.data())
def test_every_offered_value_of_every_decision_applies(found: Found, data: st.DataObject) -> None:
    pipeline, facts = found
    for decision in find_sites(pipeline, facts)[0]:
        value = data.draw(values_of(decision))
        changed = apply(pipeline, facts, Configuration({decision.name: value}))
        assert Pipeline.from_json(json.loads(json.dumps(changed.to_json()))) == changed


@given(analysed(), st.data())
def test_any_configuration_applies_the_same_way_every_time(found: Found, data: st.DataObject) -> None:
    pipeline, facts = found
    decisions, _ = find_sites(pipeline, facts)
    configuration = data.draw(configurations(decisions))
    changed = apply(pipeline, facts, configuration)
    backwards = Configuration(dict(reversed(list(configuration.items()))))
    assert apply(pipeline, facts, backwards) == changed
    assert apply(pipeline, facts, effective(configuration, decisions)) == changed
    assert Pipeline.from_json(json.loads(json.dumps(changed.to_json()))) == changed
    assert all(op.decision for op in changed.ops if op.label not in pipeline)


@given(analysed(), st.data())
def test_interleaves_never_have_more_calls_than_open_inputs(found: Found, data: st.DataObject) -> None:
    pipeline, facts = found
    changed = apply(pipeline, facts, data.draw(configurations(find_sites(pipeline, facts)[0])))
    for path, op in changed.walk():
        if op.kind == "interleave" and op.arguments != pipeline.at(path).arguments:
            cycle, calls = op.argument("cycle_length"), op.argument("num_parallel_calls")
            assert not isinstance(calls, int) or (isinstance(cycle, int) and calls <= cycle)


@given(analysed(), st.data())
def test_what_the_user_wrote_stays_but_for_the_declared_arguments(found: Found, data: st.DataObject) -> None:
    pipeline, facts = found
    changed = apply(pipeline, facts, data.draw(configurations(find_sites(pipeline, facts)[0])))
    lost = {op.kind for op in pipeline.ops if op.label not in changed}
    assert lost <= {"cache", "prefetch", "map"} | {op.kind for op in pipeline.ops if does_nothing(op)}
    changed = spelled_out(changed)
    may_change = {"num_parallel_calls", "cycle_length", "block_length", "num_parallel_reads", "buffer_size"}
    for path, op in changed.walk():
        if path in dict(pipeline.walk()) and op.kind not in {"list_files", "prefetch", "concatenate", "zip"}:
            functions = {name for name, value in op.arguments if isinstance(value, Derived)}
            assert functions <= {"map_func", "predicate"}
            fixed = functions | may_change - ({"buffer_size"} if op.kind == "shuffle" else set())
            assert fixed_arguments(op, fixed) == fixed_arguments(pipeline.at(path), fixed)


def fixed_arguments(op: Op, free: set[str]) -> dict[str, Value]:
    given = {name: value for name, value in op.arguments if name not in free}
    return given if given.get("drop_remainder") else {k: v for k, v in given.items() if k != "drop_remainder"}


@given(analysed())
def test_no_order_is_changed_before_an_op_that_keeps_elements_by_place(found: Found) -> None:
    pipeline, facts = found
    for decision in find_sites(pipeline, facts)[0]:
        path, _, argument = decision.name.rpartition(".")
        if decision.preserves is Preserves.MULTISET and argument not in {"after", "deterministic"}:
            assert needs_order_of(pipeline, path) is None


@given(analysed())
def test_in_a_deterministic_order_no_cache_position_loses_the_sequence(found: Found) -> None:
    pipeline, facts = found
    if order_is_deterministic(pipeline):
        for decision in find_sites(pipeline, facts)[0]:
            assert decision.name != "cache.after" or decision.preserves is Preserves.SEQUENCE


def line(*ops: Op) -> tuple[Pipeline, Facts]:
    pipeline = Pipeline(ops)
    return pipeline, Facts({op.label: OpFacts(cardinality=100) for op in ops})


RANGE = Op("range[0]", "range")


@pytest.mark.parametrize(
    ("name", "value", "hint"),
    [
        ("map[f].num_parallel_calls", 0, "from 1 on"),
        ("map[f].num_parallel_calls", True, "from 1 on"),
        ("map[f].num_parallel_calls", "many", "AUTOTUNE"),
        ("map[f].num_parallel_calls", 2.0, "from 1 on"),
        ("prefetch[end].buffer_size", -1, "from 0 on"),
        ("options.private_threadpool_size", AUTOTUNE, "from 1 on"),
        ("options.map_fusion", 1, "True, False"),
        ("cache.after", "range[0]", "one of: None, map[f]"),
    ],
)
def test_a_value_that_is_not_offered_is_refused_with_what_is(name: str, value: int, hint: str) -> None:
    found = line(RANGE, Op("map[f]", "map", "range[0]"))
    with pytest.raises(IllegalConfigurationError, match="cannot be") as raised:
        apply(*found, Configuration({name: value}))
    assert hint in raised.value.hint


def test_a_decision_that_is_not_offered_is_refused_by_name() -> None:
    with pytest.raises(IllegalConfigurationError, match=r"does not offer map\[x\]"):
        apply(*line(RANGE), Configuration({"map[x].num_parallel_calls": 2}))


def chained(name: str, requires: str | None, status_quo: str | None = None) -> Decision:
    return Decision(name, "s", status_quo, Preserves.SEQUENCE, (None, "x"), requires)


@pytest.mark.parametrize(
    ("values", "kept"),
    [
        ({"c": "x"}, {}),
        ({"b": "x", "c": "x"}, {}),
        ({"a": "x", "c": "x"}, {"a": "x"}),
        ({"a": "x", "b": "x", "c": "x"}, {"a": "x", "b": "x", "c": "x"}),
        ({"lost": "x"}, {}),
        ({"unknown": "x"}, {}),
    ],
)
def test_what_requires_something_inactive_has_no_effect(values: dict[str, str], kept: dict[str, str]) -> None:
    decisions = [chained("a", None), chained("b", "a"), chained("c", "b"), chained("lost", "nobody")]
    assert effective(Configuration(values), decisions) == Configuration(kept)


@settings(max_examples=20)
@given(analysed())
def test_every_rewrite_has_a_word_of_its_own(found: Found) -> None:
    names = [rewrite.name for rewrite in REWRITES]
    assert len(set(names)) == len(names)
    by_rewrite = [{site.name for site in rewrite.sites(*found) if isinstance(site, Decision)} for rewrite in REWRITES]
    assert sum(map(len, by_rewrite)) == len(set().union(*by_rewrite))


@settings(max_examples=20)
@given(analysed())
def test_every_refusal_names_a_line_of_the_users_code(found: Found) -> None:
    for refusal in find_sites(*found)[1]:
        assert refusal.site is None or re.search(r"\.py:\d+", refusal.reason)
