"""The emitted text: what it says, that it runs, and that it makes the calls of the pipeline."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from autotuner.pipeline import AUTOTUNE, Captured, Derived, FnRef, InputCardinality, Op, Pipeline, Upstream, Value
from tests.emit.emitting import (
    TF,
    body_of,
    built,
    calls,
    chain,
    emit,
    expected,
    fn,
    op,
    own,
    reasons_of,
    ruff,
    run,
    source,
    text_of,
)
from tests.fakes import FakeOptions


def test_the_whole_text(tmp_path: Path) -> None:
    pipeline = chain(
        op("list_files[0]", file_pattern="data/*.rec", shuffle=False),
        op("interleave[read]", map_func=own("read"), cycle_length=16, num_parallel_calls=AUTOTUNE),
        op("map[0]", map_func=fn("lambda x: np.add(x, shift)", np=_module("numpy", "np"), shift=[1, 2])),
        op("cache[tuned]", decision="cache.after"),
        op("batch[0]", batch_size=32, drop_remainder=True),
    )
    text = text_of(
        pipeline,
        signature="batch_size=32",
        header=("Tuned for this machine.", "", "Baked in: batch_size=32."),
        effects={"cache.after": "2.1x"},
        folder=tmp_path / "tuned",
        changed={("interleave[read]", "cycle_length"): "cycle_length"},
    )
    root = "../" * len(tmp_path.resolve().parts) + "user"
    assert text == textwrap.dedent(f'''\
        """Tuned for this machine.

        Baked in: batch_size=32.
        """

        from __future__ import annotations

        import sys
        from pathlib import Path

        import numpy as np
        import tensorflow as tf

        # The pipeline calls your own functions: these folders hold their modules.
        sys.path.insert(0, str(Path(__file__).resolve().parent / "{root}"))

        from user_code import read  # noqa: E402

        shift = [1, 2]


        def dataset_fn(batch_size=32) -> tf.data.Dataset:
            """Build the tuned dataset."""
            ds = tf.data.Dataset.list_files("data/*.rec", shuffle=False)
            ds = ds.interleave(read, cycle_length=16, num_parallel_calls=tf.data.AUTOTUNE)  # cycle_length
            ds = ds.map(lambda x: np.add(x, shift))
            ds = ds.cache()  # cache.after: 2.1x
            ds = ds.batch(32, drop_remainder=True)
            return ds
    ''')
    assert ruff("format", text=text) == text
    assert emit(pipeline) == emit(pipeline)


def _module(name: str, alias: str) -> Captured:
    return Captured(alias, f"module {name}", alias, (f"import {name} as {alias}",), digest=name)


def test_readers_trees_and_datasets_that_are_read_twice() -> None:
    pipeline = Pipeline((
        op("TFRecordDataset[0]", filenames=["a", "b"], num_parallel_reads=AUTOTUNE),
        op("FixedLengthRecordDataset[0]", filenames="c", record_bytes=16, header_bytes=2),
        op("take[0]", "TFRecordDataset[0]", count=1),
        op("skip[0]", "TFRecordDataset[0]", count=1),
        Op("zip[0]", "zip", None, (("args", ((Upstream("take[0]"), Upstream("FixedLengthRecordDataset[0]")),)),)),
        op("concatenate[0]", "skip[0]", dataset=Upstream("zip[0]")),
        op("sample_from_datasets[0]", datasets=[Upstream("concatenate[0]"), Upstream("zip[0]")], weights=[0.5, 0.5]),
        op("shuffle[0]", "sample_from_datasets[0]", buffer_size=InputCardinality(), seed=3),
    ))  # fmt: skip
    assert body_of(pipeline) == [
        'ds_2 = tf.data.TFRecordDataset(["a", "b"], num_parallel_reads=tf.data.AUTOTUNE)',
        'ds_3 = tf.data.FixedLengthRecordDataset("c", 16, header_bytes=2)',
        "ds_4 = ds_2.take(1)",
        "ds_5 = ds_2.skip(1)",
        "ds_6 = tf.data.Dataset.zip((ds_4, ds_3))",
        "ds_5 = ds_5.concatenate(ds_6)",
        "ds = tf.data.Dataset.sample_from_datasets([ds_5, ds_6], weights=[0.5, 0.5])",
        "ds = ds.shuffle(ds.cardinality(), seed=3)",
    ]
    assert calls(built(pipeline)) == expected(pipeline, pipeline.output)


def test_options_are_statements_of_their_own() -> None:
    options: dict[str, Value] = {
        "threading.private_threadpool_size": 16,
        "deterministic": False,
        "experimental_distribute.auto_shard_policy": "OFF",
    }
    pipeline = chain(source(), op("with_options[tuned]", options=options, decision="options.a, options.b"))
    assert body_of(pipeline, effects={"options.b": "1.2x"}) == [
        "ds = tf.data.Dataset.range(10)",
        "options = tf.data.Options()",
        "options.threading.private_threadpool_size = 16",
        "options.deterministic = False",
        "options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF",
        "ds = ds.with_options(options)  # options.a; options.b: 1.2x",
    ]
    made = built(pipeline).args[0]
    assert isinstance(made, FakeOptions)
    assert made.flat() == options | {"experimental_distribute.auto_shard_policy": "policy off"}


def test_long_statements_are_laid_out_as_ruff_would() -> None:
    files: list[Value] = [f"/data/a/rather/long/folder/part-{index:05d}-of-00004.tfrecord" for index in range(4)]
    pipeline = chain(
        op("TFRecordDataset[0]", filenames=files, buffer_size=AUTOTUNE, num_parallel_reads=4, decision="a"),
        op("map[0]", map_func=fn("lambda x: (\n        x + 1\n    )"), num_parallel_calls=2, decision="d" * 114),
        op("apply[0]", transformation_func=fn("lambda ds: ds", ds_name=1)),
    )
    text = text_of(pipeline, signature=", ".join(f"parameter_{number}=None" for number in range(6)))
    assert max(map(len, text.splitlines())) <= 120
    assert '\n            "/data/a/rather/long/folder/part-00003-of-00004.tfrecord",\n        ],\n' in text
    assert "    # " + "d" * 114 + "\n    ds = ds.map(\n        lambda x: (\n        x + 1\n    ),\n" in text
    ruled = text.replace("lambda x: (\n        x + 1\n    )", "lambda x: x + 1")
    assert ruff("format", text=ruled) == ruled


def test_functions_are_carried_with_what_they_close_over() -> None:
    helper = fn("def helper(x):\n    return x + k", "helper", k=1)
    first = fn("def scale(x):\n    return helper(x) * k", "scale", helper=helper, k=10)
    second = fn("def scale(x):\n    return helper(x) * k", "scale", helper=helper, k=100)
    sums = fn("lambda x: f(x) + g(x)", f=fn("lambda x: x"), g=fn("lambda x: (\n x * 2)"))
    pipeline = chain(
        source(),
        op("map[scale]", map_func=first),
        op("map[scale#2]", map_func=second),
        op("map[scale#3]", map_func=second),
        op("map[0]", map_func=sums),
    )
    space = run(text_of(pipeline, signature="g=1"))
    last = space["dataset_fn"]()
    functions = [last.args[0]]
    while last.receiver.kind == "map":
        last = last.receiver
        functions.append(last.args[0])
    results = [function(3) for function in functions]
    assert results == [9, 400, 400, 40]
    assert functions[1] is functions[2]
    assert list(space)[-9:] == ["k", "helper", "k_2", "scale", "k_3", "scale_2", "f", "g_2", "dataset_fn"]


def test_names_that_clash_are_changed_in_the_source_alone() -> None:
    pipeline = chain(
        source(),
        op("map[0]", map_func=fn("lambda x: ds(x) + tf.k + batch", ds=own("helper", "a"), batch=1, tf=TF)),
        op("map[1]", map_func=fn('lambda x: helper(x) + len("batch")', helper=own("helper", "b"))),
    )
    text = text_of(pipeline, signature="batch=2")
    assert "from a import helper as ds_5  # noqa: E402\nfrom b import helper  # noqa: E402\n" in text
    assert "lambda x: ds_5(x) + tf.k + batch_2)" in text
    assert "\nbatch_2 = 1\n" in text


def test_a_method_of_an_imported_class_and_a_partial() -> None:
    method = FnRef("k", "parse", "user_code", "Reader.parse", importable=True, import_root="/user")
    partial = fn("functools.partial(scale, 3)", "scale", functools=_module("functools", "functools"), scale=method)
    text = text_of(chain(source(), op("map[parse]", map_func=method), op("map[scale]", map_func=partial)))
    assert "import functools\n" in text
    assert "from user_code import Reader  # noqa: E402\n\nscale = Reader.parse\n" in text
    assert "    ds = ds.map(Reader.parse)\n    ds = ds.map(functools.partial(scale, 3))\n" in text


def test_functions_of_tensorflow_keep_their_public_name() -> None:
    read = FnRef("k", "read_file", "tensorflow", "io.read_file", importable=True, source="tf.io.read_file")
    assert body_of(chain(source(), op("map[read_file]", map_func=read)))[-1] == "ds = ds.map(tf.io.read_file)"


def test_ops_that_the_result_does_not_need_are_left_out() -> None:
    pipeline = Pipeline((source(), op("take[0]", "range[0]", count=1), op("skip[0]", "range[0]", count=1)))
    assert body_of(pipeline) == ["ds = tf.data.Dataset.range(10)", "ds = ds.skip(1)"]


def test_every_reason_is_told_with_the_line_of_the_user() -> None:
    pipeline = chain(
        Op("opaque[0]", "opaque", None, (("dataset", Captured("k", "a BatchDataset whose making was not seen")),)),
        op("map[0]", map_func=fn("lambda x: table(x)", table=Captured("k", "StaticHashTable"))),
        op("map[layer]", map_func=FnRef("k", "layer")),
        op("map[1]", map_func=fn("lambda x: f(x)", f=FnRef("k", "f", file="/user/code.py", line=8))),
        op("padded_batch[0]", batch_size=2, padded_shapes=Captured("k", "ndarray of shape (70000,)")),
    )
    here, gone = "at /user/pipeline.py:7", "which exists only while the program runs"
    unknown = "could not be found, nor can it be imported"
    assert reasons_of(pipeline) == (
        "opaque[0] is a BatchDataset whose making was not seen, so there is no code for it",
        f"map[0] {here}: <lambda> (/user/pipeline.py:3) captures table, StaticHashTable, {gone}",
        f"map[layer] {here}: the source of layer {unknown}",
        f"map[1] {here}: <lambda> (/user/pipeline.py:3) captures f: the source of f (/user/code.py:8) {unknown}",
        f"padded_batch[0] {here}: padded_shapes is ndarray of shape (70000,), {gone}",
    )


def test_sources_that_cannot_be_moved_are_refused() -> None:
    def with_map(function: FnRef) -> Pipeline:
        return chain(source(), op("map[0]", map_func=function))

    counted = fn("def count(x):\n    nonlocal n\n    n += 1\n    return x", "count", n=0)
    assert reasons_of(with_map(counted)) == (
        "the written module would not compile: no binding for nonlocal 'n' found (<emitted>, line 11)",
    )
    shadowed = fn("lambda x: (lambda ds: ds)(x) + ds", ds=1)
    assert "needs names that mean something else here: ds" in reasons_of(with_map(shadowed))[0]
    inner = fn("lambda x: x", x=Upstream("range[0]"))
    assert "holds another dataset" in reasons_of(with_map(inner))[0]
    assert reasons_of(chain(source()), signature="x=<object>") == (
        "the parameters (x=<object>) have a default that no code can spell",
    )
    assert reasons_of(chain(source()), signature="*, x=PosixPath('a')") == (
        "the default PosixPath('a') of a parameter needs PosixPath",
    )


@pytest.mark.parametrize("header", [('Say \\n and """ twice.',), ('Ends in a "quote"',), ("a", "", "b\\"), ()])
def test_any_header_can_be_read_back(header: tuple[str, ...]) -> None:
    text = text_of(chain(source()), header=header)
    assert (run(text).get("__doc__") or "").strip() == "\n".join(header)
    assert ruff("format", text=text) == text


def test_adjustments_that_cannot_be_batched_are_exchanged_in_the_carried_function() -> None:
    vary = fn("def vary(image):\n    return tf.image.random_contrast(image, 0.8, 1.2)", "vary", tf=TF)
    text = text_of(chain(source(), op("map[vary]", map_func=Derived("vectorized_adjust", (vary,)))))
    assert "    return random_contrast(image, 0.8, 1.2)" in text
    assert "def random_contrast(image, lower, upper, seed=None):" in text
    assert "tf.vectorized_map(lambda row: vary(*row), batch" in text


def test_adjustments_that_are_not_in_the_source_cannot_be_exchanged() -> None:
    vary = fn("def vary(image):\n    return varied(image)", "vary", varied=own("varied"))
    reasons = reasons_of(chain(source(), op("map[vary]", map_func=Derived("vectorized_adjust", (vary,)))))
    assert "were not found in its source" in "".join(reasons)


def test_what_was_hung_on_the_dataset_is_hung_on_it_again() -> None:
    lines = text_of(chain(source(), op("batch[0]", batch_size=2)), attributes={"class_names": ["a", "b"]}).splitlines()
    assert lines[-2:] == ['    ds.class_names = ["a", "b"]', "    return ds"]
    held = Captured("v3", "list of 900 items")
    [reason] = reasons_of(chain(source()), attributes={"file_paths": held})
    assert reason == (
        "your function hangs file_paths on its dataset: it is list of 900 items, "
        "which exists only while the program runs"
    )
