"""Python code that is stated to repeat itself: kept where it does, and not believed where it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner import deterministic
from autotuner.pipeline import Configuration
from autotuner.rewrites import apply, find_sites
from autotuner.tfdata.examine import examine
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier

ROWS = np.random.default_rng(0).random((20, 4), dtype=np.float32)
SPEC = tf.TensorSpec([4], tf.float32)


def called(function: Callable[[Any], Any], row: Any, shape: list[int | None]) -> Any:
    return tf.ensure_shape(tf.numpy_function(function, [row], tf.float32), shape)


@deterministic
def rolled(row: Any) -> Any:
    return called(lambda values: np.roll(values, 1), row, [4])


@deterministic
def noisy(row: Any) -> Any:
    return called(lambda values: values + np.float32(np.random.default_rng().random()), row, [4])


@deterministic
def rolled_and_noisy(row: Any) -> Any:
    return rolled(row) + tf.random.uniform([])


@deterministic
def read(number: Any) -> Any:
    return tf.data.Dataset.from_tensor_slices(called(lambda n: ROWS[:3] + np.float32(n), number, [None, 4]))


@deterministic
def generated() -> Iterator[Any]:
    yield from ROWS


@deterministic
def in_any_order() -> Iterator[Any]:
    yield from np.random.default_rng().permutation(ROWS)


def mapped(function: Callable[[Any], Any]) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices(ROWS).shuffle(20).map(function).batch(4)


def from_generator(generator: Callable[[], Iterator[Any]]) -> tf.data.Dataset:
    return tf.data.Dataset.from_generator(generator, output_signature=SPEC).batch(4)


def interleaved() -> tf.data.Dataset:
    return tf.data.Dataset.range(4).interleave(read, num_parallel_calls=2).shuffle(9).batch(4)


@pytest.mark.parametrize(
    ("dataset_fn", "after"),
    [
        (lambda: mapped(rolled), "map[rolled]"),
        (interleaved, "interleave[read]"),
        (lambda: from_generator(generated), "from_generator[generated]"),
        (lambda: from_generator(deterministic(lambda: iter(ROWS))), "from_generator[0]"),
    ],
    ids=["map", "interleave", "generator", "lambda"],
)
@pytest.mark.parametrize("decision", ["cache.after", "materialise.after"])
def test_what_repeats_itself_is_kept(dataset_fn: Callable[[], tf.data.Dataset], after: str, decision: str) -> None:
    recorded = checked(record(dataset_fn))
    changed = apply(recorded.pipeline, examine(recorded), Configuration({decision: after}))
    assert any(op.kind == "cache" for op in changed.ops)
    assert Verifier(recorded).check(changed) == ""


@pytest.mark.parametrize(
    ("dataset_fn", "after"),
    [
        (lambda: mapped(noisy), "map[noisy]"),
        (lambda: from_generator(in_any_order), "from_generator[in_any_order]"),
    ],
    ids=["map", "generator"],
)
def test_a_statement_that_two_readings_contradict_is_not_believed(
    dataset_fn: Callable[[], tf.data.Dataset], after: str
) -> None:
    recorded = checked(record(dataset_fn))
    changed = apply(recorded.pipeline, examine(recorded), Configuration({"cache.after": after}))
    assert f"differ, with every known draw fixed, though @deterministic is stated of {after}" in Verifier(
        recorded
    ).check(changed)


def test_draws_of_tensorflow_are_found_whatever_is_stated() -> None:
    recorded = checked(record(lambda: mapped(rolled_and_noisy)))
    decisions, refusals = find_sites(recorded.pipeline, examine(recorded))
    assert "cache.after" not in {decision.name for decision in decisions}
    assert any("random (RandomUniform)" in refusal.reason for refusal in refusals)


def test_python_never_works_on_batches() -> None:
    recorded = checked(record(lambda: mapped(rolled)))
    facts = examine(recorded)["map[rolled]"]
    assert (facts.stated, facts.python, facts.vectorizes) == (("PyFunc",), (), "")
    assert "calls Python" in facts.vectorize_refusal


def test_without_the_statement_nothing_is_kept_and_the_reason_says_how_to_make_it() -> None:
    recorded = checked(record(lambda: mapped(lambda row: called(lambda values: values, row, [4]))))
    decisions, refusals = find_sites(recorded.pipeline, examine(recorded))
    assert "cache.after" not in {decision.name for decision in decisions}
    assert any("@autotuner.deterministic on its function states it" in refusal.reason for refusal in refusals)
