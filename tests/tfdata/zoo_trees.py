"""Catalogue: pipelines of several inputs, and functions that build datasets."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.tfdata.zoo_entry import Catalogue

TREES = Catalogue()


def _range(*arguments: int) -> tf.data.Dataset:
    return tf.data.Dataset.range(*arguments)


def _lines(path: tf.Tensor) -> tf.data.Dataset:
    return tf.data.TextLineDataset(path).map(tf.strings.length, num_parallel_calls=2)


def _texts(folder: Path) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices([str(folder / "lines.txt"), str(folder / "more.txt")])


@TREES.entry()
def zip_of_a_tuple(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.zip((_range(8).map(lambda x: x * 2), _range(8, 16))).batch(3)


@TREES.entry()
def zip_of_arguments(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.zip(_range(8), _range(8, 16)).map(lambda a, b: a + b)


@TREES.entry()
def zip_of_a_dict(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.zip(datasets={"a": _range(8), "b": _range(9).skip(1)}).batch(2)


@TREES.entry()
def concatenated(folder: Path) -> tf.data.Dataset:
    del folder
    return _range(4).concatenate(_range(10, 12)).map(lambda x: x + 1).concatenate(_range(3))


@TREES.entry()
def one_dataset_twice(folder: Path) -> tf.data.Dataset:
    del folder
    base = _range(6).map(lambda x: x * x)
    return tf.data.Dataset.zip(base, base.skip(1).concatenate(base.take(1)))


@TREES.entry()
def sampled(folder: Path) -> tf.data.Dataset:
    del folder
    parts = [_range(5), _range(100, 105).map(lambda x: x + 1)]
    return tf.data.Dataset.sample_from_datasets(parts, weights=[0.5, 0.5], seed=3)


@TREES.entry(repeatable=False)
def sampled_without_seed(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.sample_from_datasets([_range(5).repeat(), _range(100, 105)], [0.3, 0.7]).take(6)


@TREES.entry()
def many_datasets(folder: Path) -> tf.data.Dataset:
    del folder
    parts = [_range(k, k + 2) for k in range(70)]
    return tf.data.Dataset.choose_from_datasets(parts, _range(70).shuffle(70, seed=1))


@TREES.entry()
def chosen(folder: Path) -> tf.data.Dataset:
    del folder
    parts = [_range(k, k + 3) for k in (0, 10, 20)]
    return tf.data.Dataset.choose_from_datasets(parts, _range(3).repeat(3), stop_on_empty_dataset=True)


@TREES.entry()
def interleaved_by_name(folder: Path) -> tf.data.Dataset:
    return _texts(folder).interleave(_lines, cycle_length=2, num_parallel_calls=2).batch(4)


@TREES.entry()
def interleaved_by_reader(folder: Path) -> tf.data.Dataset:
    return _texts(folder).interleave(tf.data.TextLineDataset, 2, 3, num_parallel_calls=1, deterministic=True)


@TREES.entry()
def interleaved_lambda(folder: Path) -> tf.data.Dataset:
    files = tf.data.Dataset.from_tensor_slices(sorted(str(p) for p in (folder / "records").iterdir()))
    return files.interleave(
        lambda path: tf.data.TFRecordDataset(path).map(tf.strings.length).repeat(2), cycle_length=3
    ).shuffle(5, seed=2)


@TREES.entry()
def interleaved_within_interleaved(folder: Path) -> tf.data.Dataset:
    del folder

    def inner(x: tf.Tensor) -> tf.data.Dataset:
        return _range(2).interleave(lambda y: _range(3).map(lambda z: x * 100 + y * 10 + z), cycle_length=2)

    return _range(3).interleave(inner, cycle_length=2, num_parallel_calls=1)


@TREES.entry()
def branches_in_a_nested_function(folder: Path) -> tf.data.Dataset:
    del folder

    def nested(x: tf.Tensor) -> tf.data.Dataset:
        unused = _range(5).batch(2)
        total = tf.constant(0, tf.int64)
        for k in tf.range(3):
            if k > 1:
                total += tf.cast(k, tf.int64)
        del unused
        return _range(4).map(lambda y: y + total + x)

    return _range(3).flat_map(nested)


@TREES.entry()
def dataset_of_either_branch(folder: Path) -> tf.data.Dataset:
    del folder

    def nested(x: tf.Tensor) -> tf.data.Dataset:
        if x % 2 == 0:
            made = tf.data.Dataset.range(3).map(lambda y: y + 1, num_parallel_calls=1)
        else:
            made = tf.data.Dataset.range(10, 13).map(lambda y: y * 2)
        return made

    return _range(4).interleave(nested, cycle_length=2)


@TREES.entry()
def nested_function_over_an_outer_dataset(folder: Path) -> tf.data.Dataset:
    del folder
    outer = _range(3).map(lambda x: x * 5)
    return _range(4).flat_map(lambda x: outer.map(lambda y: x + y).batch(2))


@TREES.entry()
def windows(folder: Path) -> tf.data.Dataset:
    del folder
    parts = _range(10).window(3, shift=2, drop_remainder=True).flat_map(lambda w: w.batch(3))
    return parts.map(lambda w: (w[:-1], w[-1]))


@TREES.entry()
def arrays_through_numpy(folder: Path) -> tf.data.Dataset:
    files = tf.data.Dataset.list_files(str(folder / "arrays/*.npz"), shuffle=False)

    def load(path: bytes) -> tuple[np.ndarray, np.ndarray]:
        with np.load(path.decode()) as arrays:
            return arrays["x"], arrays["y"]

    def rows(path: tf.Tensor) -> tf.data.Dataset:
        x, y = tf.numpy_function(load, [path], (tf.float32, tf.int64))
        return tf.data.Dataset.from_tensor_slices((tf.ensure_shape(x, (5, 3)), tf.ensure_shape(y, (5,))))

    return files.interleave(rows, cycle_length=2).batch(4)


@TREES.entry()
def datasets_as_elements(folder: Path) -> tf.data.Dataset:
    del folder
    return _range(6).window(2)
