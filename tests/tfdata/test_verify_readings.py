"""Pipelines that two readings tell apart by chance, and files that a reading must not touch."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from autotuner.pipeline import Op
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier

CACHE = Op("wrong", "cache")


def noisy(x: np.ndarray) -> np.ndarray:
    return np.asarray(x + np.random.default_rng().random(), np.float64)


def test_python_randomness_frozen_by_a_cache_is_caught() -> None:
    def python() -> tf.data.Dataset:
        return tf.data.Dataset.range(8).map(lambda x: tf.numpy_function(noisy, [x], tf.float64)).map(lambda x: x * 2)

    verifier = Verifier(checked(record(python)))
    wrong = verifier.recorded.pipeline.insert_after("map[0]", CACHE)

    assert "freeze PyFunc" in verifier.check(wrong)


def test_what_cannot_be_read_twice_alike_is_never_passed() -> None:
    def python() -> tf.data.Dataset:
        return tf.data.Dataset.range(8).map(lambda x: tf.numpy_function(noisy, [x], tf.float64)).batch(2).batch(2)

    verifier = Verifier(checked(record(python)))
    pipeline = verifier.recorded.pipeline
    unbatched = pipeline.insert_after("map[0]", Op("take", "take", None, (("count", 8),)))

    assert "cannot be decided: two readings" in verifier.check(unbatched)
    # Above the noise only the first stage differs: what is below it is equal, and so are the stages above.
    assert not verifier.check(pipeline.insert_after("range[0]", CACHE))


def test_the_users_files_are_not_filled_with_a_short_epoch(tmp_path: Path) -> None:
    def kept() -> tf.data.Dataset:
        cached = tf.data.Dataset.range(500).map(tf.strings.as_string).cache(str(tmp_path / "cache"))
        return cached.snapshot(str(tmp_path / "snapshot")).map(tf.strings.length)

    verifier = Verifier(checked(record(kept)))
    analyse(verifier.recorded)

    assert not verifier.check(verifier.recorded.pipeline.insert_after("range[0]", CACHE))
    assert not list(tmp_path.iterdir())


def test_few_examples_in_the_same_order_by_chance_are_not_frozen() -> None:
    def two() -> tf.data.Dataset:
        return tf.data.Dataset.range(2).map(lambda x: x + 1).shuffle(2)

    for _ in range(5):
        verifier = Verifier(checked(record(two)))
        assert not verifier.check(verifier.recorded.pipeline.insert_after("map[0]", CACHE))
