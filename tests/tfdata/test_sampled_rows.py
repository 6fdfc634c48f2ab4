"""Rows that functions are tried on are found behind whatever lets few of them through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record


def halve(row: Any) -> Any:
    return row / 2.0


MANY = np.arange(900, dtype=np.float32).reshape(300, 3)


@pytest.mark.parametrize(
    ("make", "vectorizes", "compiles"),
    [
        (lambda: tf.data.Dataset.from_tensor_slices(MANY).batch(100).map(halve), "", True),
        (lambda: tf.data.Dataset.from_tensor_slices(MANY).filter(lambda x: x[0] > 400).map(halve), "native", True),
        (lambda: tf.data.Dataset.from_tensor_slices(MANY).batch(300).map(halve), "", False),
    ],
    ids=["large batches", "few pass", "one batch"],
)
def test_where_few_elements_come_of_many_more_are_read(
    make: Callable[[], tf.data.Dataset],
    vectorizes: str,
    compiles: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    recorded = checked(record(make))
    found = with_batching(recorded, analyse(recorded))["map[halve]"]
    assert (found.vectorizes or "", found.jit_compiles) == (vectorizes, compiles), found.vectorize_refusal
    assert ("too few elements" in found.vectorize_refusal) == (not compiles)
