"""Lines that a patch made too long are broken as their author breaks theirs; nothing else is touched."""

from __future__ import annotations

import ast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.emit.line_breaks import with_short_lines
from autotuner.emit.source_text import SourceText

WIDTH = 60
CHAIN = "return tf.data.Dataset.range(n).map(decode, num_parallel_calls=2).batch(4).prefetch(2)"


def broken(body: str, rest: str = "", indent: str = "    ") -> str:
    before = f"def dataset_fn(n, ds):\n{indent}pass\n{rest}"
    after = f"def dataset_fn(n, ds):\n{indent}{body}\n{rest}"
    made = with_short_lines(SourceText("data.py", before.encode()), after.encode(), WIDTH).decode()
    assert ast.dump(ast.parse(made)) == ast.dump(ast.parse(after))
    return made.removesuffix(rest).partition("\n")[2]


def test_a_chain_gets_a_call_a_line() -> None:
    assert broken(CHAIN).splitlines() == [
        "    return (",
        "        tf.data.Dataset.range(n)",
        "        .map(decode, num_parallel_calls=2)",
        "        .batch(4)",
        "        .prefetch(2)",
        "    )",
    ]


def test_tabs_and_a_comment_stay() -> None:
    assert broken("ds = ds.map(lambda x: x * 2, deterministic=False, num_parallel_calls=2)  # ä", indent="\t") == (
        "\tds = ds.map(\n\t\tlambda x: x * 2, deterministic=False, num_parallel_calls=2\n\t)  # ä\n"
    )


def test_arguments_that_fit_no_line_get_one_each() -> None:
    body = "ds = ds.interleave(tf.data.TFRecordDataset, cycle_length=16, num_parallel_calls=16)"
    assert broken(body).splitlines() == [
        "    ds = ds.interleave(",
        "        tf.data.TFRecordDataset,",
        "        cycle_length=16,",
        "        num_parallel_calls=16,",
        "    )",
    ]


def test_arguments_stand_behind_the_bracket_where_the_file_does_so() -> None:
    rest = "\n\ndef other(x):\n    return run(x,\n               twice=True)\n"
    assert broken("ds = ds.map(lambda x: x * 2, deterministic=False, num_parallel_calls=2)", rest).splitlines() == [
        "    ds = ds.map(lambda x: x * 2,",
        "                deterministic=False,",
        "                num_parallel_calls=2)",
    ]


@pytest.mark.parametrize("body", [f"name = {'x' * 80!r}", f"# {'x' * 80}\n    pass", "ds = ds.map(decode)"])
def test_what_has_no_place_to_break_stays(body: str) -> None:
    assert broken(body) == f"    {body}\n"


def test_long_lines_of_the_users_own_stay() -> None:
    text = f"def dataset_fn(n):\n    {CHAIN}\n"
    assert with_short_lines(SourceText("data.py", text.encode()), text.encode(), WIDTH) == text.encode()


CALLS = st.sampled_from(
    [".map(f, num_parallel_calls=2)", ".batch(4)", ".cache()", ".apply(lambda d: d.take(3).skip(1))", ".map(g(1, (2)))"]
)


@given(st.lists(CALLS, max_size=6), st.sampled_from(["return ds", "ds = ds", "x: int = ds", "return (ds", "ds"]))
def test_it_means_the_same_and_gets_no_longer(calls: list[str], head: str) -> None:
    closing = ")" if "(" in head else ""
    body = head + "".join(calls) + closing
    made = broken(body).splitlines()
    assert all(len(line) <= max(WIDTH, 4 + max(map(len, (head, *calls))) + 4) for line in made)
