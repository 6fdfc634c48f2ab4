"""Catalogue: where elements come from."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from tests.tfdata.zoo_entry import Catalogue

SOURCES = Catalogue()
_FEATURES = {"x": tf.io.FixedLenFeature([4], tf.float32), "y": tf.io.FixedLenFeature([], tf.int64)}


def _records(folder: Path) -> list[str]:
    return [str(path) for path in sorted((folder / "records").glob("*.tfrecord"))]


def _decode(path: tf.Tensor) -> tf.Tensor:
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    return tf.cast(tf.image.resize(image, [8, 8]), tf.float32) / 255.0


def _label(path: tf.Tensor) -> tf.Tensor:
    return tf.cast(tf.strings.regex_full_match(path, ".*dog.*"), tf.int32)


def numbers() -> Iterator[int]:
    yield from range(10)


def pairs() -> Iterator[tuple[np.ndarray, int]]:
    for index in range(7):
        yield np.full(3, index, np.float32), index


@SOURCES.entry()
def records_in_one_reader(folder: Path) -> tf.data.Dataset:
    return tf.data.TFRecordDataset(_records(folder)).map(lambda r: tf.io.parse_single_example(r, _FEATURES)).batch(4)


@SOURCES.entry()
def records_in_parallel(folder: Path) -> tf.data.Dataset:
    files = tf.data.Dataset.from_tensor_slices(_records(folder))
    return tf.data.TFRecordDataset(files, buffer_size=1000, num_parallel_reads=tf.data.AUTOTUNE).batch(4)


@SOURCES.entry()
def text_lines(folder: Path) -> tf.data.Dataset:
    lines = tf.data.TextLineDataset([folder / "lines.txt", folder / "more.txt"])
    return lines.filter(lambda line: tf.strings.length(line) > 3).map(tf.strings.upper)


def long_texts(folder: Path) -> list[str]:
    return [str(folder / f"long-{index}.txt") for index in range(3)]


@SOURCES.entry(repeatable=False)
def many_lines_of_several_files(folder: Path) -> tf.data.Dataset:
    return tf.data.TextLineDataset(long_texts(folder)).shuffle(40).map(tf.strings.length).batch(8)


@SOURCES.entry(repeatable=False)
def many_lines_read_in_parallel(folder: Path) -> tf.data.Dataset:
    lines = tf.data.TextLineDataset(tf.constant(long_texts(folder)), num_parallel_reads=2)
    return lines.filter(lambda line: tf.strings.length(line) > 11).shuffle(40).batch(8)


@SOURCES.entry(repeatable=False)
def many_lines_in_one_tensor(folder: Path) -> tf.data.Dataset:
    def epoch(lines: tf.Tensor) -> tf.data.Dataset:
        count = tf.shape(lines, out_type=tf.int64)[0]
        return tf.data.Dataset.range(count).shuffle(count).batch(8).map(lambda rows: tf.gather(lines, rows))

    lines = tf.data.TextLineDataset(long_texts(folder), num_parallel_reads=tf.data.AUTOTUNE)
    return lines.batch(1 << 40).map(tf.strings.length).cache().flat_map(epoch).prefetch(1)


@SOURCES.entry()
def fixed_length_records(folder: Path) -> tf.data.Dataset:
    return tf.data.FixedLengthRecordDataset(str(folder / "fixed.bin"), record_bytes=8).map(
        lambda record: tf.io.decode_raw(record, tf.uint8)
    )


@SOURCES.entry()
def csv_reader(folder: Path) -> tf.data.Dataset:
    return tf.data.experimental.CsvDataset(str(folder / "rows.csv"), [tf.int32, tf.float32, tf.string], header=True)


@SOURCES.entry(opaque={"opaque[0]": "making was not seen"})
def csv_in_batches(folder: Path) -> tf.data.Dataset:
    return tf.data.experimental.make_csv_dataset(
        str(folder / "rows.csv"), batch_size=4, label_name="a", num_epochs=1, shuffle=False
    )


@SOURCES.entry()
def listed_files(folder: Path) -> tf.data.Dataset:
    return tf.data.Dataset.list_files(str(folder / "images/*/*.jpg"), shuffle=False).map(_decode).batch(5)


@SOURCES.entry(repeatable=False)
def shuffled_files(folder: Path) -> tf.data.Dataset:
    files = tf.data.Dataset.list_files(str(folder / "images/*/*.jpg"))
    return files.map(lambda path: (_decode(path), _label(path)), num_parallel_calls=2).batch(4).prefetch(1)


@SOURCES.entry()
def shuffled_files_with_seed(folder: Path) -> tf.data.Dataset:
    return tf.data.Dataset.list_files(str(folder / "images/*/*.png"), seed=3).map(tf.io.read_file)


@SOURCES.entry()
def generator(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.from_generator(numbers, output_signature=tf.TensorSpec((), tf.int32)).batch(3)


@SOURCES.entry()
def generator_of_tuples(folder: Path) -> tf.data.Dataset:
    del folder
    signature = (tf.TensorSpec((3,), tf.float32), tf.TensorSpec((), tf.int32))
    return tf.data.Dataset.from_generator(pairs, output_signature=signature).shuffle(3, seed=1).batch(2)


@SOURCES.entry()
def generator_with_old_types(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.from_generator(pairs, (tf.float32, tf.int32), ([3], [])).map(lambda x, y: (x + 1.0, y))


@SOURCES.entry()
def generator_with_arguments(folder: Path) -> tf.data.Dataset:
    del folder

    def count(stop: int) -> Iterator[int]:
        yield from range(stop)

    return tf.data.Dataset.from_generator(count, args=[5], output_signature=tf.TensorSpec((), tf.int64))


@SOURCES.entry()
def endless_counter(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.counter(start=3, step=2).map(lambda x: x * 2).batch(4).take(20)


@SOURCES.entry()
def random_numbers(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.random(seed=4).take(9)


@SOURCES.entry(repeatable=False, same_signature=False)
def image_folder(folder: Path) -> tf.data.Dataset:
    return keras.utils.image_dataset_from_directory(folder / "images", image_size=(8, 8), batch_size=5, verbose=False)


@SOURCES.entry(repeatable=False)
def photographs(folder: Path) -> tf.data.Dataset:
    files = tf.data.Dataset.list_files(str(folder / "images/*/*.jpg")).shuffle(20)

    def augment(image: tf.Tensor) -> tf.Tensor:
        return tf.image.random_brightness(tf.image.random_flip_left_right(image), 0.2)

    return files.map(_decode, num_parallel_calls=2).map(augment).batch(4, drop_remainder=True).prefetch(1)


@SOURCES.entry(repeatable=False)
def photographs_cached(folder: Path) -> tf.data.Dataset:
    files = tf.data.Dataset.list_files(str(folder / "images/*/*.jpg"), shuffle=False)
    decoded = files.map(_decode, num_parallel_calls=tf.data.AUTOTUNE).cache()
    return decoded.shuffle(12).repeat(2).map(tf.image.random_flip_left_right).batch(5)


@SOURCES.entry()
def image_folder_in_order(folder: Path) -> tf.data.Dataset:
    images = keras.utils.image_dataset_from_directory(
        folder / "images", image_size=(8, 8), batch_size=5, shuffle=False, verbose=False
    )
    return images.map(lambda x, y: (x / 255.0, y)).prefetch(tf.data.AUTOTUNE)


@SOURCES.entry()
def image_folder_as_given(folder: Path) -> tf.data.Dataset:
    return keras.utils.image_dataset_from_directory(
        folder / "images", image_size=(8, 8), batch_size=5, shuffle=False, verbose=False
    )


@SOURCES.entry()
def text_folder(folder: Path) -> tf.data.Dataset:
    return keras.utils.text_dataset_from_directory(folder / "texts", batch_size=3, seed=5, verbose=False)


@SOURCES.entry()
def timeseries(folder: Path) -> tf.data.Dataset:
    del folder
    return keras.utils.timeseries_dataset_from_array(
        np.arange(40, dtype=np.float32), np.arange(40), sequence_length=5, batch_size=4
    )


@SOURCES.entry()
def arrays_in_memory(folder: Path) -> tf.data.Dataset:
    del folder
    x, y = np.arange(600, dtype=np.float32).reshape(100, 6), np.arange(100)
    return tf.data.Dataset.from_tensor_slices((x, {"label": y, "weight": y / 2})).shuffle(100, seed=2).batch(16)


@SOURCES.entry()
def one_tensor(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.from_tensors({"a": [1, 2, 3], "b": tf.constant([[1.0]])}).repeat(3)


@SOURCES.entry()
def saved_and_loaded(folder: Path) -> tf.data.Dataset:
    path = str(folder / "saved")
    if not Path(path).exists():
        tf.data.Dataset.range(6).save(path)
    return tf.data.Dataset.load(path).batch(2)


@SOURCES.entry()
def records_of_features(folder: Path) -> tf.data.Dataset:
    return tf.data.experimental.make_batched_features_dataset(
        _records(folder), 4, _FEATURES, num_epochs=1, shuffle=False, label_key="y"
    )
