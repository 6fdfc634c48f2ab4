"""Code for objects: it makes an equal one, or there is none."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner.tfdata.expressions import expression_of

FEATURES = [
    ("tf.io.FixedLenFeature([4], tf.float32)", tf.io.FixedLenFeature([4], tf.float32)),
    ("tf.io.FixedLenFeature([], tf.int64, default_value=0)", tf.io.FixedLenFeature([], tf.int64, 0)),
    ('tf.io.FixedLenFeature((), tf.string, default_value="")', tf.io.FixedLenFeature((), tf.string, "")),
    ("tf.io.FixedLenFeature((2,), tf.bool)", tf.io.FixedLenFeature((2,), tf.bool)),
    ("tf.io.VarLenFeature(tf.int64)", tf.io.VarLenFeature(tf.int64)),
    (
        "tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True)",
        tf.io.FixedLenSequenceFeature([], tf.int64, allow_missing=True),
    ),
    (
        'tf.io.SparseFeature(["i", "j"], "v", tf.float32, [10, 3], already_sorted=True)',
        tf.io.SparseFeature(["i", "j"], "v", tf.float32, [10, 3], already_sorted=True),
    ),
]


@pytest.mark.parametrize(("text", "value"), FEATURES)
def test_features_are_written_as_by_hand(text: str, value: Any) -> None:
    assert expression_of(value) == (text, ("import tensorflow as tf",))
    assert eval(text, {"tf": tf}) == value  # noqa: S307 - what was written


def test_a_default_that_is_an_array_is_written_with_its_import() -> None:
    made = expression_of(tf.io.FixedLenFeature([2], tf.float32, default_value=np.zeros(2, np.float32)))
    assert made is not None
    text, imports = made
    assert imports == ("import tensorflow as tf", "import numpy as np")
    again = eval(text, {"tf": tf, "np": np})  # noqa: S307 - what was written
    np.testing.assert_array_equal(again.default_value, np.zeros(2, np.float32))


@pytest.mark.parametrize("value", [tf.io.FixedLenFeature([object()], tf.int64), tf.io.FixedLenFeature([], "float32")])
def test_a_feature_of_strange_parts_has_no_code_or_the_same_meaning(value: Any) -> None:
    made = expression_of(value)
    assert made is None or eval(made[0], {"tf": tf}) == value  # noqa: S307 - what was written
