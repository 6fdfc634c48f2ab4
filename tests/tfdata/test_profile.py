"""What each stage costs: the right stage is named, and what cannot be told is left open."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import OPAQUE, Facts
from autotuner.pipeline.profile import StageCost, costed, paid_once, shares
from autotuner.tfdata import profile as module
from autotuner.tfdata.analyse import facts_of
from autotuner.tfdata.profile import Profile, profile
from autotuner.tfdata.record import record
from tests.tfdata.conftest import Recording
from tests.tfdata.zoo import ZOO
from tests.tfdata.zoo_entry import Entry

SLEEP_SECONDS = 0.005
NOT_RUN = {"with_options"}
"""Kinds that TensorFlow has no iterator for."""
MAY_BE_UNKNOWN = {
    "concatenated": {"range[1]", "range[2]"},  # they stand behind an end
    "one_dataset_twice": {"take[0]"},
    "sampled_without_seed": {"range[0]", "repeat[0]", "range[1]"},  # few elements are drawn from each
    "chosen": {"range[3]", "repeat[0]"},  # TensorFlow reads an altered copy of what chooses
    "many_lines_in_one_tensor": {"TextLineDataset[0]"},  # one element is all of it, and what has ended is gone
    "many_datasets": {"range[70]", "shuffle[0]"},
}
ENOUGH_ELEMENTS = {"many_datasets": 300}
"""To have come from every one of the 70, however fast the machine is; elsewhere 20 do."""


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_LEAST_SECONDS", 0.05)
    monkeypatch.setattr(module, "_ENOUGH_ELEMENTS", 20)


def sleeping(x: tf.Tensor, seconds: float = SLEEP_SECONDS) -> tf.Tensor:
    def sleep(value: Any) -> Any:
        time.sleep(seconds)
        return value

    return tf.ensure_shape(tf.numpy_function(sleep, [x], x.dtype), x.shape)


def numbers(count: int = 40) -> tf.data.Dataset:
    return tf.data.Dataset.range(count)


def profiled(dataset_fn: Callable[[], Any], folder: Path, limit_seconds: float = 3.0) -> Profile:
    recorded = record(dataset_fn)
    return profile(recorded, facts_of(recorded.pipeline, recorded.datasets, recorded.live), folder, limit_seconds)


def largest(found: Profile) -> str:
    parts = shares(found.costs)
    return max(parts, key=lambda path: parts[path])


@pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)
def test_every_stage_of_the_catalogue_has_a_finite_cost(
    entry: Entry, recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ENOUGH_ELEMENTS", ENOUGH_ELEMENTS.get(entry.name, 20))
    recorded = recording(entry)
    found = profile(recorded, facts_of(recorded.pipeline, recorded.datasets, recorded.live), tmp_path, 3.0)
    assert not found.stopped_by
    assert found.elements > 0
    expected = {op.label for op in recorded.pipeline.ops if op.kind not in NOT_RUN}
    known = {path for path, cost in found.costs.items() if cost.seconds_per_step is not None}
    assert expected - MAY_BE_UNKNOWN.get(entry.name, set()) <= known
    values = [value for cost in found.costs.values() for value in vars(cost).values() if value is not None]
    assert all(math.isfinite(value) and value >= 0 for value in values)
    assert found.costs.keys() <= {path for path, _ in recorded.pipeline.walk()}
    assert math.isclose(sum(shares(found.costs).values()), 1.0)
    assert found.costs[recorded.pipeline.output.label].elements_per_step == 1.0


def in_a_chain() -> tf.data.Dataset:
    return numbers().shuffle(10).map(sleeping, num_parallel_calls=4).map(lambda x: x + 1).batch(4).prefetch(2)


def in_a_tree() -> tf.data.Dataset:
    return tf.data.Dataset.zip(numbers(), numbers().map(sleeping), numbers()).batch(4)


def before_a_filter() -> tf.data.Dataset:
    return numbers().map(sleeping).filter(lambda x: x % 2 == 0).batch(2)


def before_padding() -> tf.data.Dataset:
    return numbers().map(sleeping).map(lambda x: tf.range(x % 4 + 1)).padded_batch(4)


def before_a_cache() -> tf.data.Dataset:
    return numbers().map(sleeping).cache().map(lambda x: x + 1).batch(4)


def inside_an_interleave() -> tf.data.Dataset:
    return numbers().interleave(lambda x: numbers(5).map(lambda y: x + y).map(sleeping), num_parallel_calls=2).batch(4)


def endless() -> tf.data.Dataset:
    return numbers().repeat().map(sleeping).batch(4)


def with_options_of_all_kinds() -> tf.data.Dataset:
    options = tf.data.Options()
    options.autotune.enabled = False
    options.threading.private_threadpool_size = 1
    return numbers().with_options(options).map(sleeping).batch(4).with_options(options)


@pytest.mark.parametrize(
    ("dataset_fn", "path", "per_step"),
    [
        (in_a_chain, "map[sleeping]", 4),
        (in_a_tree, "map[sleeping]", 4),
        (before_a_filter, "map[sleeping]", 4),
        (before_padding, "map[sleeping]", 4),
        (before_a_cache, "map[sleeping]", 4),
        (inside_an_interleave, "interleave[0]/map[sleeping]", 4),
        (endless, "map[sleeping]", 4),
        (with_options_of_all_kinds, "map[sleeping]", 4),
    ],
)
def test_the_slow_stage_is_named(
    dataset_fn: Callable[[], tf.data.Dataset], path: str, per_step: float, tmp_path: Path
) -> None:
    found = profiled(dataset_fn, tmp_path)
    assert largest(found) == path
    cost = found.costs[path]
    assert cost.seconds_per_element is not None
    assert cost.seconds_per_element >= SLEEP_SECONDS
    assert cost.elements_per_step == pytest.approx(per_step, rel=0.2)
    assert cost.bytes_per_element


def test_a_slow_generator_is_named(tmp_path: Path) -> None:
    def generate() -> Iterator[int]:
        for number in range(10):
            time.sleep(SLEEP_SECONDS)
            yield number

    spec = tf.TensorSpec((), tf.int32)
    found = profiled(lambda: tf.data.Dataset.from_generator(generate, output_signature=spec).batch(2), tmp_path)
    assert largest(found) == "from_generator[generate]"
    seconds = found.costs["from_generator[generate]"].seconds_per_element
    assert seconds is not None
    assert seconds >= SLEEP_SECONDS


def test_what_a_function_builds_in_branches_counts_for_the_op_that_has_it(tmp_path: Path) -> None:
    def nested(x: tf.Tensor) -> tf.data.Dataset:
        return tf.data.Dataset.range(3).map(sleeping) if x % 2 == 0 else tf.data.Dataset.range(3)

    found = profiled(lambda: numbers().interleave(nested, cycle_length=2).batch(2), tmp_path)
    assert not any("/" in path for path in found.costs)
    assert largest(found) == "interleave[nested]"


def test_equal_stages_are_told_apart_by_their_order(tmp_path: Path) -> None:
    found = profiled(lambda: tf.data.Dataset.zip(numbers(), numbers(), numbers().batch(2)).batch(2), tmp_path)
    assert {f"range[{index}]" for index in range(3)} <= found.costs.keys()
    assert found.costs["range[0]"].bytes_per_element == found.costs["range[1]"].bytes_per_element == 8.0
    assert found.costs["range[2]"].elements_per_step == 4.0


def test_an_element_that_never_comes_is_not_waited_for(tmp_path: Path) -> None:
    def stuck(x: tf.Tensor) -> tf.Tensor:
        return sleeping(x, 2.0)

    started = time.monotonic()
    found = profiled(lambda: numbers().map(stuck).batch(4), tmp_path, limit_seconds=0.3)
    assert time.monotonic() - started < 2.0  # the element itself takes eight seconds
    assert found.elements == 0
    assert found.costs["batch[0]"].seconds_per_element is None


def test_what_was_seen_before_an_error_is_kept(tmp_path: Path) -> None:
    def failing(x: np.ndarray) -> np.ndarray:
        if x >= 30:
            raise ValueError("a broken record")
        return x

    def dataset_fn() -> tf.data.Dataset:
        return numbers().map(lambda x: tf.ensure_shape(tf.numpy_function(failing, [x], tf.int64), [])).batch(4)

    found = profiled(dataset_fn, tmp_path)
    assert "a broken record" in found.stopped_by
    assert found.costs["map[0]"].seconds_per_element


def test_lengths_that_are_asserted_do_not_fail(tmp_path: Path) -> None:
    checked = tf.data.experimental.assert_cardinality(40)
    assert not profiled(lambda: numbers().filter(lambda _: True).apply(checked).batch(4), tmp_path).stopped_by


def test_the_users_cache_file_is_not_written(tmp_path: Path) -> None:
    own, scratch = tmp_path / "own", tmp_path / "scratch"
    scratch.mkdir()
    found = profiled(lambda: numbers().cache(str(own)).batch(4), scratch)
    assert found.costs["cache[0]"].seconds_per_element
    assert list(tmp_path.iterdir()) == [scratch]


def test_facts_take_up_what_was_found(tmp_path: Path) -> None:
    recorded = record(lambda: numbers().map(lambda x: tf.range(x % 4 + 1)).padded_batch(4))
    facts = facts_of(recorded.pipeline, recorded.datasets, recorded.live)
    found = costed(facts, profile(recorded, facts, tmp_path, 3.0).costs)
    assert all(found[op.label].seconds_per_element for op in recorded.pipeline.ops)
    assert found["range[0]"].element_bytes == 8.0
    assert found["map[0]"].element_bytes == pytest.approx(20.0, abs=12.0)
    assert Facts.from_json(found.to_json()) == found


def test_what_a_cache_keeps_is_paid_once() -> None:
    recorded = record(lambda: tf.data.Dataset.zip(numbers().map(sleeping).cache(), numbers()).batch(2))
    assert paid_once(recorded.pipeline) == {"range[0]", "map[sleeping]"}
    assert OPAQUE not in {op.kind for op in recorded.pipeline.ops}


def test_shares_are_of_what_is_known() -> None:
    costs = {"a": StageCost(0.1, 1.0, 2.0), "b": StageCost(0.6, None, 1.0), "c": StageCost(0.5), "d": StageCost()}
    assert shares(costs) == pytest.approx({"a": 0.25, "b": 0.75})
    assert shares(costs, {"a"}) == {"a": 1.0}
    assert shares({"c": costs["c"]}) == {}
