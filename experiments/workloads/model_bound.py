"""Control: a model so slow that no pipeline matters.

Typical: training on the CPU, or a large model on a GPU. The pipeline is plain and idles most of the time; every change
to it is wasted, and the only right answer is to keep it, soon.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from experiments.workloads import in_memory_arrays

EPOCHS = 10
SIZE = 4_000
BATCH_SIZE = 32
CONTROL = True


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_tensor_slices(in_memory_arrays.arrays(size)).shuffle(1_000)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide has nothing to add to it."""
    return dataset_fn(size)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Row numbers are shuffled and batched; the images are gathered a batch at a time."""
    images, labels = map(tf.constant, in_memory_arrays.arrays(size))
    dataset = tf.data.Dataset.range(size).shuffle(size).batch(BATCH_SIZE)
    return dataset.map(lambda rows: (tf.gather(images, rows), tf.gather(labels, rows))).prefetch(2)


def model_fn() -> keras.Model:
    """A convolutional network that takes far longer than its input, compiled."""
    model = keras.Sequential(
        [
            keras.Input((32, 32, 3)),
            *(keras.layers.Conv2D(64, 3, padding="same", activation="relu") for _ in range(4)),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(10),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
