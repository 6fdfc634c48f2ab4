from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from mlflow.entities import Param
from mlflow.utils.validation import MAX_ENTITY_KEY_LENGTH, MAX_PARAM_VAL_LENGTH, _validate_param

from autotuner.track.names import MAX_NAME_LENGTH, MAX_PARAMETER_LENGTH, flat_parameters, mlflow_name, parameter_value

identifiers = st.from_regex(r"[a-z_][a-z0-9_]{0,8}", fullmatch=True)
labels = st.builds(
    lambda kind, inner, number: f"{kind}[{inner}{number}]",
    identifiers,
    identifiers | st.integers(0, 30).map(str) | st.sampled_from(["end", "<lambda>", "Model.call", "a-b"]),
    st.just("") | st.integers(2, 9).map("#{}".format),
)
nested = st.lists(labels, min_size=1, max_size=3).map("/".join)
realistic = st.builds(
    "{}.{}".format, nested | st.sampled_from(["options", "cache", "shuffle"]), identifiers
) | st.builds("{}.{}.{}".format, nested, identifiers, identifiers)
# Few characters, so that unlike names often come close to each other.
awkward = st.text("ab1[]#:/.-2de ", max_size=9)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("map[decode#2].num_parallel_calls", "map:decode:2.num_parallel_calls"),
        ("map[decode].num_parallel_calls", "map:decode.num_parallel_calls"),
        ("prefetch[end].buffer_size", "prefetch:end.buffer_size"),
        ("interleave[0]/map[decode#2].vectorize", "interleave:0/map:decode:2.vectorize"),
        ("cache.after", "cache.after"),
        ("options.private_threadpool_size", "options.private_threadpool_size"),
        ("map[<lambda>].vectorize", "map:-3c-lambda-3e-.vectorize"),
    ],
)
def test_names_as_documented(name: str, expected: str) -> None:
    assert mlflow_name(name) == expected


@given(st.lists(realistic, unique=True, max_size=30))
def test_no_two_decisions_share_a_name(names: list[str]) -> None:
    assert len({mlflow_name(name) for name in names}) == len(names)


@given(awkward, awkward)
@example("a[b#2].c", "a[b:2].c")
@example("a[b].c", "a[b.c]")
@example("a[b]/.c", "a[b/].c")
@example("a<b", "a-3c-b")
def test_no_two_strings_share_a_name(one: str, other: str) -> None:
    assert (mlflow_name(one) == mlflow_name(other)) == (one == other)


@given(realistic | awkward | st.text())
@example("")
@example(".")
@example("../x")
@example("a\n")
def test_mlflow_accepts_every_name(name: str) -> None:
    accepted = _validate_param(mlflow_name(name), "1")  # type: ignore[no-untyped-call]
    assert isinstance(accepted, Param)


def test_a_long_name_is_cut_but_stays_its_own() -> None:
    names = [f"map[{'long_' * 80}{place}].vectorize" for place in range(3)]
    assert MAX_NAME_LENGTH == MAX_ENTITY_KEY_LENGTH
    assert len({mlflow_name(name) for name in names}) == 3
    assert all(len(mlflow_name(name)) == MAX_ENTITY_KEY_LENGTH for name in names)


def test_values_are_text_that_mlflow_takes() -> None:
    assert [parameter_value(value) for value in (None, True, False, 4, 0.5, "map[decode]")] == [
        "none",
        "true",
        "false",
        "4",
        "0.5",
        "map[decode]",
    ]
    assert MAX_PARAMETER_LENGTH <= MAX_PARAM_VAL_LENGTH
    assert len(parameter_value("x" * 10_000)) == MAX_PARAMETER_LENGTH


def test_nested_facts_become_json() -> None:
    assert flat_parameters({"gpu": {"name": "H"}, "cores": 2}, "machine.") == {
        "machine.gpu": '{"name": "H"}',
        "machine.cores": "2",
    }
