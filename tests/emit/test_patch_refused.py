"""What cannot be written into the user's own files, each with its reason."""

from __future__ import annotations

from autotuner.emit.refusal import Unemittable
from autotuner.pipeline import Op, Pipeline
from tests.emit.sources import dedented, patch, patched, recorded

CACHE = Op("cache[tuned]", "cache", decision="cache.after")
ONE_LINE = "import tensorflow as tf\n\ndef dataset_fn(n):\n    return tf.data.Dataset.range(n).map(decode).batch(4)\n"


def reasons(text: str, pipeline: Pipeline, rewritten: Pipeline) -> str:
    made = patch(text, pipeline, rewritten)
    assert isinstance(made, Unemittable), made
    return "; ".join(made.reasons)


def test_one_call_that_would_need_two_edits_is_refused() -> None:
    text = "def dataset_fn(n):\n    ds = tf.data.Dataset.range(n)\n    for f in (a, b):\n        ds = ds.map(f)\n"
    twice = recorded(text, "range", "map")
    again = Op("map[f#2]", "map", "map[f]", twice["map[f]"].arguments, twice["map[f]"].call_site)
    pipeline = Pipeline((*twice.ops, again))
    one = pipeline.replace_op("map[f]", lambda op: op.with_argument("num_parallel_calls", 2))
    assert reasons(text, pipeline, one) == "data.py:4 makes map[f] and map[f#2], which would need different edits"
    both = one.replace_op("map[f#2]", lambda op: op.with_argument("num_parallel_calls", 2))
    assert "ds = ds.map(f, num_parallel_calls=2)" in patched(text, pipeline, both)
    cached = pipeline.insert_after("map[f]", CACHE)
    assert "data.py:4 makes map[f], map[f#2], and only map[f] would be followed by more" in reasons(
        text, pipeline, cached
    )


def test_what_a_branch_not_taken_would_change_keeps_stages_in_their_places() -> None:
    text = dedented("""
        def dataset_fn(n, augment=False):
            ds = tf.data.Dataset.range(n)
            if augment:
                ds = add_noise(ds)
            return ds.map(decode).batch(4)
    """)
    pipeline = recorded(text, "range", "map", "batch")
    assert reasons(text, pipeline, pipeline.insert_after("map[decode]", CACHE)) == (
        "data.py:4 is in a branch that was not taken when the pipeline was recorded, "
        "so what stands around it cannot change places"
    )
    parallel = pipeline.replace_op("map[decode]", lambda op: op.with_argument("num_parallel_calls", 2))
    assert ".map(decode, num_parallel_calls=2)" in patched(text, pipeline, parallel)
    harmless = text.replace("ds = add_noise(ds)", "n = n + 1")
    assert ".cache()" in patched(harmless, pipeline, pipeline.insert_after("map[decode]", CACHE))


def test_what_stands_under_a_condition_stays_there() -> None:
    text = dedented("""
        def dataset_fn(n, training=True):
            ds = tf.data.Dataset.range(n)
            if training:
                ds = ds.shuffle(10)
            ds = ds.map(decode)
            return ds
    """)
    pipeline = recorded(text, "range", "shuffle", "map")
    moved = Op("shuffle[1]", "shuffle", None, pipeline["shuffle[1]"].arguments, decision="cache.after")
    rewritten = pipeline.remove("shuffle[1]").insert_after("map[decode]", moved)
    assert "stand under different conditions" in reasons(text, pipeline, rewritten)


def test_code_that_is_not_the_users_is_refused() -> None:
    pipeline = recorded(ONE_LINE, "range", "map", "batch")
    changed = pipeline.replace_op("map[decode]", lambda op: op.with_argument("num_parallel_calls", 2))

    def at(file: str | None, of: Pipeline) -> Pipeline:
        def placed(op: Op) -> Op:
            site = op.call_site
            moved = (
                None if site is None or file is None else type(site)(file, site.line, site.end_line, site.end_column)
            )
            return Op(op.label, op.kind, op.receiver, op.arguments, moved)

        return Pipeline(tuple(map(placed, of.ops)))

    installed = "/x/lib/python3.11/site-packages/keras/utils.py"
    assert "belongs to an installed package" in reasons(ONE_LINE, at(installed, pipeline), at(installed, changed))
    notebook = "/tmp/ipykernel_12/345.py"  # noqa: S108 - what Jupyter calls its cells
    assert "a notebook, or generated code" in reasons(ONE_LINE, at(notebook, pipeline), at(notebook, changed))
    assert "generated code" in reasons(ONE_LINE, at(None, pipeline), at(None, changed))


def test_a_file_that_changed_since_is_refused() -> None:
    pipeline = recorded(ONE_LINE, "range", "map", "batch")
    changed = pipeline.replace_op("map[decode]", lambda op: op.with_argument("num_parallel_calls", 2))
    assert "has changed since it was recorded" in reasons("\n" + ONE_LINE, pipeline, changed)


def test_a_call_that_unpacks_its_arguments_is_refused() -> None:
    text = ONE_LINE.replace(".map(decode)", ".map(decode, **more)")
    pipeline = recorded(text, "range", "map", "batch")
    changed = pipeline.replace_op("map[decode]", lambda op: op.with_argument("num_parallel_calls", 2))
    assert "unpacks its arguments" in reasons(text, pipeline, changed)
