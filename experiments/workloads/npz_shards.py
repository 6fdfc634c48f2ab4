"""NumPy archives read through ``interleave`` and ``numpy_function``: what people do with files TensorFlow cannot read.

Typical: each archive holds a few dozen examples; NumPy runs under Python's lock, so the reading is never parallel,
however many calls are allowed; and every epoch unpacks everything again.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from experiments.data import data_folder
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 5_000
BATCH_SIZE = 32
PER_FILE = 50
SHAPE = (32, 32, 3)
Example = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """Compressed archives of ``PER_FILE`` examples."""
    random = np.random.default_rng(6)
    for start in range(0, size, PER_FILE):
        count = min(PER_FILE, size - start)
        data = np.round(random.random((count, *SHAPE)) * 64) / 64
        labels = random.integers(0, 10, count).astype(np.int32)
        np.savez_compressed(folder / f"data-{start:06d}.npz", data=data.astype(np.float32), labels=labels)


def files(size: int) -> list[str]:
    """The archives."""
    return sorted(map(str, data_folder("npz_shards", size, write).glob("*.npz")))


def load(path: bytes) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """One archive."""
    with np.load(path.decode()) as archive:
        return archive["data"], archive["labels"]


def load_tensors(path: tf.Tensor) -> Example:
    """The same with the shapes that NumPy cannot tell."""
    data, labels = tf.numpy_function(load, [path], (tf.float32, tf.int32))
    return tf.ensure_shape(data, [None, *SHAPE]), tf.ensure_shape(labels, [None])


def read(path: tf.Tensor) -> tf.data.Dataset:
    """The examples of one archive."""
    return tf.data.Dataset.from_tensor_slices(load_tensors(path))


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_tensor_slices(files(size))
    dataset = dataset.interleave(read, cycle_length=tf.data.AUTOTUNE, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.shuffle(1_000).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel interleave, cache, prefetch."""
    dataset = tf.data.Dataset.from_tensor_slices(files(size))
    dataset = dataset.interleave(read, cycle_length=tf.data.AUTOTUNE, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.cache().shuffle(1_000).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Whole archives read once and joined, then a gather per batch."""
    archives = tf.data.Dataset.from_tensor_slices(files(size)).map(load_tensors, num_parallel_calls=2)
    return gathered(all_rows(archives.unbatch()), BATCH_SIZE)


def model_fn() -> keras.Model:
    """A very small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input(SHAPE),
            keras.layers.Conv2D(8, 3, strides=4, activation="relu"),
            keras.layers.Flatten(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
