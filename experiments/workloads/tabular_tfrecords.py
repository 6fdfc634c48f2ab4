"""Tabular TFRecords: forty scalar features per example, as feature stores and Beam jobs export them.

Typical: examples are tiny, so the cost is in the calls, not in the bytes. Each example is parsed by itself because the
tutorials call ``parse_single_example``; parsing a batch at a time does the same for a tenth of the time.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiments.data import data_folder
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 40_000
BATCH_SIZE = 256
FLOATS, COUNTS, SHARDS = 26, 14, 8
NAMES = [f"float_{index:02d}" for index in range(FLOATS)] + [f"count_{index:02d}" for index in range(COUNTS)]
SPEC = {name: tf.io.FixedLenFeature([], tf.float32 if name.startswith("float") else tf.int64) for name in NAMES}
SPEC["label"] = tf.io.FixedLenFeature([], tf.int64)


def write(folder: Path, size: int) -> None:
    """Shards of serialised examples."""
    random = np.random.default_rng(1)
    for shard in range(SHARDS):
        with tf.io.TFRecordWriter(str(folder / f"part-{shard:02d}.tfrecord")) as writer:
            for _ in range(shard, size, SHARDS):
                writer.write(_example(random))


def _example(random: np.random.Generator) -> bytes:
    floats, counts = random.normal(size=FLOATS), random.integers(0, 1_000, COUNTS)
    feature = {
        name: tf.train.Feature(float_list=tf.train.FloatList(value=[value]))
        for name, value in zip(NAMES[:FLOATS], floats, strict=True)
    } | {
        name: tf.train.Feature(int64_list=tf.train.Int64List(value=[value]))
        for name, value in zip(NAMES[FLOATS:], counts, strict=True)
    }
    feature["label"] = tf.train.Feature(int64_list=tf.train.Int64List(value=[int(floats[0] > 0)]))
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def parse(serialized: tf.Tensor) -> dict[str, tf.Tensor]:
    """The features of one example."""
    return tf.io.parse_single_example(serialized, SPEC)


def to_row(features: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
    """One vector of comparable numbers, and the label; of one example or of a batch of them."""
    floats = [features[name] for name in NAMES[:FLOATS]]
    counts = [tf.math.log1p(tf.cast(features[name], tf.float32)) for name in NAMES[FLOATS:]]
    return tf.stack(floats + counts, axis=-1), features["label"]


def files(size: int) -> list[str]:
    """The shards."""
    return sorted(map(str, data_folder("tabular_tfrecords", size, write).glob("*.tfrecord")))


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.TFRecordDataset(files(size)).shuffle(10_000)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(to_row, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel interleave, vectorised maps, prefetch.

    Its cache stands before the shuffle and holds what was read; the maps behind it run on batches.
    """
    dataset = tf.data.Dataset.from_tensor_slices(files(size))
    dataset = dataset.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.cache().shuffle(10_000).batch(BATCH_SIZE)
    dataset = dataset.map(parse_batch, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def parse_batch(serialized: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Many examples at once."""
    return to_row(tf.io.parse_example(serialized, SPEC))


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Everything parsed in one call, then a gather per batch."""
    dataset = tf.data.TFRecordDataset(files(size), num_parallel_reads=2)
    return gathered(all_rows(dataset).map(parse_batch), BATCH_SIZE)


def model_fn() -> keras.Model:
    """A small perceptron, compiled."""
    model = keras.Sequential(
        [
            keras.Input((FLOATS + COUNTS,)),
            keras.layers.Dense(64, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
