"""What recording sees, what it leaves behind, and what it refuses."""

from __future__ import annotations

import contextlib
import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import tensorflow as tf

from autotuner.errors import UsageError, UserCodeError
from autotuner.pipeline import OPAQUE, Op, Pipeline
from autotuner.tfdata.build import build
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.intercept import READERS, STATIC, TRANSFORMATIONS
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record

HERE = Path(__file__)


def patched() -> dict[str, object]:
    methods = {name: tf.data.Dataset.__dict__[name] for name in (*TRANSFORMATIONS, *STATIC)}
    return methods | {name: reader.__dict__["__init__"] for name, reader in READERS.items()}


def simple() -> tf.data.Dataset:
    return tf.data.Dataset.range(4).map(lambda x: x + 1)


def kinds(recorded: Recorded) -> list[str]:
    return [op.kind for op in recorded.pipeline.ops]


def inner_of(recorded: Recorded) -> Pipeline:
    [inner] = [op.inner for op in recorded.pipeline.ops if op.inner is not None]
    return inner


def test_every_method_is_put_back() -> None:
    before = patched()
    record(simple)
    assert patched() == before


def test_every_method_is_put_back_after_an_exception() -> None:
    before = patched()

    def broken() -> tf.data.Dataset:
        return tf.data.Dataset.range(3).interleave(lambda _: int("broken"))

    with pytest.raises(ValueError, match="broken"):
        record(broken)
    assert patched() == before
    assert kinds(record(simple)) == ["range", "map"]


def test_what_a_failed_call_saw_is_not_given_to_the_next() -> None:
    def recovers() -> tf.data.Dataset:
        source = tf.data.Dataset.range(3)
        for _ in range(20):
            with contextlib.suppress(ValueError):
                source.interleave(lambda x: [tf.data.Dataset.range(2).batch(2), int("broken"), x])
        return source.interleave(lambda x: tf.data.Dataset.from_tensors(x + 1))

    recorded = checked(record(recovers))
    assert [op.kind for op in inner_of(recorded).ops] == ["from_tensors"]


def test_recording_within_recording_is_refused() -> None:
    before = patched()

    def nested() -> tf.data.Dataset:
        record(simple)
        return simple()

    with pytest.raises(UsageError, match="being recorded already"):
        record(nested)
    assert patched() == before
    assert kinds(record(simple)) == ["range", "map"]


def test_any_thread_can_record() -> None:
    made: list[Recorded] = []
    thread = threading.Thread(target=lambda: made.append(checked(record(simple))))
    thread.start()
    thread.join()
    assert kinds(made[0]) == ["range", "map"]
    assert [int(x) for x in build(made[0])] == [1, 2, 3, 4]


def test_two_threads_record_one_after_the_other() -> None:
    before = patched()
    inside = threading.Barrier(2, timeout=10)
    made: list[Recorded] = []

    def first() -> tf.data.Dataset:
        inside.wait()
        return simple().batch(2)

    def second() -> None:
        inside.wait()
        made.append(record(simple))

    other = threading.Thread(target=second)
    other.start()
    recorded = record(first)
    other.join()
    assert kinds(recorded) == ["range", "map", "batch"]
    assert [kinds(item) for item in made] == [["range", "map"]]
    assert patched() == before


def test_other_threads_are_not_recorded() -> None:
    def busy() -> tf.data.Dataset:
        worker = threading.Thread(target=lambda: simple().batch(2))
        worker.start()
        made = simple()
        worker.join()
        return made

    assert kinds(record(busy)) == ["range", "map"]


def test_datasets_that_are_not_used_are_let_go() -> None:
    unused: list[weakref.ref[tf.data.Dataset]] = []

    def wasteful() -> tf.data.Dataset:
        before = tf.data.Dataset.range(9)
        unused.append(weakref.ref(before.map(lambda x: x * 2).batch(3)))
        return simple()

    recorded = record(wasteful)
    gc.collect()
    assert unused[0]() is None
    assert len(recorded.datasets) == len(recorded.pipeline.ops)
    assert len(recorded.live._objects) == 1


def test_what_is_above_an_opaque_leaf_is_let_go() -> None:
    calls = [0]

    def counting(x: tf.Tensor) -> tf.Tensor:
        calls[0] += 1
        return x + calls[0]

    recorded = checked(record(lambda: tf.data.Dataset.range(3).map(lambda x: x * 2).map(counting)))
    assert kinds(recorded) == [OPAQUE]
    assert list(recorded.datasets) == list(recorded.seeds) == ["map[counting]"]
    assert len(recorded.live._objects) == 1


def test_something_else_than_a_dataset_is_the_users_mistake() -> None:
    with pytest.raises(UserCodeError, match="returned tuple"):
        record(lambda: (simple(), simple()))


def test_the_call_site_is_where_the_call_ends() -> None:
    def chain() -> tf.data.Dataset:
        return (
            tf.data.Dataset.range(9)  # é is two bytes
            .batch(3)
        )  # fmt: skip

    site = record(chain).pipeline["batch[0]"].call_site
    assert site is not None
    assert Path(site.file).name == HERE.name
    line = HERE.read_text(encoding="utf-8").splitlines()[site.end_line - 1]
    assert line.encode()[: site.end_column].endswith(b".batch(3)")


def test_call_sites_inside_functions_are_the_users_though_autograph_runs_a_copy() -> None:
    def nested(x: tf.Tensor) -> tf.data.Dataset:
        if x > 100:
            x = x * 2
        return tf.data.Dataset.range(4).map(lambda y: x + y).batch(2)

    inner = inner_of(record(lambda: tf.data.Dataset.range(2).interleave(nested)))
    lines = HERE.read_text(encoding="utf-8").splitlines()
    for kind, end in {"range": ".range(4)", "batch": ".batch(2)"}.items():
        [site] = [op.call_site for op in inner.ops if op.kind == kind]
        assert site is not None
        assert Path(site.file).name == HERE.name
        assert lines[site.end_line - 1][: site.end_column].endswith(end)


def test_all_calls_inside_a_function_are_kept_in_order() -> None:
    # Overriding goes by the order of calls, so one that the result does not use counts as well.
    def nested(x: tf.Tensor) -> tf.data.Dataset:
        tf.data.Dataset.range(5).batch(2)
        return tf.data.Dataset.from_tensors(x).map(lambda y: y + 1, num_parallel_calls=1)

    inner = inner_of(record(lambda: tf.data.Dataset.range(2).flat_map(nested)))
    assert [op.kind for op in inner.ops] == ["range", "batch", "from_tensors", "map"]


def test_an_outer_dataset_inside_a_function_is_opaque_there() -> None:
    def captured() -> tf.data.Dataset:
        outer = simple()
        return tf.data.Dataset.range(2).flat_map(lambda x: outer.map(lambda y: x + y))

    recorded = checked(record(captured))
    assert [op.kind for op in inner_of(recorded).ops] == [OPAQUE, "map"]


def with_calls(value: int | None) -> Callable[[Op], Op]:
    name = "num_parallel_calls"
    return lambda op: op.without_argument(name) if value is None else op.with_argument(name, value)


def test_arguments_inside_functions_can_be_changed_at_every_depth() -> None:
    def deep(x: tf.Tensor) -> tf.data.Dataset:
        tf.data.Dataset.range(7).batch(7)
        return tf.data.Dataset.range(2).interleave(
            lambda y: tf.data.Dataset.range(3).apply(lambda ds: ds.map(lambda z: x + y + z, num_parallel_calls=2))
        )

    recorded = checked(record(lambda: tf.data.Dataset.range(3).interleave(deep)))
    path = "interleave[deep]/interleave[0]/map[0]"
    assert recorded.pipeline.at(path).argument("num_parallel_calls") == 2
    plain = CanonicalGraph.of(build(recorded)).digest
    for value in (5, None):
        made = build(recorded, recorded.pipeline.replace_at(path, with_calls(value)))
        assert CanonicalGraph.of(made).digest != plain
        assert [int(x) for x in made] == [int(x) for x in build(recorded)]


def test_a_dataset_in_a_list_of_many_is_an_input() -> None:
    def many() -> tf.data.Dataset:
        parts = [tf.data.Dataset.range(2) for _ in range(70)]
        return tf.data.Dataset.choose_from_datasets(parts, tf.data.Dataset.range(70))

    assert len(record(many).pipeline.output.inputs) == 71


def test_options_of_every_kind_come_back() -> None:
    def tuned() -> tf.data.Dataset:
        options = tf.data.Options()
        options.dataset_name = "training"
        options.experimental_external_state_policy = tf.data.experimental.ExternalStatePolicy.IGNORE
        options.experimental_slack = True
        options.threading.max_intra_op_parallelism = 1
        return simple().with_options(options)

    recorded = checked(record(tuned))
    assert kinds(recorded) == ["range", "map", "with_options"]
    assert build(recorded).options() == recorded.datasets["with_options[0]"].options()


def test_a_generator_is_called_as_often_as_the_user_would() -> None:
    calls = []

    def numbers() -> Iterator[int]:
        calls.append(1)
        yield 1

    checked(record(lambda: tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec((), tf.int32))))
    assert not calls
