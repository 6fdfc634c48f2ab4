"""An epoch is counted by what decides its length, and by nothing that only takes time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from autotuner.tfdata.counting import counted_steps
from autotuner.tfdata.record import record

COUNT = 103


def lines(folder: Path) -> tf.data.Dataset:
    path = folder / "lines.txt"
    path.write_text("\n".join(map(str, range(COUNT))), "utf-8")
    return tf.data.TextLineDataset(str(path))


def slow(line: tf.Tensor) -> tf.Tensor:
    def sleep(value: Any) -> Any:
        time.sleep(0.2)
        return value

    return tf.numpy_function(sleep, [line], tf.string)


def number(line: tf.Tensor) -> tf.Tensor:
    return tf.strings.to_number(line, tf.int64)


Make = Callable[[tf.data.Dataset], tf.data.Dataset]
MAKES: list[Make] = [
    lambda ds: ds.map(number).batch(10),
    lambda ds: ds.map(number).batch(10, drop_remainder=True).prefetch(1),
    lambda ds: ds.shuffle(9).skip(4).take(50).map(number).batch(8),
    lambda ds: ds.take(-1).skip(200).batch(8),
    lambda ds: ds.shard(4, 3).map(number).repeat(3).batch(7),
    lambda ds: ds.map(number).filter(lambda n: n % 3 == 0).map(lambda n: n + 1).cache().batch(4),
    lambda ds: ds.map(lambda line: {"line": line, "pair": (line, 1)}).padded_batch(6),
    lambda ds: ds.flat_map(lambda line: tf.data.Dataset.from_tensors(line).repeat(2)).enumerate().batch(5),
    lambda ds: ds.batch(5).unbatch().batch(7),
    lambda ds: tf.data.Dataset.zip(ds, ds.skip(3)).batch(9),
]


@pytest.mark.parametrize("make", MAKES, ids=range(len(MAKES)))
def test_the_count_is_that_of_an_epoch(make: Make, tmp_path: Path) -> None:
    made = make(lines(tmp_path))
    assert counted_steps(record(lambda: make(lines(tmp_path))), 20.0) == sum(1 for _ in made)


def test_maps_behind_what_decides_the_length_are_not_run(tmp_path: Path) -> None:
    recorded = record(lambda: lines(tmp_path).map(slow).batch(2))
    assert counted_steps(recorded, 3.0) == 52  # the maps would take twenty seconds


def test_what_takes_too_long_is_not_counted() -> None:
    def generate() -> Iterator[int]:
        while True:
            time.sleep(0.05)
            yield 1

    spec = tf.TensorSpec((), tf.int64)
    recorded = record(lambda: tf.data.Dataset.from_generator(generate, output_signature=spec).batch(2))
    assert counted_steps(recorded, 0.3) is None


def test_what_cannot_be_read_is_not_counted(tmp_path: Path) -> None:
    assert counted_steps(record(lambda: tf.data.TextLineDataset(str(tmp_path / "none.txt")).batch(2)), 3.0) is None


def test_a_batch_size_that_is_no_number_is_not_counted(tmp_path: Path) -> None:
    sizes = tf.constant(4, tf.int64)
    recorded = record(lambda: lines(tmp_path).batch(sizes + 0))
    assert counted_steps(recorded, 3.0) in {None, 26}
