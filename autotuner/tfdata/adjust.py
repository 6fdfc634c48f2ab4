"""Adjustments of single images, in operations that ``tf.vectorized_map`` can batch.

``tf.image`` calls kernels that take one factor for all images they are given; here the factor may be one of each row.
Emitted code holds the very same functions.
"""

# ruff: noqa: PLR2004 - an image has three dimensions: lines, pixels, colours

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import tensorflow as tf

from autotuner.pipeline.adjustments import ADJUSTMENTS


def random_contrast(image: Any, lower: Any, upper: Any, seed: Any = None) -> Any:
    """Do what tf.image.random_contrast does to one image, so that tf.vectorized_map can batch it."""
    if image.dtype != tf.float32 or image.shape.rank != 3:
        raise ValueError(f"the contrast of single float32 images only, not of {image.dtype.name} {image.shape}")
    factor = tf.random.uniform([], lower, upper, seed=seed)
    mean = tf.reduce_mean(tf.reduce_mean(image, 0, keepdims=True), 1, keepdims=True)
    mean = tf.tile(mean, [1, tf.shape(image)[1], 1])  # whole lines are broadcast faster than single pixels
    return (image - mean) * factor + mean


def random_saturation(image: Any, lower: Any, upper: Any, seed: Any = None) -> Any:
    """Do what tf.image.random_saturation does to one image, so that tf.vectorized_map can batch it."""
    if image.dtype != tf.float32 or image.shape.rank != 3:
        raise ValueError(f"the saturation of single float32 images only, not of {image.dtype.name} {image.shape}")
    factor = tf.random.uniform([], lower, upper, seed=seed)
    red, green, blue = tf.unstack(image, 3, axis=2)
    most = tf.maximum(tf.maximum(red, green), blue)
    least = tf.minimum(tf.minimum(red, green), blue)
    # A saturation is never above 1, and 0 where a pixel has no light.
    share = tf.maximum(tf.minimum(factor, tf.math.divide_no_nan(most, most - least)), 0.0)
    return tf.stack([most + (colour - most) * share for colour in (red, green, blue)], axis=2)


@contextlib.contextmanager
@tf.autograph.experimental.do_not_convert
def own_adjustments() -> Iterator[None]:
    """Has ``tf.image`` call the functions of this module."""
    theirs = {name: getattr(tf.image, name) for name in ADJUSTMENTS}
    for name in ADJUSTMENTS:
        setattr(tf.image, name, globals()[name])
    try:
        yield
    finally:
        for name, function in theirs.items():
            setattr(tf.image, name, function)
