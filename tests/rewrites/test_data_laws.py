"""The law of every rewrite, on real data: random programs, random configurations, real TensorFlow."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf
from hypothesis import HealthCheck, event, given, settings
from hypothesis import strategies as st

from autotuner.pipeline import UNKNOWN, Configuration, Facts
from autotuner.rewrites import Preserves, apply, effective, find_sites, micro_batch
from autotuner.rewrites.cache import CACHE_FILE
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.build import build
from autotuner.tfdata.composing import with_composition
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from tests.programs import BATCHED_FORMS
from tests.strategies import (
    Program,
    Step,
    configurations,
    dataset_fn_of,
    orders_left_to_chance,
    programs,
)

Epoch = list[tuple[int, ...]]
LOWER_BITS = 2**40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    made = tmp_path_factory.mktemp("numbers")
    for index in range(4):
        made.joinpath(f"{index}.txt").write_text(f"{10 * index}\n{10 * index + 1}\n")
    return str(made)


@pytest.fixture(scope="module", autouse=True)
def several_micro_batches() -> Iterator[None]:
    """Sizes at which programs this small fill some micro-batches, and not the last one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(micro_batch, "SIZES", (2, 3))
        yield


def with_known_forms(recorded: Recorded, facts: Facts) -> Facts:
    found = dict(facts.by_path)
    for op in recorded.pipeline.ops:
        forms = [BATCHED_FORMS[fn.name] for fn in op.functions if op.kind == "map" and fn.name in BATCHED_FORMS]
        found[op.label] = replace(found[op.label], vectorizes="".join(forms))
    return Facts(found)


def epochs_of(dataset: tf.data.Dataset, count: int = 2) -> list[Epoch]:
    """Epochs as tuples, one for each element; what was drawn at random is cut off."""
    return [[tuple(int(x) % LOWER_BITS for x in tf.reshape(e, [-1])) for e in dataset] for _ in range(count)]


def examples(epoch: Epoch) -> Counter[int]:
    return Counter(example for element in epoch for example in element)


def sizes(epoch: Epoch) -> Counter[int]:
    return Counter(len(element) for element in epoch)


class Tuned:
    """A program, its recorded pipeline, and the pipeline of a configuration."""

    def __init__(self, program: Program, folder: str) -> None:
        self.dataset_fn = dataset_fn_of(program, folder)
        self.recorded = checked(record(self.dataset_fn))
        analysed = with_composition(self.recorded, analyse(self.recorded))
        self.facts = with_known_forms(self.recorded, analysed)
        self.decisions, _ = find_sites(self.recorded.pipeline, self.facts)

    def kept(self, configuration: Configuration) -> Preserves:
        names = effective(configuration, self.decisions)
        kept = [decision.preserves for decision in self.decisions if decision.name in names]
        return Preserves.MULTISET if Preserves.MULTISET in kept else Preserves.SEQUENCE

    def dataset(self, configuration: Configuration, scratch: Path) -> tf.data.Dataset:
        self.recorded.live.put(CACHE_FILE, str(scratch / "cache"))
        return build(self.recorded, apply(self.recorded.pipeline, self.facts, configuration))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(programs(), st.data())
def test_the_data_is_kept_as_declared(
    folder: str, tmp_path_factory: pytest.TempPathFactory, program: Program, data: st.DataObject
) -> None:
    tuned = Tuned(program, folder)
    configuration = data.draw(configurations(tuned.decisions))
    mine, theirs = tuned.dataset_fn(), tuned.dataset(configuration, tmp_path_factory.mktemp("cache"))
    assert theirs.element_spec == mine.element_spec
    if mine.cardinality() != UNKNOWN:
        assert theirs.cardinality() == mine.cardinality()
    expected, found = epochs_of(mine), epochs_of(theirs)
    kept = tuned.kept(configuration)
    event(f"{kept}, {'free' if orders_left_to_chance(program) else 'fixed'} order")
    if kept is Preserves.SEQUENCE and not orders_left_to_chance(program):
        assert found == expected
    else:
        assert [examples(epoch) for epoch in found] == [examples(epoch) for epoch in expected]
    assert [sizes(epoch) for epoch in found] == [sizes(epoch) for epoch in expected]


SHUFFLES = [("shuffle", 4), ("shuffle_seeded", 4)]
BEFORE_OR_BEHIND = [(Step("triple"),), (Step("triple"), Step("batch", 3)), (Step("prefetch", 2), Step("triple"))]


@pytest.mark.parametrize("shuffle", SHUFFLES)
@pytest.mark.parametrize("rest", BEFORE_OR_BEHIND)
def test_epochs_stay_reshuffled_at_every_cache_position(
    folder: str, tmp_path: Path, shuffle: tuple[str, int], rest: tuple[Step, ...]
) -> None:
    program = (Step("range", 12), Step("triple"), Step(*shuffle), *rest)
    tuned = Tuned(program, folder)
    places = next(decision.choices for decision in tuned.decisions if decision.name == "cache.after")
    assert len(places) > 2
    for number, place in enumerate(places):
        dataset = tuned.dataset(Configuration({"cache.after": place}), tmp_path / str(number))
        epochs = epochs_of(dataset, 4)
        assert len({tuple(epoch) for epoch in epochs}) > 1, place


MOVES: list[tuple[tuple[Step, ...], dict[str, str | bool]]] = [
    ((Step("triple"), Step("prefetch", 2), Step("shuffle_seeded", 2)), {"shuffle[0].before": "map[triple]"}),
    ((Step("triple"), Step("random_add"), Step("shuffle_seeded", 1)), {"shuffle[0].before": "map[triple]"}),
    ((Step("random_add"), Step("skip", 3), Step("shard", 2)), {"map[random_add].after": "shard[0]"}),
    ((Step("triple"), Step("shuffle_seeded", 2), Step("take", 2)), {"map[triple].after": "take[0]"}),
    ((Step("triple"), Step("prefetch", 1), Step("triple")), {"map[triple].fuse": True}),
    ((Step("triple"), Step("random_add"), Step("batch", 5)), {"map[triple].fuse": True}),
    ((Step("shuffle_one"), Step("triple"), Step("take_all")), {"shuffle[0].drop": True, "take[0].drop": True}),
    ((Step("cache_"), Step("cache_"), Step("repeat_once")), {"cache[1].drop": True, "repeat[0].drop": True}),
]


@pytest.mark.parametrize(("rest", "values"), MOVES)
def test_what_changes_places_keeps_every_epochs_sequence(
    folder: str, tmp_path: Path, rest: tuple[Step, ...], values: dict[str, str | bool]
) -> None:
    tuned = Tuned((Step("range", 20), *rest), folder)
    changed = apply(tuned.recorded.pipeline, tuned.facts, Configuration(values))
    assert changed != tuned.recorded.pipeline
    assert epochs_of(tuned.dataset(Configuration(values), tmp_path), 3) == epochs_of(tuned.dataset_fn(), 3)


def test_each_element_still_draws_for_itself_when_its_map_has_moved(folder: str, tmp_path: Path) -> None:
    tuned = Tuned((Step("range", 200), Step("random_add"), Step("shuffle", 20), Step("skip", 50)), folder)
    values = {"map[random_add].after": "skip[0]", "shuffle[0].before": "map[random_add]"}
    drawn = [int(x) // LOWER_BITS for x in tuned.dataset(Configuration(values), tmp_path)]
    assert len(set(drawn)) > 100


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(programs().filter(lambda program: not orders_left_to_chance(program)), st.data())
def test_draws_from_a_seed_stay_with_their_elements_however_many_calls_run(
    folder: str, tmp_path: Path, program: Program, data: st.DataObject
) -> None:
    tuned = Tuned((*program, Step("seeded_add")), folder)
    parallel = tuple(one for one in tuned.decisions if one.name.endswith(".num_parallel_calls"))
    configuration = data.draw(configurations(tuple(one for one in parallel if one.preserves is Preserves.SEQUENCE)))
    mine, theirs = tuned.dataset_fn(), tuned.dataset(configuration, tmp_path)
    assert with_draws(theirs) == with_draws(mine)


def with_draws(dataset: tf.data.Dataset) -> list[list[int]]:
    return [tf.reshape(element, [-1]).numpy().tolist() for element in dataset]


@pytest.mark.parametrize("serial", ["seeded_add", "seeded_parallel"])
def test_draws_from_a_seed_are_left_to_chance_only_where_they_were(folder: str, serial: str) -> None:
    tuned = Tuned((Step("range", 20), Step(serial, 1), Step("triple"), Step("seeded_parallel", 4)), folder)
    offered = {decision.name for decision in tuned.decisions if decision.name.endswith("calls")}
    assert offered == {"map[triple].num_parallel_calls", "map[seeded_add#2].num_parallel_calls"}
    refusals = find_sites(tuned.recorded.pipeline, tuned.facts)[1]
    [reason] = [item.reason for item in refusals if item.name == "map[seeded_add].num_parallel_calls"]
    assert reason.startswith("map[seeded_add] draws from a seed (RandomUniformInt)")
    assert "programs.py:" in reason


@pytest.mark.parametrize("medium", ["memory", "file"])
def test_files_are_shuffled_alike_behind_a_cache(folder: str, tmp_path: Path, medium: str) -> None:
    def dataset_fn() -> Any:
        return tf.data.Dataset.list_files(f"{folder}/*.txt", seed=3).map(tf.io.read_file).map(tf.strings.length)

    recorded = checked(record(dataset_fn))
    facts = analyse(recorded)
    recorded.live.put(CACHE_FILE, str(tmp_path / "cache"))
    places = next(one for one in find_sites(recorded.pipeline, facts)[0] if one.name == "cache.after")
    assert places.preserves is Preserves.SEQUENCE
    configuration = Configuration({"cache.after": places.choices[-1], "cache.medium": medium})
    tuned = build(recorded, apply(recorded.pipeline, facts, configuration))
    assert epochs_of(tuned, 3) == epochs_of(dataset_fn(), 3)


@pytest.mark.parametrize("calls", [1, 2, 8, 64])
def test_parallel_calls_without_a_cycle_length_run_on_any_number_of_cores(
    folder: str, tmp_path: Path, calls: int
) -> None:
    tuned = Tuned((Step("interleaved", 6),), folder)
    pipeline = tuned.recorded.pipeline
    name = next(path for path, op in pipeline.walk() if op.kind == "interleave")
    open_ended = pipeline.replace_at(name, lambda op: op.without_argument("cycle_length"))
    changed = apply(open_ended, tuned.facts, Configuration({f"{name}.num_parallel_calls": calls}))
    tuned.recorded.live.put(CACHE_FILE, str(tmp_path / "cache"))
    assert examples(epochs_of(build(tuned.recorded, changed), 1)[0]) == examples(epochs_of(tuned.dataset_fn(), 1)[0])
