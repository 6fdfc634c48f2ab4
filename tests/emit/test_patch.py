"""The smallest edits of the user's own text, in the style it is written in."""

from __future__ import annotations

from dataclasses import replace

import pytest

from autotuner.emit.patch import EmittedPatch
from autotuner.pipeline import Captured, Derived, InputCardinality, Op, Pipeline
from autotuner.rewrites.cache import CACHE_FILE
from tests.emit.sources import AHEAD, FILE, OPTIONS, changed_lines, dedented, patch, patched, recorded

CACHE = Op("cache[tuned]", "cache", decision="cache.after")

FLUENT = dedented("""
    import tensorflow as tf

    def dataset_fn(files, batch_size=32):
        return (
            tf.data.Dataset.list_files(files)
            .map(decode)  # the slow one
            # keeps the classes apart
            .shuffle(1000)
            .batch(batch_size)
        )
""")
STATEMENTS = dedented("""
    import tensorflow as tf
    AUTO = tf.data.AUTOTUNE

    def dataset_fn(files):
        ds = tf.data.Dataset.list_files(files)
        # decode them
        ds = ds.map(decode)
        ds = ds.shuffle(1000)  # all of them
        ds = ds.batch(32)
        return ds
""")
ONE_LINE = "import tensorflow as tf\n\ndef dataset_fn(n):\n    return tf.data.Dataset.range(n).map(decode).batch(4)\n"

LONG = f"{'# this file has long lines ':-<110}\n"
WIDE = ONE_LINE + LONG


def test_a_cache_goes_on_a_line_of_its_own_in_a_chain_of_lines() -> None:
    pipeline = recorded(FLUENT, "list_files", "map", "shuffle", "batch")
    result = patched(
        FLUENT,
        pipeline,
        pipeline.insert_after("map[decode]", CACHE),
        configuration={"cache.after": "map[decode]"},
        effects={"cache.after": "2.1x"},
    )
    assert changed_lines(FLUENT, result) == ["+        .cache()  # 2.1x: kept from here on, reused in every epoch"]


def test_statements_get_a_statement() -> None:
    pipeline = recorded(STATEMENTS, "list_files", "map", "shuffle", "batch")
    result = patched(STATEMENTS, pipeline, pipeline.insert_after("map[decode]", CACHE).insert_after("batch[3]", AHEAD))
    assert changed_lines(STATEMENTS, result) == [
        "+    ds = ds.cache()  # kept from here on, reused in every epoch",
        "+    ds = ds.prefetch(AUTO)  # made ahead of their use",
    ]


def test_a_chain_on_one_line_grows() -> None:
    pipeline = recorded(ONE_LINE, "range", "map", "batch")
    result = patched(ONE_LINE, pipeline, pipeline.insert_after("batch[2]", AHEAD))
    assert result.splitlines()[-2:] == [
        "    # made ahead of their use",
        "    return tf.data.Dataset.range(n).map(decode).batch(4).prefetch(tf.data.AUTOTUNE)",
    ]


def test_options_are_made_ahead_of_the_statement() -> None:
    for text, kinds in ((ONE_LINE, ("range", "map", "batch")), (STATEMENTS, ("list_files", "map", "shuffle", "batch"))):
        pipeline = recorded(text, *kinds)
        result = patched(text, pipeline, pipeline.insert_after(pipeline.output.label, OPTIONS))
        made = result.index("    options = tf.data.Options()\n    options.threading.private_threadpool_size = 16\n")
        assert made < result.index(".with_options(options)")
        assert result.count("\n") == text.count("\n") + 3


def test_a_shuffle_moves_with_its_comment() -> None:
    def behind(pipeline: Pipeline) -> Pipeline:
        cached = pipeline.remove("shuffle[2]").insert_after("map[decode]", CACHE)
        return cached.insert_after("cache[tuned]", pipeline["shuffle[2]"])

    early = dedented("""
        def dataset_fn(files):
            ds = tf.data.Dataset.list_files(files)
            ds = ds.shuffle(1000)  # all of them
            ds = ds.map(decode)
            return ds.batch(32)
    """)
    pipeline = recorded(early, "list_files", "shuffle", "map", "batch")
    moved = Op("shuffle[1]", "shuffle", None, pipeline["shuffle[1]"].arguments, decision="cache.after")
    rewritten = pipeline.remove("shuffle[1]").insert_after("map[decode]", CACHE).insert_after("cache[tuned]", moved)
    assert changed_lines(early, patched(early, pipeline, rewritten)) == [
        "-    ds = ds.shuffle(1000)  # all of them",
        "+    ds = ds.cache()  # kept from here on, reused in every epoch",
        "+    ds = ds.shuffle(1000)  # all of them; moved behind the cache",
    ]
    in_chain = recorded(FLUENT, "list_files", "map", "shuffle", "batch")
    result = patched(FLUENT, in_chain, behind(in_chain))
    assert [line for line in result.splitlines() if "shuffle" in line or "cache" in line] == [
        "        .cache()  # kept from here on, reused in every epoch",
        "        .shuffle(1000)",
    ]


def test_a_map_that_is_vectorised_changes_places_and_keeps_its_other_arguments() -> None:
    text = ONE_LINE.replace(".map(decode)", ".map(decode, num_parallel_calls=tf.data.AUTOTUNE)")
    pipeline = recorded(text, "range", "map", "batch")
    op = pipeline["map[decode]"]
    moved = op.with_argument("map_func", Derived("vectorized_map", op.functions))
    moved = Op(op.label, "map", None, moved.arguments, op.call_site, decision="map[decode].vectorize")
    rewritten = pipeline.remove("map[decode]").insert_after("batch[2]", moved)
    result = patched(text, pipeline, rewritten)
    assert result.splitlines()[-10:] == [
        "    return (",
        "        tf.data.Dataset.range(n)",
        "        .batch(4)",
        "        .map(",
        "            lambda *batch: tf.vectorized_map(",
        "                lambda row: decode(*row), batch, fallback_to_while_loop=False",
        "            ),",
        "            num_parallel_calls=tf.data.AUTOTUNE,",
        "        )",
        "    )",
    ]
    assert "    # works on whole batches" in result


@pytest.mark.parametrize(
    ("written", "argument", "value", "result"),
    [
        (".map(decode)", "num_parallel_calls", 4, ".map(decode, num_parallel_calls=4)"),
        (".map(decode, 8)", "num_parallel_calls", 4, ".map(decode, 4)"),
        (".map(decode, num_parallel_calls=8)", "num_parallel_calls", None, ".map(decode)"),
        (".map(decode, num_parallel_calls=8, name='a')", "num_parallel_calls", None, ".map(decode, name='a')"),
        (".map((decode))", "num_parallel_calls", 4, ".map((decode), num_parallel_calls=4)"),
        (".map(decode,)", "num_parallel_calls", 4, ".map(decode, num_parallel_calls=4)"),
        (".map(map_func = decode)", "num_parallel_calls", 4, ".map(map_func = decode, num_parallel_calls=4)"),
    ],
)
def test_arguments_are_set_added_and_dropped(written: str, argument: str, value: int | None, result: str) -> None:
    text = WIDE.replace(".map(decode)", written)
    pipeline = recorded(text, "range", "map", "batch")
    op = pipeline["map[decode]"]
    if "8" in written and "=" not in written:
        op = Op(op.label, op.kind, op.receiver, (op.arguments[0], (argument, 8)), op.call_site)
        pipeline = pipeline.replace_op(op.label, lambda _: op)
    wanted = op.without_argument(argument) if value is None else op.with_argument(argument, value)
    [changed] = [
        line
        for line in patched(text, pipeline, pipeline.replace_op(op.label, lambda _: wanted)).splitlines()
        if "return" in line
    ]
    assert changed.partition("  #")[0] == f"    return tf.data.Dataset.range(n){result}.batch(4)"


def test_arguments_on_lines_of_their_own_get_another_line() -> None:
    text = dedented("""
        def dataset_fn(n):
            ds = tf.data.Dataset.range(n)
            return ds.map(
                decode,  # slow
                name="ö",
            ).batch(4)
    """)
    pipeline = recorded(text, "range", "map", "batch")
    rewritten = pipeline.replace_op("map[decode]", lambda op: op.with_argument("num_parallel_calls", 4))
    chosen = {"map[decode].num_parallel_calls": 4}
    assert changed_lines(text, patched(text, pipeline, rewritten, configuration=chosen)) == [
        "-    ).batch(4)",
        "+        num_parallel_calls=4,",
        "+    ).batch(4)  # in parallel",
    ]


def test_the_number_of_elements_is_asked_of_the_dataset_itself() -> None:
    shuffle = Op("shuffle[files]", "shuffle", None, (("buffer_size", InputCardinality()),), decision="cache.after")
    pipeline = recorded(STATEMENTS, "list_files", "map", "shuffle", "batch")
    assert "    ds = ds.shuffle(ds.cardinality())  # kept" in patched(
        STATEMENTS, pipeline, pipeline.insert_after("map[decode]", shuffle)
    )
    pipeline = recorded(WIDE, "range", "map", "batch")
    assert ".map(decode).apply(lambda ds: ds.shuffle(ds.cardinality())).batch(4)" in patched(
        WIDE, pipeline, pipeline.insert_after("map[decode]", shuffle)
    )


def test_line_ends_tabs_and_a_mark_at_the_start_stay() -> None:
    text = STATEMENTS.replace("    ", "\t").replace("decode them", "dékodieren")
    data = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    pipeline = recorded(text, "list_files", "map", "shuffle", "batch")
    made = patch(text, pipeline, pipeline.insert_after("map[decode]", CACHE), data=data)
    assert isinstance(made, EmittedPatch), made
    result = made.files[FILE].encode()
    line = b"\tds = ds.cache()  # kept from here on, reused in every epoch\r\n"
    assert line in result
    assert result.replace(line, b"") == data


def test_backslashes_go_on() -> None:
    text = "def dataset_fn(n):\n    ds = tf.data.Dataset.range(n) \\\n        .map(decode) \\\n        .batch(4)\n"
    pipeline = recorded(text, "range", "map", "batch")
    result = patched(text, pipeline, pipeline.insert_after("map[decode]", CACHE))
    assert "        .map(decode).cache() \\\n" in result
    removed = patched(text, pipeline, pipeline.remove("batch[2]"))
    assert removed.replace("  # ", "").startswith(
        "def dataset_fn(n):\n    ds = tf.data.Dataset.range(n) \\\n        .map(decode)\n"
    )


def test_imports_come_where_imports_are() -> None:
    file = Captured(CACHE_FILE, "a file of its own")
    cache = Op("cache[tuned]", "cache", None, (("filename", file),), decision="cache.after")
    text = '"""Ours."""\nfrom __future__ import annotations\n\nimport os\n' + ONE_LINE
    pipeline = recorded(text, "range", "map", "batch")
    result = patched(text, pipeline, pipeline.insert_after("map[decode]", cache))
    assert result.splitlines()[3:8] == [
        "import atexit",
        "import shutil",
        "import tempfile",
        "import os",
        "import tensorflow as tf",
    ]
    assert "\n\nCACHE_FOLDER = None\n\n\ndef new_cache_file():\n" in result
    assert ".map(decode).cache(new_cache_file()).batch(4)" in result


def test_adjustments_that_cannot_be_batched_are_exchanged_in_a_copy_of_the_function() -> None:
    text = dedented("""
        import tensorflow as tf

        def vary(image):
            return tf.image.random_contrast(image, 0.8, 1.2)

        def dataset_fn(images):
            ds = tf.data.Dataset.range(images).map(vary).batch(4)
            return ds
    """)
    pipeline = recorded(text, "range", "map", "batch")
    op = pipeline["map[vary]"]
    source = "def vary(image):\n    return tf.image.random_contrast(image, 0.8, 1.2)"
    [function] = (replace(function, source=source, file=FILE, source_line=3) for function in op.functions)
    pipeline = pipeline.replace_op(op.label, lambda op: op.with_argument("map_func", function))
    batched = op.with_argument("map_func", Derived("vectorized_adjust", (function,)))
    rewritten = pipeline.remove(op.label).insert_after("batch[2]", replace(batched, decision="map[vary].vectorize"))
    lines = patched(text, pipeline, rewritten).splitlines()
    assert "    return tf.image.random_contrast(image, 0.8, 1.2)" in lines
    copy = lines.index("def vary_adjusting(image):")
    assert lines[copy + 1] == "    return random_contrast(image, 0.8, 1.2)"
    assert "def random_contrast(image, lower, upper, seed=None):" in lines
    assert any("lambda row: vary_adjusting(*row), batch" in line for line in lines)


def test_of_several_functions_of_one_name_the_right_one_is_copied() -> None:
    text = dedented("""
        import tensorflow as tf

        def other():
            def vary(image):
                return image
            return vary

        def dataset_fn(images):
            def vary(image):
                return tf.image.random_contrast(image, 0.8, 1.2)
            ds = tf.data.Dataset.range(images).map(vary).batch(4)
            return ds
    """)
    pipeline = recorded(text, "range", "map", "batch")
    op = pipeline["map[vary]"]
    source = "def vary(image):\n    return tf.image.random_contrast(image, 0.8, 1.2)"
    [function] = (replace(function, source=source, file=FILE, source_line=9) for function in op.functions)
    pipeline = pipeline.replace_op(op.label, lambda op: op.with_argument("map_func", function))
    batched = pipeline.replace_op(
        op.label, lambda op: op.with_argument("map_func", Derived("vectorized_adjust", (function,)))
    )
    lines = patched(text, pipeline, batched).splitlines()
    copy = lines.index("    def vary_adjusting(image):")
    assert lines[copy + 1] == "        return random_contrast(image, 0.8, 1.2)"
    assert copy > lines.index("def dataset_fn(images):")
