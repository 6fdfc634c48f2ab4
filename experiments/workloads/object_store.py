"""Object store: many TFRecord files, and 30 ms pass before the first byte of each one comes.

Typical: data in a bucket. The cores idle; what is needed is many requests at once, and AUTOTUNE neither opens more
files than there are cores nor gives the waiting threads of their own. The wait is TensorFlow's own sleeping stage at
each open: like a request, it holds a thread, but no core and no Python lock.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.data.experimental.ops import testing

from experiments.data import data_folder
from experiments.rows import all_rows, gathered

EPOCHS = 10
SIZE = 96
BATCH_SIZE = 64
PER_FILE = 32
LATENCY_MICROSECONDS = 30_000
REQUESTS = 64
WIDTH = 64
SPEC = {"x": tf.io.FixedLenFeature([WIDTH], tf.float32), "label": tf.io.FixedLenFeature([], tf.int64)}
Example = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """``size`` files."""
    random = np.random.default_rng(9)
    for index in range(size):
        with tf.io.TFRecordWriter(str(folder / f"object-{index:05d}.tfrecord")) as writer:
            for _ in range(PER_FILE):
                x = tf.train.Feature(float_list=tf.train.FloatList(value=random.normal(size=WIDTH)))
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[random.integers(2)]))
                features = tf.train.Features(feature={"x": x, "label": label})
                writer.write(tf.train.Example(features=features).SerializeToString())


def pattern(size: int) -> str:
    """Matches the files."""
    return str(data_folder("object_store", size, write) / "*.tfrecord")


def requested(path: tf.Tensor) -> tf.data.Dataset:
    """The records of one object, after the wait for its first byte."""
    return tf.data.Dataset.from_tensors(path).apply(wait).flat_map(tf.data.TFRecordDataset)


def wait(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Every element comes later."""
    return dataset.apply(testing.sleep(LATENCY_MICROSECONDS))


def parse(serialized: tf.Tensor) -> Example:
    """One example."""
    features = tf.io.parse_single_example(serialized, SPEC)
    return features["x"], features["label"]


def parse_batch(serialized: tf.Tensor) -> Example:
    """Many examples at once."""
    features = tf.io.parse_example(serialized, SPEC)
    return features["x"], features["label"]


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.list_files(pattern(size))
    dataset = dataset.interleave(requested, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE).shuffle(1_000)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel interleave, vectorised map, cache, prefetch."""
    dataset = tf.data.Dataset.list_files(pattern(size), shuffle=False)
    dataset = dataset.interleave(requested, num_parallel_calls=tf.data.AUTOTUNE).cache()
    dataset = dataset.shuffle(1_000).batch(BATCH_SIZE)
    return dataset.map(parse_batch, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As many requests as threads to wait for them; all parsed in one call and kept, then a gather per batch."""
    dataset = tf.data.Dataset.list_files(pattern(size), shuffle=False)
    dataset = dataset.interleave(requested, cycle_length=REQUESTS, num_parallel_calls=REQUESTS)
    options = tf.data.Options()
    options.threading.private_threadpool_size = REQUESTS
    return gathered(all_rows(dataset).map(parse_batch), BATCH_SIZE).with_options(options)


def model_fn() -> keras.Model:
    """A small perceptron, compiled."""
    model = keras.Sequential(
        [
            keras.Input((WIDTH,)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
