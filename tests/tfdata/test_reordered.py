"""Another order of reading is compared with the user's: the same examples, or it is said what changes them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import tensorflow as tf

from autotuner.pipeline import Pipeline, Value
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier
from tests.tfdata.zoo_sources import long_texts

INTERLEAVE = "interleave[numbers_of]"


def numbers_of(file: tf.Tensor) -> tf.data.Dataset:
    return tf.data.Dataset.range(file * 10, file * 10 + 10)


def interleaved_and_taken() -> tf.data.Dataset:
    return tf.data.Dataset.range(4).interleave(numbers_of, cycle_length=2).take(12).batch(4)


def interleaved_and_paired() -> tf.data.Dataset:
    numbers = tf.data.Dataset.range(4).interleave(numbers_of, cycle_length=2)
    return tf.data.Dataset.zip(numbers, tf.data.Dataset.range(40)).shuffle(5).batch(4)


def interleaved_and_shuffled() -> tf.data.Dataset:
    numbers = tf.data.Dataset.range(4).interleave(numbers_of, cycle_length=2)
    return numbers.map(lambda x: x * 2).shuffle(40).batch(12, drop_remainder=True).map(lambda x: x + x[::-1])


def with_number(pipeline: Pipeline, argument: str, value: int) -> Pipeline:
    return pipeline.replace_op(INTERLEAVE, lambda op: op.with_argument(argument, value))


@pytest.mark.parametrize(
    ("dataset_fn", "argument", "value"),
    [
        (interleaved_and_taken, "cycle_length", 3),
        (interleaved_and_taken, "block_length", 2),
        (interleaved_and_paired, "cycle_length", 1),
    ],
)
def test_other_examples_are_caught(dataset_fn: Callable[[], tf.data.Dataset], argument: str, value: int) -> None:
    verifier = Verifier(checked(record(dataset_fn)))

    reason = verifier.check(with_number(verifier.recorded.pipeline, argument, value))

    assert reason.startswith(f"with another {INTERLEAVE}.{argument} ")
    assert reason.endswith("examples have no equal")


@pytest.mark.parametrize("argument", ["cycle_length", "block_length", "num_parallel_calls"])
def test_an_order_that_nothing_depends_on_may_change(argument: str) -> None:
    verifier = Verifier(checked(record(interleaved_and_shuffled)))

    assert not verifier.check(with_number(verifier.recorded.pipeline, argument, 3))


@pytest.mark.parametrize("written", [None, 1, 3, tf.data.AUTOTUNE])
@pytest.mark.parametrize("reads", [1, 2, 16, "AUTOTUNE"])
def test_readers_of_several_files_may_read_in_another_order(files: Path, written: int | None, reads: int | str) -> None:
    def lines() -> tf.data.Dataset:
        return tf.data.TextLineDataset(long_texts(files), num_parallel_reads=written).shuffle(30).batch(4)

    verifier = Verifier(checked(record(lines)))

    assert not verifier.check(read_by(verifier.recorded.pipeline, reads))
    assert verifier.rows_compared() >= 60


@pytest.mark.parametrize("reads", [2, 16, "AUTOTUNE"])
def test_other_lines_are_caught(files: Path, reads: int | str) -> None:
    def taken() -> tf.data.Dataset:
        return tf.data.TextLineDataset(long_texts(files)).take(40).batch(4)

    verifier = Verifier(checked(record(taken)))

    reason = verifier.check(read_by(verifier.recorded.pipeline, reads))

    assert reason.startswith("with another TextLineDataset[0].num_parallel_reads ")
    assert reason.endswith("examples have no equal")


def test_a_file_that_is_left_out_is_caught(files: Path) -> None:
    def lines() -> tf.data.Dataset:
        return tf.data.TextLineDataset(long_texts(files)).shuffle(30).batch(4)

    verifier = Verifier(checked(record(lines)))
    pipeline = verifier.recorded.pipeline
    rest: list[Value] = [*long_texts(files)[1:]]
    fewer = pipeline.replace_op("TextLineDataset[0]", lambda op: op.with_argument("filenames", rest))

    assert "examples" in verifier.check(fewer)


def read_by(pipeline: Pipeline, reads: int | str) -> Pipeline:
    return pipeline.replace_op("TextLineDataset[0]", lambda op: op.with_argument("num_parallel_reads", reads))
