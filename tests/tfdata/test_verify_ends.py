"""Verification comes to an end, whatever the pipeline does."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import Configuration, Op, Pipeline
from autotuner.rewrites import apply
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier

SIDE = 80
CHANGES = {"from_generator[slow_numbers]", "from_generator[endless_numbers]", "random[0]"}
"""A cache above one of these is wrong, and is said to be without a reading."""


def with_cache(pipeline: Pipeline, label: str) -> Pipeline:
    return pipeline.insert_after(label, Op("cache[wrong]", "cache"))


def slow(x: np.ndarray) -> np.ndarray:
    time.sleep(0.02)
    return x


def slow_numbers() -> Iterator[int]:
    for number in range(10_000):
        time.sleep(0.01)
        yield number


def endless_numbers() -> Iterator[int]:
    yield from itertools.count()


def stuck() -> Iterator[int]:
    yield 1
    time.sleep(15)
    yield 2


def slow_to_start() -> Iterator[int]:
    time.sleep(1)
    yield from range(1000)


def from_generator(generator: Callable[[], Iterator[int]]) -> tf.data.Dataset:
    return tf.data.Dataset.from_generator(generator, output_signature=tf.TensorSpec((), tf.int64))


def endless_inside() -> tf.data.Dataset:
    return tf.data.Dataset.range(3).interleave(lambda x: tf.data.Dataset.from_tensors(x).repeat()).map(lambda x: x + 1)


def slow_source() -> tf.data.Dataset:
    return tf.data.Dataset.range(5000).map(lambda x: tf.numpy_function(slow, [x], tf.int64)).map(lambda x: x + 1)


def slow_before_batches() -> tf.data.Dataset:
    return slow_source().batch(32)


PIPELINES: dict[str, tuple[Callable[[], tf.data.Dataset], str]] = {
    "20 ms an element": (slow_source, "range[0]"),
    "20 ms an element, batches of 32": (slow_before_batches, "range[0]"),
    "slow generator": (lambda: from_generator(slow_numbers).map(lambda x: x * 2), "from_generator[slow_numbers]"),
    "endless generator": (
        lambda: from_generator(endless_numbers).map(lambda x: x * 2),
        "from_generator[endless_numbers]",
    ),
    "endless counter": (lambda: tf.data.Dataset.counter().map(lambda x: x * 2).batch(3), "counter[0]"),
    "endless random": (lambda: tf.data.Dataset.random().map(lambda x: x * 2).batch(3), "random[0]"),
    "endless repeat": (lambda: tf.data.Dataset.range(9).map(lambda x: x * 2).repeat(), "map[0]"),
    "endless inside a function": (endless_inside, "range[0]"),
    "most are skipped": (lambda: tf.data.Dataset.range(9000).skip(8000).map(lambda x: x * 2).batch(4), "skip[0]"),
    "large batches": (lambda: tf.data.Dataset.range(9000).batch(2048, drop_remainder=True), "range[0]"),
}


pytestmark = pytest.mark.timeout(120)
"""Without its own limits a check would go on for ever."""


@pytest.mark.parametrize("name", PIPELINES)
def test_it_comes_to_an_end(name: str) -> None:
    dataset_fn, label = PIPELINES[name]
    verifier = Verifier(checked(record(dataset_fn)))

    reason = verifier.check(with_cache(verifier.recorded.pipeline, label))

    assert verifier.rows_compared() > 0
    assert bool(reason) == (label in CHANGES), reason


def test_a_source_that_gets_stuck_is_given_up() -> None:
    verifier = Verifier(checked(record(lambda: from_generator(stuck).map(lambda x: x * 2).batch(2))))

    verifier.prepare()
    assert verifier.rows_compared() == 1


def test_where_only_the_start_is_slow_no_examples_are_given_up_for_it() -> None:
    verifier = Verifier(checked(record(lambda: from_generator(slow_to_start).map(lambda x: x * 2).batch(2))))

    verifier.prepare()
    assert verifier.rows_compared() >= 16


def test_a_pipeline_that_gives_nothing_is_not_passed() -> None:
    verifier = Verifier(checked(record(lambda: tf.data.Dataset.range(50).filter(lambda x: x < 0).map(lambda x: x * 2))))

    assert "no example comes out" in verifier.check(with_cache(verifier.recorded.pipeline, "range[0]"))


def test_all_photographs_are_compared(tmp_path: Path) -> None:
    random = np.random.default_rng(0)
    for index in range(64):
        pixels = random.integers(0, 255, (SIDE, SIDE, 3), dtype=np.uint8)
        (tmp_path / f"{index}.jpg").write_bytes(tf.io.encode_jpeg(pixels).numpy())

    def decode(path: tf.Tensor) -> tf.Tensor:
        image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
        return tf.ensure_shape(tf.cast(image, tf.float32) / 255.0, (SIDE, SIDE, 3))

    def photographs() -> tf.data.Dataset:
        files = tf.data.Dataset.list_files(str(tmp_path / "*.jpg"))
        return files.map(decode).map(tf.image.random_flip_left_right).batch(16)

    recorded = checked(record(photographs))
    behind = apply(recorded.pipeline, analyse(recorded), Configuration({"cache.after": "map[decode]"}))
    verifier = Verifier(recorded)
    reason = verifier.check(behind)

    assert verifier.rows_compared() == 64
    assert not reason
