"""Materialised stages: the same examples and batch sizes, a new permutation every epoch, code that does the same."""

from __future__ import annotations

import re
from collections.abc import Callable
from itertools import chain
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner.emit.module import EmittedModule, emit_module
from autotuner.pipeline import Configuration, Facts, Op, Pipeline
from autotuner.rewrites import apply, find_sites
from autotuner.rewrites.materialise import is_materialised, ordered, spelled_out
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.build import build
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier

COUNT = 70
NUMBERS = np.arange(COUNT)
VECTORS = np.random.default_rng(0).random((COUNT, 3), dtype=np.float32)
LAST = "materialise.after"


def half(vector: Any, number: Any) -> Any:
    return vector / 2.0, number


def noisy(vector: Any, number: Any) -> Any:
    return vector + tf.random.uniform([3]), number


def pairs() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((VECTORS, NUMBERS))


def shuffled() -> tf.data.Dataset:
    return pairs().map(half).shuffle(20).batch(8).prefetch(2)


def in_order() -> tf.data.Dataset:
    return pairs().map(half).batch(8, drop_remainder=True)


def augmented() -> tf.data.Dataset:
    return pairs().map(half).shuffle(20).map(noisy).batch(8)


def one_component() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices({"n": NUMBERS}).shuffle(30).shuffle(20).batch(16)


def of_unknown_length() -> tf.data.Dataset:
    return pairs().filter(lambda _, n: n % 3 != 0).map(half).shuffle(20).batch(8)


def unknown_in_order() -> tf.data.Dataset:
    return pairs().filter(lambda _, n: n % 3 != 0).map(half).batch(8, drop_remainder=True)


def shuffled_files() -> tf.data.Dataset:
    files = tf.data.Dataset.range(7).shuffle(7)
    return files.interleave(rows_of_file, cycle_length=3).map(half).shuffle(20).batch(8)


def rows_of_file(file: Any) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((VECTORS, NUMBERS)).skip(file * 10).take(10)


def strings() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices([f"row {n}" for n in range(COUNT)]).shuffle(9).batch(16)


def prepared(function: Callable[[], tf.data.Dataset]) -> tuple[Recorded, Facts]:
    recorded = checked(record(function))
    return recorded, with_batching(recorded, analyse(recorded))


def materialised(recorded: Recorded, facts: Facts) -> Pipeline:
    decisions = {decision.name: decision for decision in find_sites(recorded.pipeline, facts)[0]}
    wanted = {name: True for name in decisions if name == "map[noisy].vectorize"}
    return apply(recorded.pipeline, facts, Configuration(wanted | {LAST: decisions[LAST].choices[-1]}))


def numbers_of(dataset: tf.data.Dataset) -> list[Any]:
    return [np.asarray(tf.nest.flatten(batch)[-1]).tolist() for batch in dataset]


FUNCTIONS = [
    shuffled, in_order, augmented, one_component, strings, of_unknown_length, unknown_in_order, shuffled_files,
]  # fmt: skip


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_data_stay_and_are_proven_to(function: Callable[[], tf.data.Dataset]) -> None:
    recorded, facts = prepared(function)
    changed = materialised(recorded, facts)
    assert is_materialised(changed)
    assert Verifier(recorded).check(changed) == ""
    mine, theirs = build(recorded), build(recorded, changed)
    assert theirs.element_spec == mine.element_spec
    assert int(theirs.cardinality()) == int(mine.cardinality())
    assert [len(batch) for batch in numbers_of(theirs)] == [len(batch) for batch in numbers_of(mine)]
    assert sorted(chain.from_iterable(numbers_of(theirs))) == sorted(chain.from_iterable(numbers_of(mine)))


def test_every_epoch_has_a_permutation_of_its_own() -> None:
    recorded, facts = prepared(shuffled)
    dataset = build(recorded, materialised(recorded, facts))
    assert len({tuple(chain.from_iterable(numbers_of(dataset))) for _ in range(4)}) == 4


def test_without_a_shuffle_the_order_stays_in_every_epoch() -> None:
    recorded, facts = prepared(in_order)
    dataset = build(recorded, materialised(recorded, facts))
    assert numbers_of(dataset) == numbers_of(dataset) == numbers_of(build(recorded))


def test_augmentation_behind_it_stays_random_for_each_example_and_epoch() -> None:
    recorded, facts = prepared(augmented)
    dataset = build(recorded, materialised(recorded, facts))

    def noise() -> dict[int, float]:
        return {
            int(number): float(vector[0] - VECTORS[int(number)][0] / 2)
            for vectors, numbers in dataset
            for vector, number in zip(vectors.numpy(), numbers.numpy(), strict=True)
        }

    first, second = noise(), noise()
    assert len(set(first.values())) > COUNT / 2
    assert all(first[number] != second[number] for number in first)


@pytest.mark.parametrize(
    ("function", "why"),
    [
        (lambda: pairs().shuffle(20, seed=3).batch(8), "draws an order that repeats"),
        (lambda: pairs().shuffle(20, reshuffle_each_iteration=False).batch(8), "draws an order that repeats"),
        (lambda: pairs().shuffle(20).batch(8).take(2), "take[0] would choose among all elements"),
        (lambda: pairs().shuffle(20).take(9).batch(8), "keeps the shuffle from moving"),
        (lambda: pairs().map(noisy).batch(8), "random"),
        (lambda: tf.data.Dataset.range(1, 9).map(tf.range).batch(1), "no fixed shape"),
    ],
    ids=["seed", "fixed order", "a choice behind", "a choice before", "random", "open shape"],
)
def test_where_it_would_not_be_the_same_it_is_refused(function: Callable[[], tf.data.Dataset], why: str) -> None:
    recorded, facts = prepared(function)
    decisions, refusals = find_sites(recorded.pipeline, facts)
    last = list(recorded.pipeline.trunk())[-2].label
    choices = {choice for decision in decisions if decision.name == LAST for choice in decision.choices}
    assert last not in choices
    assert why in "\n".join(refusal.reason for refusal in refusals if refusal.name == LAST)


def test_what_a_cache_behind_the_batch_keeps_already_is_refused() -> None:
    recorded, facts = prepared(lambda: pairs().map(half).batch(8).cache().shuffle(3))
    decisions, refusals = find_sites(recorded.pipeline, facts)
    assert LAST not in {decision.name for decision in decisions}
    reasons = [refusal.reason for refusal in refusals if refusal.name == LAST]
    assert any("map[half] cannot be materialised: cache[0] keeps what is made of it already" in one for one in reasons)


def test_what_it_stands_for_is_a_cache_the_shuffles_and_the_batch() -> None:
    recorded, facts = prepared(one_component)
    changed = materialised(recorded, facts)
    kinds = [op.kind for op in spelled_out(changed).trunk()]
    assert kinds == ["from_tensor_slices", "cache", "shuffle", "shuffle", "batch"]
    assert spelled_out(changed)["batch[0]"].argument("batch_size") == 16
    assert numbers_of(build(recorded, ordered(changed))) == numbers_of(build(recorded, ordered(changed)))


def test_what_it_stands_for_is_the_same_when_a_prefetch_stands_between() -> None:
    recorded, facts = prepared(one_component)
    plain = materialised(recorded, facts)
    parted = plain.insert_after("batch[0]", Op("prefetch[new]", "prefetch", None, (("buffer_size", 1),)))
    assert spelled_out(parted)["batch[0]"] == spelled_out(plain)["batch[0]"]
    kinds = [op.kind for op in spelled_out(parted).trunk()]
    assert kinds == ["from_tensor_slices", "cache", "shuffle", "shuffle", "batch", "prefetch"]


def test_a_cache_and_a_materialised_stage_do_not_double() -> None:
    recorded, facts = prepared(shuffled)
    both = Configuration({LAST: "map[half]", "cache.after": "map[half]"})
    changed = apply(recorded.pipeline, facts, both)
    assert [op.kind for op in changed.trunk()].count("cache") == 1
    assert changed.signature() == apply(recorded.pipeline, facts, both.without("cache.after")).signature()


@pytest.mark.parametrize("function", [shuffled, in_order, one_component, of_unknown_length, unknown_in_order])
def test_emitted_code_builds_the_same_graph(function: Callable[[], tf.data.Dataset], tmp_path: Path) -> None:
    recorded, facts = prepared(function)
    changed = materialised(recorded, facts)
    emitted = emit_module(
        changed, function_name="dataset_fn", signature="", header=["Tuned."], effects={}, folder=tmp_path
    )
    assert isinstance(emitted, EmittedModule), emitted
    # The arrays and functions of this test module stand in for the user's own.
    text = re.sub(r"^import sys$|^sys\.path.*$|^from test_materialise import .*$", "", emitted.text, flags=re.MULTILINE)
    module = ModuleType("emitted")
    vars(module).update({name: value for name, value in globals().items() if name.isupper() or name == "half"})
    path = tmp_path / "emitted.py"
    path.write_text(text)
    exec(compile(text, path, "exec"), vars(module))  # noqa: S102 - the code that is under test
    digest = CanonicalGraph.of(module.dataset_fn()).digest
    assert digest == CanonicalGraph.of(build(recorded, changed)).digest
