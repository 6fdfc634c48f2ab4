"""Arguments changed inside functions that build datasets of their own: the smallest edit of the user's text."""

from __future__ import annotations

import textwrap
from dataclasses import replace

import pytest

from autotuner.emit.inner import Change, Uneditable, edited_source
from autotuner.pipeline import AUTOTUNE, CallSite, FnRef, Op, Pipeline, Upstream, Value
from tests.emit.emitting import TF, chain, op, reasons_of, run, source, text_of

FILE = "/user/pipeline.py"
READER = "TFRecordDataset"


def written(text: str, *, line: int = 1, column: int = 0) -> FnRef:
    return FnRef("k", "read", file=FILE, line=line, source=text, source_line=line, source_column=column)


def site(text: str, call_end: str, *, line: int = 1, column: int = 0) -> CallSite:
    """Where the call that ends with ``call_end`` ends, for a source at ``line`` and ``column``."""
    before = text[: text.index(call_end) + len(call_end)].split("\n")
    moved = column if len(before) == 1 or text.startswith(("def ", "@")) else 0
    return CallSite(FILE, line, line + len(before) - 1, len(before[-1].encode()) + moved)


def edited(text: str, call_end: str, argument: str, value: str | None, kind: str = READER, column: int = 4) -> object:
    place = site(text, call_end, line=5, column=column)
    result = edited_source(written(text, line=5, column=column), (Change(kind, place, argument, value),))
    return result.reason if isinstance(result, Uneditable) else result


@pytest.mark.parametrize(
    ("before", "call_end", "after"),
    [
        ("lambda p: R(p)", "R(p)", "lambda p: R(p, n=4)"),
        ("lambda p: R()", "R()", "lambda p: R(n=4)"),
        ("lambda p: R(p,)", "R(p,)", "lambda p: R(p, n=4,)"),
        ("lambda p: R((p))", "R((p))", "lambda p: R((p), n=4)"),
        ("lambda p: R(p, n=1)", "n=1)", "lambda p: R(p, n=4)"),
        ("lambda p: R(p, n=(1 + 2))", "2))", "lambda p: R(p, n=(4))"),
        ("lambda p: 'äö', R(p)", "R(p)", "lambda p: 'äö', R(p, n=4)"),
        ("lambda p: (\n    R(\n    p  # a ) b\n    ))", "b\n    )", "lambda p: (\n    R(\n    p, n=4  # a ) b\n    ))"),
        ("def read(p):\n    ds = R(p)\n    return ds", "= R(p)", "def read(p):\n    ds = R(p, n=4)\n    return ds"),
        ('def read(p):\n    return R("""\n""", p)', ", p)", 'def read(p):\n    return R("""\n""", p, n=4)'),
        ("lambda p: R(p).map(lambda x: R(x))", "R(p)", "lambda p: R(p, n=4).map(lambda x: R(x))"),
    ],
    ids=range(11),
)  # fmt: skip
def test_a_keyword_is_set_or_added(before: str, call_end: str, after: str) -> None:
    before, call_end, after = (text.replace("R", READER) for text in (before, call_end, after))
    before, call_end, after = (text.replace("n=", "num_parallel_reads=") for text in (before, call_end, after))
    assert edited(before, call_end, "num_parallel_reads", "4") == after


def test_arguments_by_position_and_defaults() -> None:
    text = f"lambda p: {READER}(p, None, None, 2)"
    assert edited(text, ", 2)", "num_parallel_reads", "8") == f"lambda p: {READER}(p, None, None, 8)"
    assert edited(text, ", 2)", "num_parallel_reads", None) == f"lambda p: {READER}(p, None, None, None)"
    assert edited(f"lambda p: {READER}(p)", "(p)", "num_parallel_reads", None) == f"lambda p: {READER}(p)"
    assert edited("lambda p: f(p, 1)", "1)", "deterministic", "False", "unknown_call") == (
        "the call of unknown_call gives arguments by position, and where deterministic stands is not known"
    )


def test_what_is_not_certain_is_not_edited() -> None:
    assert edited(f"lambda p: {READER}(*p)", "(*p)", "num_parallel_reads", "8") == (
        f"the call of {READER} unpacks its arguments"
    )
    assert edited(f"lambda p: {READER}(x for x in p)", "in p)", "num_parallel_reads", "8") == (
        f"the call of {READER} has a bare generator expression as its argument"
    )
    away = replace(site(f"lambda p: {READER}(p)", "(p)"), file="/user/other.py")
    change = Change(READER, away, "num_parallel_reads", "8")
    assert edited_source(written(f"lambda p: {READER}(p)"), (change,)) == Uneditable(
        f"the call of {READER} is not in its source"
    )
    assert edited_source(FnRef("k", "read"), (change,)) == Uneditable("its source could not be found")


def test_several_changes_of_one_call_keep_their_order() -> None:
    text = "lambda p: make(p).interleave(read)"
    place = site(text, "(read)")
    names = ("cycle_length", "block_length", "num_parallel_calls")
    changes = tuple(Change("interleave", place, name, str(index)) for index, name in enumerate(names))
    assert edited_source(written(text), changes) == (
        "lambda p: make(p).interleave(read, cycle_length=0, block_length=1, num_parallel_calls=2)"
    )


READ = textwrap.dedent("""\
    def read(path):
        # the user's own comment
        ds = tf.data.TFRecordDataset(path)
        return ds.map(decode)""")


def nested(function: FnRef, **argument: Value) -> Pipeline:
    inner = Pipeline(
        (
            Op(
                "TFRecordDataset[0]",
                READER,
                None,
                (("filenames", None), *argument.items()),
                site(READ, "Dataset(path)", line=3),
            ),
            Op("map[0]", "map", "TFRecordDataset[0]", (), site(READ, "(decode)", line=3)),
        )
    )
    outer = replace(op("interleave[read]", map_func=function), inner=inner)
    return chain(source(), outer, op("batch[0]", batch_size=2))


def user_function() -> FnRef:
    bound: dict[str, Value] = {
        "tf": TF,
        "decode": FnRef("d", "decode", "user_code", "decode", importable=True, import_root="/user"),
    }
    function = replace(written(READ, line=3), module="user_code", qualname="read", importable=True, bindings=bound)
    return replace(function, import_root="/user")


CHANGED = {("interleave[read]/TFRecordDataset[0]", "num_parallel_reads"): "inside"}


def test_a_function_is_carried_only_when_something_inside_it_changed() -> None:
    pipeline = nested(user_function(), num_parallel_reads=AUTOTUNE)
    assert "from user_code import read  # noqa: E402" in text_of(pipeline)
    text = text_of(pipeline, changed=CHANGED, effects={"inside": "1.3x"})
    assert "from user_code import decode  # noqa: E402" in text
    edit = READ.replace("(path)\n", "(path, num_parallel_reads=tf.data.AUTOTUNE)\n")
    assert f"\n\n\n{edit}\n\n\ndef dataset_fn" in text
    assert "    ds = ds.interleave(read)  # inside: 1.3x\n" in text


def test_the_edited_function_makes_the_changed_call() -> None:
    plain = replace(user_function(), bindings={"tf": TF, "decode": replace(written("lambda x: x"), name="decode")})
    space = run(text_of(nested(plain, num_parallel_reads=6), changed=CHANGED))
    made = space["read"]("file")
    assert made.kind == "map"
    assert made.receiver.kwargs == {"num_parallel_reads": 6}
    assert space["dataset_fn"]().receiver.args == (space["read"],)


def test_changes_inside_that_cannot_be_written_are_refused() -> None:
    helper = replace(user_function(), source="def read(path):\n    return build(path)")
    [reason] = reasons_of(nested(helper, num_parallel_reads=2), changed=CHANGED)
    assert reason == (
        f"interleave[read] at {FILE}:7: a change inside read ({FILE}:3) cannot be written: "
        "the call of TFRecordDataset is not in its source"
    )
    pipeline = nested(user_function(), num_parallel_reads=2)
    outer = pipeline["interleave[read]"]
    assert outer.inner is not None
    reader = outer.inner["TFRecordDataset[0]"]
    twin = replace(reader, label="TFRecordDataset[1]", arguments=(("filenames", None),))
    both = Op("zip[0]", "zip", None, (("args", (Upstream("TFRecordDataset[0]"), Upstream("TFRecordDataset[1]"))),))
    doubled = replace(outer, inner=Pipeline((reader, twin, both)))
    assert reasons_of(pipeline.replace_op(outer.label, lambda _: doubled), changed=CHANGED) == (
        f"interleave[read] at {FILE}:7: inside changes one of several datasets of one line",
    )
