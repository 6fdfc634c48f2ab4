"""Sequences of different lengths, batched with others of about their length.

Typical: translation and speech. Examples with a variable-length feature are parsed one by one, and
``bucket_by_sequence_length`` pads within a bucket; the shapes are few, so that the model compiles few times.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiments.data import data_folder

EPOCHS = 20
SIZE = 20_000
BATCH_SIZE = 64
WORDS = 1_000
BOUNDARIES = [17, 33, 49, 65]
SPEC = {
    "tokens": tf.io.RaggedFeature(tf.int64),
    "label": tf.io.FixedLenFeature([], tf.int64),
}
Example = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """Word numbers, 4 to 64 of them."""
    random = np.random.default_rng(11)
    with tf.io.TFRecordWriter(str(folder / "sequences.tfrecord")) as writer:
        for _ in range(size):
            numbers = random.integers(1, WORDS, random.integers(4, 65))
            tokens = tf.train.Feature(int64_list=tf.train.Int64List(value=numbers))
            label = tf.train.Feature(int64_list=tf.train.Int64List(value=[numbers[0] % 2]))
            features = tf.train.Features(feature={"tokens": tokens, "label": label})
            writer.write(tf.train.Example(features=features).SerializeToString())


def file(size: int) -> str:
    """The sequences."""
    return str(data_folder("bucketed_sequences", size, write) / "sequences.tfrecord")


def parse(serialized: tf.Tensor) -> Example:
    """One sequence and its label; or a ragged batch of them."""
    features = tf.io.parse_single_example(serialized, SPEC)
    return features["tokens"], features["label"]


def length(tokens: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Of one sequence."""
    del label
    return tf.shape(tokens)[0]


def bucketed(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches padded to the end of their bucket."""
    return dataset.bucket_by_sequence_length(
        length, BOUNDARIES, [BATCH_SIZE] * (len(BOUNDARIES) + 1), pad_to_bucket_boundary=True
    )


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.TFRecordDataset(file(size)).shuffle(2_000)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return bucketed(dataset).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel map, cache behind it, prefetch."""
    dataset = tf.data.TFRecordDataset(file(size)).map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return bucketed(dataset.cache().shuffle(2_000)).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """A padded tensor for each bucket, kept; in each epoch every bucket is permuted and cut, and the batches mixed."""

    def buckets(serialized: tf.Tensor) -> tuple[Example, ...]:
        features = tf.io.parse_example(serialized, SPEC)
        tokens, labels = features["tokens"], features["label"]
        lengths = tokens.row_lengths()
        found = []
        for low, high in zip([0, *BOUNDARIES], BOUNDARIES, strict=False):
            rows = tf.where((lengths >= low) & (lengths < high))[:, 0]
            padded = tf.gather(tokens, rows).to_tensor(shape=[None, high - 1])
            found.append((padded, tf.gather(labels, rows)))
        return tuple(found)

    def epoch(*kept: Example) -> tf.data.Dataset:
        batches = [rows_of(index, tf.shape(labels, tf.int64)[0]) for index, (_, labels) in enumerate(kept)]
        joined = batches[0]
        for other in batches[1:]:
            joined = joined.concatenate(other)

        def gather(bucket: tf.Tensor, rows: tf.Tensor) -> Example:
            branches = [
                lambda tokens=tokens, labels=labels: (tf.gather(tokens, rows), tf.gather(labels, rows))
                for tokens, labels in kept
            ]
            return tf.switch_case(bucket, branches)

        return joined.shuffle(size // BATCH_SIZE + len(BOUNDARIES)).map(gather, num_parallel_calls=2)

    whole = tf.data.TFRecordDataset(file(size)).batch(1 << 40).map(buckets)
    return whole.cache().flat_map(epoch).prefetch(4)


def rows_of(bucket: int, count: tf.Tensor) -> tf.data.Dataset:
    """Permuted row numbers of one bucket, a batch at a time, with the bucket's number."""
    rows = tf.data.Dataset.range(count).shuffle(tf.maximum(count, 1)).batch(BATCH_SIZE)
    return rows.map(lambda numbers: (bucket, numbers))


def model_fn() -> keras.Model:
    """The mean of word vectors, compiled."""
    model = keras.Sequential(
        [
            keras.Input((None,), dtype="int64"),
            keras.layers.Embedding(WORDS, 8),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
