"""Images from a folder through Keras' own utility, augmented by Keras layers in a map.

Typical: the transfer learning tutorials. ``image_dataset_from_directory`` decodes and batches, the layers draw for
each image of a batch, and the decoding repeats in every epoch.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from experiments.data import photographs
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 2_000
IMAGE_SIZE = 64
BATCH_SIZE = 32
SHIFT, CONTRAST = 0.1, 0.2
Example = tuple[tf.Tensor, tf.Tensor]


def augmentation() -> keras.Sequential:
    """Mirrors, turns and varies the contrast."""
    return keras.Sequential(
        [
            keras.layers.RandomFlip("horizontal"),
            keras.layers.RandomTranslation(SHIFT, SHIFT),
            keras.layers.RandomContrast(CONTRAST, value_range=(0, 255)),
        ]
    )


def decoded(size: int, *, shuffle: bool) -> tf.data.Dataset:
    """Batches of decoded images."""
    return keras.utils.image_dataset_from_directory(
        photographs(size),
        image_size=(IMAGE_SIZE, IMAGE_SIZE),
        batch_size=BATCH_SIZE,
        shuffle=shuffle,
        verbose=False,
    )


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    layers = augmentation()
    dataset = decoded(size, shuffle=True)
    dataset = dataset.map(lambda x, y: (layers(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: cache behind the decoding, shuffle behind the cache, prefetch."""
    layers = augmentation()
    dataset = decoded(size, shuffle=False).unbatch().cache().shuffle(size).batch(BATCH_SIZE)
    dataset = dataset.map(lambda x, y: (layers(x, training=True), y), num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.prefetch(tf.data.AUTOTUNE)


def _moved(images: tf.Tensor, shifts: tf.Tensor, axis: int) -> tf.Tensor:
    """Moves each image along one axis by a fraction of it, mirrored at its edges, with linear interpolation."""
    places = tf.range(IMAGE_SIZE, dtype=tf.float32)[None] - shifts * IMAGE_SIZE
    places = tf.where(places < 0, -places - 1, tf.where(places >= IMAGE_SIZE, 2 * IMAGE_SIZE - 1 - places, places))
    places = tf.clip_by_value(places, 0.0, IMAGE_SIZE - 1.0)
    low = tf.floor(places)
    share = tf.reshape(places - low, [-1, IMAGE_SIZE, 1, 1] if axis == 1 else [-1, 1, IMAGE_SIZE, 1])
    first = tf.cast(low, tf.int32)
    second = tf.minimum(first + 1, IMAGE_SIZE - 1)
    left, right = (tf.gather(images, rows, axis=axis, batch_dims=1) for rows in (first, second))
    return left + (right - left) * share


def _vary(images: tf.Tensor, mirrored: tf.Tensor, down: tf.Tensor, across: tf.Tensor, factors: tf.Tensor) -> tf.Tensor:
    images = tf.where(mirrored, tf.reverse(images, [2]), images)
    images = _moved(_moved(images, down, 1), across, 2)
    means = tf.reduce_mean(images, axis=[1, 2], keepdims=True)
    return tf.clip_by_value((images - means) * factors + means, 0.0, 255.0)


vary = tf.function(_vary, jit_compile=True)


def augment_batch(images: tf.Tensor, labels: tf.Tensor) -> Example:
    """What the three layers do, with draws of its own for every image of a batch; XLA fuses it."""
    count = tf.shape(images)[0]
    mirrored = tf.random.uniform([count, 1, 1, 1]) <= 0.5  # noqa: PLR2004 - an even chance
    down, across = (tf.random.uniform([count, 1], -SHIFT, SHIFT) for _ in range(2))
    factors = tf.random.uniform([count, 1, 1, 1], 1.0, 1.0 + CONTRAST)  # Keras 3 never lowers it for a single number
    return vary(images, mirrored, down, across, factors), labels


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Decoded once into one tensor; a gather, then the layers' arithmetic under XLA."""
    return gathered(all_rows(decoded(size, shuffle=False).unbatch()), BATCH_SIZE, augment_batch)


def model_fn() -> keras.Model:
    """A small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
            keras.layers.Rescaling(1 / 255),
            keras.layers.Conv2D(16, 5, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(8),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
