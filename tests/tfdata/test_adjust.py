"""The adjustments that can be batched: what tf.image's own make of an image, drawn for every row."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.emit.adjustments import SOURCES
from autotuner.pipeline.adjustments import ADJUSTMENTS
from autotuner.tfdata import adjust
from autotuner.tfdata.derive import derive

_SMALL = 1e-6


def own(name: str) -> Callable[..., Any]:
    function: Callable[..., Any] = getattr(adjust, name)
    return function


@pytest.mark.parametrize("name", ADJUSTMENTS)
@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    factor=st.floats(0.0, 5.0),
    scale=st.sampled_from([0.0, 0.01, 1.0, 255.0]),
    offset=st.sampled_from([0.0, -0.5, 1.0]),
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
)
def test_an_image_becomes_what_tf_image_makes_of_it(
    name: str, seed: int, factor: float, scale: float, offset: float, size: tuple[int, int]
) -> None:
    image = (np.random.default_rng(seed).random((*size, 3), dtype=np.float32) + np.float32(offset)) * np.float32(scale)
    narrow = (tf.constant(image), factor, factor + _SMALL)  # what is drawn between them makes no difference
    expected, found = getattr(tf.image, name)(*narrow), own(name)(*narrow)
    np.testing.assert_allclose(found, expected, rtol=2e-5, atol=2e-5 * max(scale, 1e-3))


@pytest.mark.parametrize("name", ADJUSTMENTS)
def test_every_row_of_a_batch_draws_on_its_own(name: str) -> None:
    images = np.repeat(np.random.default_rng(0).random((1, 4, 4, 3), dtype=np.float32), 64, axis=0)

    def vary(image: Any) -> Any:
        return getattr(tf.image, name)(image, 0.2, 0.9)

    [rows] = tf.data.Dataset.from_tensors(images).map(derive("vectorized_adjust", (), (vary,)))
    assert len(np.unique(rows, axis=0)) == len(images)


@pytest.mark.parametrize("name", ADJUSTMENTS)
@pytest.mark.parametrize("image", [tf.zeros([4, 4, 3], tf.uint8), tf.zeros([2, 4, 4, 3])], ids=["bytes", "images"])
def test_what_might_be_rounded_or_averaged_otherwise_is_refused(name: str, image: tf.Tensor) -> None:
    with pytest.raises(ValueError, match="single float32 images only"):
        own(name)(image, 0.5, 1.5)


def test_tf_image_has_its_own_functions_again_even_after_an_error() -> None:
    theirs = [getattr(tf.image, name) for name in ADJUSTMENTS]
    with pytest.raises(ValueError, match="images only"), adjust.own_adjustments():
        tf.image.random_contrast(tf.zeros([4, 4, 3], tf.uint8), 0.5, 1.5)
    assert [getattr(tf.image, name) for name in ADJUSTMENTS] == theirs


@pytest.mark.parametrize("name", ADJUSTMENTS)
def test_emitted_code_holds_the_very_function(name: str) -> None:
    assert re.sub(r"(: | -> )Any", "", inspect.getsource(own(name))).replace("seed = None", "seed=None") == (
        SOURCES[name] + "\n"
    )
