"""Image classification from JPEG files, one folder per class.

Typical: the files are larger than what the model is fed, so decoding costs more than everything else together; the
augmentation is light and drawn anew for every image; the code is that of the usual guides, AUTOTUNE wherever they say
so. Decoding is the same work in every epoch, and nobody thinks of a cache because the folder looks large on disk.
"""

from __future__ import annotations

import os

import keras
import tensorflow as tf

from autotuner.cli.demo_images import CLASSES
from experiments.data import photographs
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 2_000
IMAGE_SIZE = 64
BATCH_SIZE = 32
CLASS_NAMES = list(CLASSES)


def decode(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """One photograph, and its label from the name of its folder."""
    label = tf.argmax(tf.strings.split(path, os.path.sep)[-2] == CLASS_NAMES)
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, [IMAGE_SIZE, IMAGE_SIZE])
    return image / 255.0, label


def augment(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Mirrors one photograph or not, and varies its contrast."""
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_contrast(image, 0.8, 1.2)
    return image, label


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.list_files(str(photographs(size) / "*" / "*.jpg"))
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel map, cache after the costly map, shuffle behind it, prefetch."""
    dataset = tf.data.Dataset.list_files(str(photographs(size) / "*" / "*.jpg"), shuffle=False)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.cache().shuffle(size)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def _vary(images: tf.Tensor, mirrored: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    images = tf.where(mirrored, tf.reverse(images, [2]), images)
    means = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return (images - means) * factors + means


vary = tf.function(_vary, jit_compile=True)


def augment_batch(images: tf.Tensor, labels: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """What ``augment`` does, with draws of its own for every image of a batch; XLA fuses it to one pass."""
    each = [tf.shape(images)[0], 1, 1, 1]
    mirrored = tf.random.uniform(each) < 0.5  # noqa: PLR2004 - an even chance
    return vary(images, mirrored, tf.random.uniform(each, 0.8, 1.2)), labels


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Decoded once into one tensor, then a gather and an augmentation of the whole batch."""
    dataset = tf.data.Dataset.list_files(str(photographs(size) / "*" / "*.jpg"), shuffle=False)
    decoded = all_rows(dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE))
    return gathered(decoded, BATCH_SIZE, augment_batch)


def model_fn() -> keras.Model:
    """A small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
            keras.layers.Conv2D(16, 5, strides=4, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(CLASS_NAMES)),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
