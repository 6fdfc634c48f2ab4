"""CSV shards: rows of numbers and a category, as databases export them.

Typical: a text line per example, parsed one by one in every epoch; half of the cost is finding numbers in text.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiments.data import data_folder
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 30_000
BATCH_SIZE = 128
COLUMNS, SHARDS = 16, 10
COLORS = ["blue", "green", "red"]
DEFAULTS: list[object] = [0, *[0.0] * COLUMNS, ""]
Row = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """Shards with a header line each."""
    random = np.random.default_rng(3)
    header = ",".join(["label", *(f"x{index}" for index in range(COLUMNS)), "color"])
    for shard in range(SHARDS):
        lines = [header]
        for _ in range(shard, size, SHARDS):
            numbers = ",".join(f"{value:.6f}" for value in random.normal(size=COLUMNS))
            lines.append(f"{random.integers(2)},{numbers},{COLORS[random.integers(3)]}")
        (folder / f"part-{shard:02d}.csv").write_text("\n".join(lines) + "\n")


def pattern(size: int) -> str:
    """Matches the shards."""
    return str(data_folder("csv_shards", size, write) / "*.csv")


def read(path: tf.Tensor) -> tf.data.Dataset:
    """The lines of one shard, without its header."""
    return tf.data.TextLineDataset(path).skip(1)


def parse(line: tf.Tensor) -> Row:
    """The numbers of one line, or of a batch of lines, with the category as three more."""
    label, *numbers, color = tf.io.decode_csv(line, DEFAULTS)
    matches = tf.cast(color[..., None] == tf.constant(COLORS), tf.float32)
    return tf.concat([tf.stack(numbers, axis=-1), matches], axis=-1), label


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.list_files(pattern(size))
    dataset = dataset.interleave(read, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.shuffle(5_000).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel interleave, vectorised map, cache where it is small, prefetch."""
    dataset = tf.data.Dataset.list_files(pattern(size), shuffle=False)
    dataset = dataset.interleave(read, num_parallel_calls=tf.data.AUTOTUNE).cache()
    dataset = dataset.shuffle(size).batch(BATCH_SIZE)
    return dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """All lines parsed in one call, then a gather per batch."""
    dataset = tf.data.Dataset.list_files(pattern(size), shuffle=False).interleave(read, cycle_length=SHARDS)
    return gathered(all_rows(dataset).map(parse), BATCH_SIZE)


def model_fn() -> keras.Model:
    """A small perceptron, compiled."""
    model = keras.Sequential(
        [
            keras.Input((COLUMNS + len(COLORS),)),
            keras.layers.Dense(32, activation="relu"),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
