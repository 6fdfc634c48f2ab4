"""Catalogue: shapes of pipeline that questions, answers and lessons about prefetching are written around."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.tfdata.zoo_entry import Catalogue

DOCUMENTS = Catalogue()
_ROWS = 30
_SIDE = 6


def _pictures() -> np.ndarray:
    return np.random.default_rng(3).integers(0, 255, (_ROWS, _SIDE, _SIDE, 3)).astype(np.uint8)


def _pairs() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((_pictures(), np.arange(_ROWS) % 4))


def _to_unit(picture: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.image.convert_image_dtype(picture, tf.float32), target


def _enlarged(picture: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.image.resize(picture, [9, 9]), target


def _distorted(picture: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    picture = tf.image.random_flip_left_right(tf.cast(picture, tf.float32))
    picture = tf.image.random_crop(picture, [4, 4, 3])
    return tf.image.random_brightness(picture, 0.2), target


def _lit(picture: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.image.random_brightness(tf.cast(picture, tf.float32), 0.2), target


def _slow_in_python(picture: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    sharpened = tf.py_function(lambda x: np.sqrt(x.numpy().astype(np.float32)), [picture], tf.float32)
    return tf.ensure_shape(sharpened, [_SIDE, _SIDE, 3]), target


def _python_beside_the_data(picture: tf.Tensor, target: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    tf.py_function(lambda x: float(np.sum(x)), [picture], tf.float32)
    return picture, target


def _counted() -> Iterator[tuple[int, int]]:
    for number in range(25):
        yield number, number * number


def _measured(number: int) -> np.ndarray:
    if number % 7 == 3:
        raise OSError(number)
    return np.linspace(0.0, 1.0, 5) + np.random.default_rng().normal(0.0, 0.1, 5)


def _with_noise_and_gaps() -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for number in range(20):
        try:
            measured = _measured(number)
        except OSError:
            continue
        yield measured, np.cos(measured)


def _tensors() -> Iterator[tuple[tf.Tensor, tf.Tensor]]:
    for number in range(12):
        yield tf.fill([4, 4, 3], float(number)), tf.constant(number, tf.int32)


def _arrays_of(path: bytes) -> tuple[np.ndarray, np.ndarray]:
    with np.load(path.decode()) as stored:
        return stored["x"], stored["y"]


def _rows_of(path: tf.Tensor) -> tf.data.Dataset:
    x, y = tf.numpy_function(_arrays_of, [path], [tf.float32, tf.int64])
    return tf.data.Dataset.from_tensor_slices((tf.ensure_shape(x, [None, 3]), tf.ensure_shape(y, [None])))


@DOCUMENTS.entry()
def prefetch_ahead_of_a_light_map(folder: Path) -> tf.data.Dataset:
    # A buffer of raw examples ahead of a map that is cheap; nothing behind it.
    del folder
    return _pairs().prefetch(tf.data.AUTOTUNE).map(_to_unit)


@DOCUMENTS.entry(repeatable=False)
def prefetch_on_both_sides_of_augmentation(folder: Path) -> tf.data.Dataset:
    # A buffer on either side of a map that is heavy and random.
    del folder
    return _pairs().prefetch(tf.data.AUTOTUNE).map(_distorted).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def prefetch_on_both_sides_of_python(folder: Path) -> tf.data.Dataset:
    # Buffers around Python code that several calls run at a time.
    del folder
    mapped = _pairs().prefetch(tf.data.AUTOTUNE).map(_slow_in_python, num_parallel_calls=tf.data.AUTOTUNE)
    return mapped.prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def light_map_of_numbers(folder: Path) -> tf.data.Dataset:
    # The smallest example: a list, a lambda, a buffer.
    del folder
    return tf.data.Dataset.from_tensor_slices([3, 1, 4, 1, 5, 9]).map(lambda x: x * 3).prefetch(buffer_size=2)


@DOCUMENTS.entry()
def two_parallel_maps_of_pictures(folder: Path) -> tf.data.Dataset:
    # Two stages of preprocessing, each with its own parallelism, ahead of the batch.
    del folder
    calls = tf.data.AUTOTUNE
    larger = _pairs().map(lambda x, y: (tf.image.resize(x, (8, 8)), y), num_parallel_calls=calls)
    unit = larger.map(lambda x, y: (tf.image.convert_image_dtype(x, tf.float32), y), num_parallel_calls=calls)
    return unit.batch(8).prefetch(buffer_size=tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def cache_ahead_of_python(folder: Path) -> tf.data.Dataset:
    # A cache of raw examples, ahead of a map whose Python result nobody uses.
    del folder
    kept = _pairs().cache().map(_python_beside_the_data, num_parallel_calls=tf.data.AUTOTUNE)
    return kept.batch(8).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def cache_then_map(folder: Path) -> tf.data.Dataset:
    # A cache that stands ahead of deterministic work it could have kept.
    del folder
    return _pairs().cache().map(_enlarged).map(_to_unit).batch(8).prefetch(1)


@DOCUMENTS.entry()
def prefetch_ahead_of_batch(folder: Path) -> tf.data.Dataset:
    # The buffer is filled with single elements, and batches are made by whoever iterates.
    del folder
    return tf.data.Dataset.range(11).prefetch(tf.data.AUTOTUNE).batch(2)


@DOCUMENTS.entry(repeatable=False)
def shuffle_batch_map_prefetch(folder: Path) -> tf.data.Dataset:
    # The order that is recommended: whole batches are mapped, and the buffer is last.
    del folder
    return _pairs().shuffle(100).batch(8).map(_to_unit).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry(repeatable=False)
def batches_shuffled(folder: Path) -> tf.data.Dataset:
    # A shuffle behind the batch: always the same examples share a batch.
    del folder
    return _pairs().map(_to_unit).batch(4).shuffle(100).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry(repeatable=False)
def map_behind_shuffled_batches(folder: Path) -> tf.data.Dataset:
    # A buffer in the middle, then a shuffle of batches, then the work.
    del folder
    return _pairs().batch(4).prefetch(tf.data.AUTOTUNE).shuffle(100).map(_to_unit)


@DOCUMENTS.entry(repeatable=False)
def prefetch_first(folder: Path) -> tf.data.Dataset:
    # The buffer stands ahead of everything that takes time.
    del folder
    return _pairs().prefetch(tf.data.AUTOTUNE).shuffle(100).batch(8).map(_to_unit)


@DOCUMENTS.entry()
def huge_prefetch(folder: Path) -> tf.data.Dataset:
    # A buffer that holds more batches than the epoch has.
    del folder
    return _pairs().map(_to_unit).batch(8).prefetch(10_000)


@DOCUMENTS.entry()
def batches_of_arrays(folder: Path) -> tf.data.Dataset:
    # Arrays in memory, batched and buffered, with no work at all.
    del folder
    return _pairs().batch(8).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry(repeatable=False)
def parallel_augmentation(folder: Path) -> tf.data.Dataset:
    # Random work with parallel calls ahead of the batch.
    del folder
    return _pairs().map(_lit, num_parallel_calls=tf.data.AUTOTUNE).batch(8).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def batches_of_a_generator(folder: Path) -> tf.data.Dataset:
    # A plain generator, described by types and shapes instead of a signature.
    del folder
    made = tf.data.Dataset.from_generator(_counted, (tf.int32, tf.int32), (tf.TensorShape([]), tf.TensorShape([])))
    return made.batch(10).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry(repeatable=False)
def noisy_generator_that_skips_its_errors(folder: Path) -> tf.data.Dataset:
    # NumPy's randomness in a generator that leaves out what it cannot make.
    del folder
    signature = (tf.TensorSpec((5,), tf.float64), tf.TensorSpec((5,), tf.float64))
    made = tf.data.Dataset.from_generator(lambda: _with_noise_and_gaps(), output_signature=signature)  # noqa: PLW0108
    return made.batch(8).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry(repeatable=False)
def generator_of_tensors_augmented(folder: Path) -> tf.data.Dataset:
    # A generator that yields tensors, with random work of TensorFlow's behind it.
    del folder
    made = tf.data.Dataset.from_generator(_tensors, (tf.float32, tf.int32), ((4, 4, 3), ()))
    return made.map(lambda x, y: (tf.image.random_flip_left_right(x), y)).batch(8).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def archives_interleaved(folder: Path) -> tf.data.Dataset:
    # NumPy archives, one dataset for each, opened by Python inside the interleave.
    files = tf.data.Dataset.from_tensor_slices(sorted(str(path) for path in (folder / "arrays").glob("*.npz")))
    rows = files.interleave(_rows_of, cycle_length=2, num_parallel_calls=tf.data.AUTOTUNE)
    return rows.batch(4).prefetch(tf.data.AUTOTUNE)


@DOCUMENTS.entry()
def one_worker_of_several(folder: Path) -> tf.data.Dataset:
    # Each of several workers reads its own share of the files.
    files = tf.data.Dataset.list_files(str(folder / "records/*.tfrecord"), shuffle=False).shard(2, 0)
    return files.interleave(tf.data.TFRecordDataset, cycle_length=2).map(tf.strings.length).batch(4).prefetch(2)


@DOCUMENTS.entry()
def sharded_by_a_strategy(folder: Path) -> tf.data.Dataset:
    # The option that tells a distribution strategy how to divide the data.
    del folder
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    return _pairs().map(_to_unit).batch(8).prefetch(tf.data.AUTOTUNE).with_options(options)
