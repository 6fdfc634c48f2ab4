"""TFRecords of JPEG images, of which only some labels are wanted.

Typical: one large shared data set and a task on a part of it. The filter stands where it was easiest to write, behind
the decoding, so that most images are decoded only to be thrown away.
"""

from __future__ import annotations

from pathlib import Path

import keras
import tensorflow as tf

from autotuner.cli.demo_images import CLASSES
from experiments.data import data_folder, photographs
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 2_000
IMAGE_SIZE = 64
BATCH_SIZE = 16
SHARDS = 8
WANTED = (1, 6)
SPEC = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
Example = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """The photographs of all classes, mixed, in shards."""
    paths = sorted(photographs(size).glob("*/*.jpg"), key=lambda path: path.stem)
    for shard in range(SHARDS):
        with tf.io.TFRecordWriter(str(folder / f"part-{shard}.tfrecord")) as writer:
            for path in paths[shard::SHARDS]:
                image = tf.train.Feature(bytes_list=tf.train.BytesList(value=[path.read_bytes()]))
                number = CLASSES.index(path.parent.name)
                label = tf.train.Feature(int64_list=tf.train.Int64List(value=[number]))
                features = tf.train.Features(feature={"image": image, "label": label})
                writer.write(tf.train.Example(features=features).SerializeToString())


def files(size: int) -> list[str]:
    """The shards."""
    return sorted(map(str, data_folder("tfrecord_images", size, write).glob("*.tfrecord")))


def parse(serialized: tf.Tensor) -> Example:
    """The encoded image and the label of one record."""
    features = tf.io.parse_single_example(serialized, SPEC)
    return features["image"], features["label"]


def decode(encoded: tf.Tensor, label: tf.Tensor) -> Example:
    """One image."""
    image = tf.image.resize(tf.io.decode_jpeg(encoded, channels=3), [IMAGE_SIZE, IMAGE_SIZE])
    return image / 255.0, label


def is_wanted(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """Keeps two labels of eight."""
    del image
    return tf.reduce_any(label == WANTED)


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.TFRecordDataset(files(size)).shuffle(500)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.filter(is_wanted).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def _kept(size: int) -> tf.data.Dataset:
    """Decoded images of the wanted labels; nothing else was decoded."""
    dataset = tf.data.Dataset.from_tensor_slices(files(size))
    dataset = dataset.interleave(tf.data.TFRecordDataset, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(parse, num_parallel_calls=tf.data.AUTOTUNE).filter(is_wanted)
    return dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: interleave, parallel maps, cache after the costly one, prefetch."""
    return _kept(size).cache().shuffle(500).batch(BATCH_SIZE).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Filtered, then decoded once into a tensor."""
    return gathered(all_rows(_kept(size)), BATCH_SIZE)


def model_fn() -> keras.Model:
    """A small convolutional network, compiled."""
    model = keras.Sequential(
        [
            keras.Input((IMAGE_SIZE, IMAGE_SIZE, 3)),
            keras.layers.Conv2D(16, 5, strides=4, activation="relu"),
            keras.layers.GlobalAveragePooling2D(),
            keras.layers.Dense(len(CLASSES)),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.SparseCategoricalCrossentropy(from_logits=True))
    return model
