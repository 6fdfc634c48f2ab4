"""Behind a dataset that was not seen being made, and inside functions that hand an argument on."""

from __future__ import annotations

from dataclasses import replace

from autotuner.emit.refusal import Unemittable
from autotuner.pipeline import OPAQUE, CallSite, Captured, Op, Pipeline
from tests.emit.sources import AHEAD, FILE, OPTIONS, dedented, patch, patched

LONG = f"{'# this file has long lines ':-<110}\n"


def unseen(text: str, end_column: int) -> Pipeline:
    """A recording of a dataset that ``text`` returns on its last line, and that was not seen being made."""
    line = len(text.splitlines())
    leaf = ("dataset", Captured("v0", "a dataset whose making was not seen"))
    return Pipeline((Op("opaque[0]", OPAQUE, None, (leaf,), CallSite(FILE, line, line, end_column)),))


def test_what_is_returned_is_followed_by_more_whatever_made_it() -> None:
    call = "import tensorflow as tf\n\ndef dataset_fn():\n    return read_all(folder)\n"
    pipeline = unseen(call, 27)
    assert patched(call, pipeline, pipeline.insert_after("opaque[0]", AHEAD)).splitlines()[-1] == (
        "    return read_all(folder).prefetch(tf.data.AUTOTUNE)  # made ahead of their use"
    )
    variable = "import tensorflow as tf\n\ndef dataset_fn():\n    ds = read_all(folder)\n    return ds\n"
    pipeline = unseen(variable, 13)
    assert patched(variable, pipeline, pipeline.insert_after("opaque[0]", OPTIONS)).splitlines()[-3:] == [
        "    options = tf.data.Options()",
        "    options.threading.private_threadpool_size = 16",
        "    return ds.with_options(options)  # threads of its own",
    ]


def test_a_name_that_is_not_returned_is_no_place_for_more() -> None:
    text = "def dataset_fn():\n    ds = read_all(folder)\n    return [ds]\n"
    pipeline = unseen(text, 14)
    made = patch(text, pipeline, pipeline.insert_after("opaque[0]", AHEAD))
    assert isinstance(made, Unemittable)
    assert "has changed since it was recorded" in made.reasons[0]


def test_a_function_that_hands_an_argument_on_is_given_it() -> None:
    text = dedented("""
        import tensorflow as tf
        from tensorflow.data.experimental import make_csv_dataset

        def dataset_fn(files):
            return make_csv_dataset(files, 32, num_epochs=1)
    """)
    pipeline = unseen(text, 52)
    inside = replace(AHEAD, label="prefetch[0]", receiver="opaque[0]", decision=None)
    inside = replace(inside.with_argument("buffer_size", 1), call_site=pipeline.ops[0].call_site)
    pipeline = Pipeline((*pipeline.ops, inside))
    for value, written in ((4, "4"), ("AUTOTUNE", "tf.data.AUTOTUNE")):
        changed = pipeline.replace_op("prefetch[0]", lambda op: op.with_argument("buffer_size", value))  # noqa: B023
        line = patched(text + LONG, pipeline, changed).splitlines()[-2]
        assert line == f"    return make_csv_dataset(files, 32, num_epochs=1, prefetch_buffer_size={written})"
