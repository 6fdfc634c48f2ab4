"""Control: a pipeline that an expert has tuned already.

Typical: the second year of a project. Everything is parsed once and kept, a batch is one gather, and what is left to
gain is noise; the only right answer is to keep it, soon.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from experiments.workloads import tabular_tfrecords

EPOCHS = tabular_tfrecords.EPOCHS
SIZE = tabular_tfrecords.SIZE
CONTROL = True


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """What the expert made of the tabular records."""
    return tabular_tfrecords.expert_dataset_fn(size)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide has nothing to add to it."""
    return dataset_fn(size)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Neither has the expert."""
    return dataset_fn(size)


def model_fn() -> keras.Model:
    """That of the tabular records, compiled."""
    return tabular_tfrecords.model_fn()
