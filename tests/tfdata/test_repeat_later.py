"""Repeats behind the batch: where every epoch fills its batches, and nowhere else."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.barriers import barrier
from autotuner.pipeline import Configuration, Facts, Pipeline
from autotuner.rewrites import Decision, Preserves, apply, find_sites
from autotuner.tfdata.build import build
from autotuner.tfdata.examine import examine
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier

NAME = "repeat[0].after"
MOVED = Configuration({NAME: "batch[0]"})


def numbers(count: int = 96) -> tf.data.Dataset:
    return tf.data.Dataset.range(count)


def half(number: Any) -> Any:
    return number / 2


def noisy(number: Any) -> Any:
    return tf.cast(number, tf.float32) + tf.random.uniform([])


def printed(number: Any) -> Any:
    tf.print(number)
    return number


@barrier
def kept(number: Any) -> Any:
    return number + 1


def examined(dataset_fn: Callable[[], tf.data.Dataset]) -> tuple[Recorded, Facts]:
    recorded = checked(record(dataset_fn))
    return recorded, examine(recorded)


def offered(pipeline: Pipeline, facts: Facts) -> Decision | None:
    return next((item for item in find_sites(pipeline, facts)[0] if item.name == NAME), None)


@settings(max_examples=15, deadline=None)
@given(st.integers(1, 24), st.integers(1, 5), st.integers(2, 3), st.booleans())
def test_it_is_offered_where_batches_are_filled_and_keeps_their_sequence(
    count: int,
    size: int,
    epochs: int,
    drop_remainder: bool,  # noqa: FBT001
) -> None:
    recorded, facts = examined(
        lambda: numbers(count).map(half).repeat(epochs).prefetch(1).batch(size, drop_remainder=drop_remainder)
    )
    found = offered(recorded.pipeline, facts)
    assert (found is not None) is (count % size == 0)
    if found is None:
        return
    assert found.preserves is Preserves.SEQUENCE
    changed = apply(recorded.pipeline, facts, MOVED)
    expected, made = build(recorded), build(recorded, changed)
    assert [batch.tolist() for batch in made.as_numpy_iterator()] == [
        batch.tolist() for batch in expected.as_numpy_iterator()
    ]
    assert int(made.cardinality()) == int(expected.cardinality())


@pytest.mark.parametrize(
    "dataset_fn",
    [
        lambda: numbers().map(half).shuffle(96).repeat().batch(8).prefetch(1),
        lambda: numbers().map(half).shuffle(96).repeat(2).map(noisy).batch(8, drop_remainder=True),
        lambda: numbers().map(half).repeat(3).batch(32),
    ],
    ids=["endless", "random behind it", "in order"],
)
def test_verification_compares_whole_epochs_and_a_stage_above_can_be_kept_as_tensors(
    dataset_fn: Callable[[], tf.data.Dataset],
) -> None:
    recorded, facts = examined(dataset_fn)
    verifier = Verifier(recorded)
    assert verifier.check(apply(recorded.pipeline, facts, MOVED)) == ""
    every = {item.name: True for item in find_sites(recorded.pipeline, facts)[0] if item.setting == "map.vectorize"}
    wanted = Configuration({**every, NAME: "batch[0]", "materialise.after": "range[0]"})
    gathered = apply(recorded.pipeline, facts, wanted)
    assert [op.kind for op in gathered.trunk()].index("flat_map") < [op.kind for op in gathered.trunk()].index("repeat")
    assert verifier.check(gathered) == ""


def test_where_the_repeat_stays_nothing_is_materialised() -> None:
    recorded, facts = examined(lambda: numbers().map(half).repeat(3).batch(32))
    assert apply(recorded.pipeline, facts, Configuration({"materialise.after": "map[half]"})) == recorded.pipeline


@pytest.mark.parametrize(
    ("dataset_fn", "reason"),
    [
        (lambda: numbers().repeat(3).batch(7), "96 elements do not fill batches of 7"),
        (lambda: numbers().repeat(3).shuffle(9).batch(8), "shuffle[0] mixes epochs"),
        (lambda: numbers().shuffle(9, seed=1).repeat(3).batch(8), "shuffle[0] draws from its seed"),
        (lambda: numbers().filter(lambda x: x > 1).repeat(3).batch(8), "filter[0] may give another number"),
        (lambda: numbers().repeat(3).map(printed).batch(8), "map[printed] stays"),
        (lambda: numbers().repeat(3).map(kept).batch(8), "map[kept] is kept in its place"),
        (lambda: numbers().repeat(3).batch(tf.constant(8, tf.int64)), "not written as a number"),
    ],
)
def test_a_refusal_tells_why(dataset_fn: Callable[[], tf.data.Dataset], reason: str) -> None:
    recorded, facts = examined(dataset_fn)
    assert offered(recorded.pipeline, facts) is None
    [told] = [item for item in find_sites(recorded.pipeline, facts)[1] if item.name == NAME]
    assert reason in told.reason
    assert "test_repeat_later.py:" in told.reason


@pytest.mark.parametrize(
    ("dataset_fn", "reason"),
    [
        (lambda: numbers().repeat(3).batch(7), "differ"),
        (lambda: numbers().repeat(3).shuffle(9).batch(8), "a shuffle stands on the other side"),
    ],
)
def test_verification_refuses_what_is_not_offered(dataset_fn: Callable[[], tf.data.Dataset], reason: str) -> None:
    recorded, _ = examined(dataset_fn)
    assert reason in Verifier(recorded).check(recorded.pipeline.move_after("repeat[0]", "batch[0]"))
