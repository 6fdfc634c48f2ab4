"""An input pipeline and a model as the TensorFlow guides write them: photographs in one folder per class."""

from __future__ import annotations

import os
from pathlib import Path

import keras
import tensorflow as tf

IMAGES = Path(__file__).parent / "images"
IMAGE_SIZE = 64
CLASS_NAMES = ["astronaut", "cat", "coffee", "galaxies", "motorcycle", "retina", "rocket", "tissue"]


def decode(path: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Read one photograph, and its label from the name of its folder."""
    label = tf.argmax(tf.strings.split(path, os.path.sep)[-2] == CLASS_NAMES)
    image = tf.io.decode_jpeg(tf.io.read_file(path), channels=3)
    image = tf.image.resize(image, [IMAGE_SIZE, IMAGE_SIZE])
    return image / 255.0, label


def augment(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Vary one photograph, differently each time it is seen."""
    image = tf.image.random_flip_left_right(image)
    image = tf.image.random_contrast(image, 0.8, 1.2)
    return image, label


def dataset_fn(folder: str | Path = IMAGES, batch_size: int = 32) -> tf.data.Dataset:
    """Batches of (images, labels), shuffled anew each epoch."""
    dataset = tf.data.Dataset.list_files(str(Path(folder) / "*" / "*.jpg"))
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(batch_size).prefetch(tf.data.AUTOTUNE)


def model_fn() -> keras.Model:
    """A small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
            keras.layers.Conv2D(16, 5, strides=4, activation="relu"),
            keras.layers.Conv2D(32, 3, strides=2, activation="relu"),
            keras.layers.Conv2D(64, 3, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(CLASS_NAMES)),
        ]
    )
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(optimizer="adam", loss=loss, metrics=["accuracy"])
    return model
