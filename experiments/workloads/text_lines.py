"""Text lines with a label each, turned into word numbers by Keras' ``TextVectorization``.

Typical: sentiment and intent classification. Splitting and looking up words costs the same for one line as a fraction
of it does in a batch, and its result never changes.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiments.data import data_folder
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 20_000
BATCH_SIZE = 64
LENGTH = 48
WORDS = [
    a + b + c for a in "bdfgklmnprst" for b in ("a", "e", "i", "o", "u") for c in ("ran", "sel", "tik", "mon", "ver")
]


def write(folder: Path, size: int) -> None:
    """One file; words are drawn as languages use them, few often and many seldom."""
    random = np.random.default_rng(4)
    chances = 1 / np.arange(1, len(WORDS) + 1)
    chances /= chances.sum()
    lines = []
    for _ in range(size):
        words = random.choice(WORDS, random.integers(8, 60), p=chances)
        lines.append(f"{random.integers(2)}\t{' '.join(words).capitalize()}.")
    (folder / "reviews.txt").write_text("\n".join(lines) + "\n")


def file(size: int) -> str:
    """The lines."""
    return str(data_folder("text_lines", size, write) / "reviews.txt")


def split(line: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Text and label of one line."""
    parts = tf.strings.split(line, "\t")
    return parts[1], tf.strings.to_number(parts[0], tf.int32)


def vectorization() -> keras.layers.TextVectorization:
    """The layer, with a fixed vocabulary."""
    return keras.layers.TextVectorization(output_sequence_length=LENGTH, vocabulary=WORDS)


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    layer = vectorization()
    dataset = tf.data.TextLineDataset(file(size)).shuffle(5_000)
    dataset = dataset.map(split, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(lambda text, label: (layer(text), label), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: cache of what is small, vectorised map, prefetch."""
    layer = vectorization()
    dataset = tf.data.TextLineDataset(file(size)).map(split, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.cache().shuffle(5_000).batch(BATCH_SIZE)
    dataset = dataset.map(lambda text, label: (layer(text), label), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Everything split and looked up in a few large calls, kept as one tensor of numbers."""
    layer = vectorization()

    def numbers(lines: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        labels = tf.strings.to_number(tf.strings.substr(lines, 0, 1), tf.int32)
        return layer(tf.strings.substr(lines, 2, 1 << 20)), labels

    dataset = tf.data.TextLineDataset(file(size)).batch(1_000).map(numbers, num_parallel_calls=2)
    return gathered(all_rows(dataset.unbatch()), BATCH_SIZE)


def model_fn() -> keras.Model:
    """The mean of word vectors, compiled."""
    model = keras.Sequential(
        [
            keras.Input((LENGTH,), dtype="int64"),
            keras.layers.Embedding(len(WORDS) + 2, 8),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
