"""The sources of what stands in for adjustments of ``tf.image``; the worker runs the same functions."""

from __future__ import annotations

from dataclasses import replace

from autotuner.pipeline import Captured, FnRef
from autotuner.pipeline.adjustments import adjustments_in, with_own_adjustments

SOURCES = {
    "random_contrast": '''def random_contrast(image, lower, upper, seed=None):
    """Do what tf.image.random_contrast does to one image, so that tf.vectorized_map can batch it."""
    if image.dtype != tf.float32 or image.shape.rank != 3:
        raise ValueError(f"the contrast of single float32 images only, not of {image.dtype.name} {image.shape}")
    factor = tf.random.uniform([], lower, upper, seed=seed)
    mean = tf.reduce_mean(tf.reduce_mean(image, 0, keepdims=True), 1, keepdims=True)
    mean = tf.tile(mean, [1, tf.shape(image)[1], 1])  # whole lines are broadcast faster than single pixels
    return (image - mean) * factor + mean''',
    "random_saturation": '''def random_saturation(image, lower, upper, seed=None):
    """Do what tf.image.random_saturation does to one image, so that tf.vectorized_map can batch it."""
    if image.dtype != tf.float32 or image.shape.rank != 3:
        raise ValueError(f"the saturation of single float32 images only, not of {image.dtype.name} {image.shape}")
    factor = tf.random.uniform([], lower, upper, seed=seed)
    red, green, blue = tf.unstack(image, 3, axis=2)
    most = tf.maximum(tf.maximum(red, green), blue)
    least = tf.minimum(tf.minimum(red, green), blue)
    # A saturation is never above 1, and 0 where a pixel has no light.
    share = tf.maximum(tf.minimum(factor, tf.math.divide_no_nan(most, most - least)), 0.0)
    return tf.stack([most + (colour - most) * share for colour in (red, green, blue)], axis=2)''',
}
_TENSORFLOW = Captured("tf", "module tensorflow", "tf", ("import tensorflow as tf",), digest="tf")


def adjusting(function: FnRef) -> FnRef | None:
    """``function`` with its adjustments exchanged and bound to :data:`SOURCES`; ``None`` where it calls none."""
    names = adjustments_in(function.source)
    if function.source is None or not names or not names.isdisjoint(function.bindings):
        return None
    own = {name: own_adjustment(name) for name in sorted(names)}
    source = with_own_adjustments(function.source)
    return replace(function, importable=False, source=source, bindings={**function.bindings, **own})


def own_adjustment(name: str) -> FnRef:
    """What stands in for the function of ``tf.image`` with this name."""
    return FnRef(key=name, name=name, source=SOURCES[name], bindings={"tf": _TENSORFLOW}, digest=name)
