"""Segmentation: JPEG photographs with PNG masks, cropped and mirrored together.

Typical: two files per example, both decoded in every epoch; the mask must be resized without blending classes and must
move with its image, so the augmentation draws once per pair.
"""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiments.data import data_folder, photographs
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 800
SIDE, CROP = 80, 64
BATCH_SIZE = 16
CLASSES = 3
Pair = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """A mask for every photograph: dark, middle and bright regions, as PNG."""
    from PIL import Image

    for path in sorted(photographs(size).glob("*/*.jpg")):
        with Image.open(path) as photograph:
            grey = np.asarray(photograph.convert("L"))
        (folder / path.parent.name).mkdir(exist_ok=True)
        mask = np.digitize(grey, [85, 170]).astype(np.uint8)
        Image.fromarray(mask).save(folder / path.parent.name / f"{path.stem}.png")


def paths(size: int) -> tuple[list[str], list[str]]:
    """Photographs and masks, in the same order."""
    masks = sorted(data_folder("masks", size, write).glob("*/*.png"))
    images = [photographs(size) / mask.parent.name / f"{mask.stem}.jpg" for mask in masks]
    return [str(image) for image in images], [str(mask) for mask in masks]


def decode(image_path: tf.Tensor, mask_path: tf.Tensor) -> Pair:
    """One pair of the same size."""
    image = tf.io.decode_jpeg(tf.io.read_file(image_path), channels=3)
    image = tf.image.resize(image, [SIDE, SIDE]) / 255.0
    mask = tf.io.decode_png(tf.io.read_file(mask_path), channels=1)
    return image, tf.image.resize(mask, [SIDE, SIDE], method="nearest")


def augment(image: tf.Tensor, mask: tf.Tensor) -> Pair:
    """The same crop of both, and both mirrored or neither."""
    top = tf.random.uniform([], 0, SIDE - CROP + 1, tf.int32)
    left = tf.random.uniform([], 0, SIDE - CROP + 1, tf.int32)
    image = tf.slice(image, [top, left, 0], [CROP, CROP, 3])
    mask = tf.slice(mask, [top, left, 0], [CROP, CROP, 1])
    mirrored = tf.random.uniform([]) < 0.5  # noqa: PLR2004 - an even chance
    image = tf.where(mirrored, tf.reverse(image, [1]), image)
    return image, tf.where(mirrored, tf.reverse(mask, [1]), mask)


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.from_tensor_slices(paths(size)).shuffle(size)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel maps, cache after the costly one, prefetch."""
    dataset = tf.data.Dataset.from_tensor_slices(paths(size))
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE).cache().shuffle(size)
    dataset = dataset.map(augment, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def _crop(pixels: tf.Tensor, rows: tf.Tensor, columns: tf.Tensor) -> tf.Tensor:
    return tf.gather(tf.gather(pixels, rows, batch_dims=1), columns, axis=2, batch_dims=1)


crop = tf.function(_crop, jit_compile=True)


def augment_batch(images: tf.Tensor, masks: tf.Tensor) -> Pair:
    """What ``augment`` does, with draws of its own for every pair: a crop, mirrored or not, is two gathers."""
    each = [tf.shape(images)[0], 1]
    tops, lefts = (tf.random.uniform(each, 0, SIDE - CROP + 1, tf.int32) for _ in range(2))
    mirrored = tf.random.uniform(each) < 0.5  # noqa: PLR2004 - an even chance
    steps = tf.range(CROP)[None]
    columns = lefts + tf.where(mirrored, CROP - 1 - steps, steps)
    return crop(images, tops + steps, columns), crop(masks, tops + steps, columns)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Decoded once into tensors; crops and mirrors of a whole batch by one gather."""
    dataset = tf.data.Dataset.from_tensor_slices(paths(size))
    return gathered(all_rows(dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)), BATCH_SIZE, augment_batch)


def model_fn() -> keras.Model:
    """A very small encoder and decoder, compiled."""
    model = keras.Sequential(
        [
            keras.Input((CROP, CROP, 3)),
            keras.layers.Conv2D(16, 5, strides=4, padding="same", activation="relu"),
            keras.layers.Conv2DTranspose(CLASSES, 4, strides=4, padding="same"),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
