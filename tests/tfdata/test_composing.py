"""Which filters see nothing of a map: found by tracing them ahead of it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import Configuration, Facts, FnRef
from autotuner.rewrites import apply, find_sites
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.composing import with_composition
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier

_IMAGES = np.random.default_rng(2).random((20, 4, 4, 3)).astype(np.float32)
_LABELS = np.arange(20)
_TABLE = tf.constant(np.arange(300), tf.int64)

Pair = tuple[tf.Tensor, tf.Tensor]


def late(_: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return y > 4


def bright(x: tf.Tensor, _: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(x) > 0.5


def beyond_height(x: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return y > x.shape[0]


def listed(_: tf.Tensor, y: tf.Tensor) -> tf.Tensor:
    return tf.gather(_TABLE, y) > 4


@tf.function
def augment(x: tf.Tensor, y: tf.Tensor) -> Pair:
    return tf.image.random_flip_left_right(x) + tf.random.uniform([]), y


def seeded(x: tf.Tensor, y: tf.Tensor) -> Pair:
    return x + tf.random.uniform([], seed=3), y


def generated(x: tf.Tensor, y: tf.Tensor) -> Pair:
    return x + tf.random.get_global_generator().uniform([]), y


def crop(x: tf.Tensor, y: tf.Tensor) -> Pair:
    tf.debugging.assert_non_negative(x)
    return x[:2], y


def count_up(x: tf.Tensor, y: tf.Tensor) -> Pair:
    return x, y + 1


def turn(x: tf.Tensor, y: tf.Tensor) -> Pair:
    return y, x


Function = Callable[..., object]


def analysed(recorded: Recorded) -> Facts:
    return with_composition(recorded, analyse(recorded))


def filtered(*maps: Function, by: Function) -> Recorded:
    def dataset_fn() -> tf.data.Dataset:
        ds = tf.data.Dataset.from_tensor_slices((_IMAGES, _LABELS))
        for function in maps:
            ds = ds.map(function).prefetch(2)
        return ds.filter(by)

    return checked(record(dataset_fn))


def test_parallel_calls_do_not_hide_what_flows() -> None:
    def dataset_fn() -> tf.data.Dataset:
        ds = tf.data.Dataset.from_tensor_slices((_IMAGES, _LABELS))
        return ds.map(augment, num_parallel_calls=2).map(crop, num_parallel_calls=tf.data.AUTOTUNE).filter(late)

    facts = analysed(checked(record(dataset_fn)))
    assert facts["filter[late]"].unaffected_by == ("map[crop]", "map[augment]")
    assert facts["map[augment]"].fuses_with == "map[crop]"


def typed(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, object]:
    del y
    return x, 3


def halved(x: tf.Tensor, y: object) -> tuple[tf.Tensor, object]:
    return x, y / 2  # type: ignore[operator]


@pytest.mark.parametrize(
    ("first", "second", "fuses"),
    [
        (crop, count_up, True),
        (augment, seeded, True),
        (generated, augment, True),
        (turn, lambda y, x: (x, y), True),
        (lambda x, y: [y, tf.shape(x, tf.int64)[0]], lambda y, n: y + n, True),
        (lambda x, y: {"x": x, "y": y}, lambda d: d["y"], True),
        (lambda _, y: tf.RaggedTensor.from_row_lengths(tf.range(3), [y - y, y - y + 3]), lambda r: r + 1, False),
        (typed, halved, False),
    ],
    ids=["plain", "random", "drawing", "turned", "list", "dictionary", "ragged", "Python number"],
)
def test_two_maps_are_one_only_where_both_compute_the_same(first: Function, second: Function, fuses: bool) -> None:  # noqa: FBT001
    def dataset_fn() -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((_IMAGES, _LABELS)).map(first).map(second)

    recorded = checked(record(dataset_fn))
    facts = analysed(recorded)
    head = next(op for op in recorded.pipeline.ops if op.kind == "map")
    assert bool(facts[head.label].fuses_with) is fuses


def unaffected(recorded: Recorded) -> tuple[str, ...]:
    return analysed(recorded)[recorded.pipeline.output.label].unaffected_by


@pytest.mark.parametrize(
    ("maps", "by", "expected"),
    [
        ((augment,), late, ("map[augment]",)),
        ((crop,), late, ("map[crop]",)),
        ((crop,), listed, ("map[crop]",)),
        ((count_up, augment), late, ("map[augment]",)),
        ((augment, crop), late, ("map[crop]", "map[augment]")),
        ((count_up,), bright, ("map[count_up]",)),
        ((augment,), bright, ()),
        ((count_up,), late, ()),
        ((crop,), beyond_height, ()),
        ((turn,), lambda y, _: y > 4, ()),
    ],
)
def test_a_predicate_sees_what_flows_into_it(maps: tuple[Function, ...], by: Function, expected: object) -> None:
    assert unaffected(filtered(*maps, by=by)) == expected


@pytest.mark.parametrize(
    ("maps", "by", "choices"),
    [
        ((augment,), late, (None, "map[augment]")),
        ((count_up, augment), late, (None, "map[augment]", "map[count_up]")),
        ((augment, count_up), late, (None, "map[count_up]")),
        ((crop,), beyond_height, (None, "map[crop]")),
    ],
)
def test_every_place_that_is_offered_gives_the_same_data(
    maps: tuple[Function, ...], by: Function, choices: tuple[str | None, ...]
) -> None:
    recorded = filtered(*maps, by=by)
    facts = analysed(recorded)
    [name] = [op.label + ".before" for op in recorded.pipeline.ops if op.kind == "filter"]
    offered = {one.name: one.choices for one in find_sites(recorded.pipeline, facts)[0]}
    verifier = Verifier(recorded)

    assert offered[name] == choices
    for choice in choices[1:]:
        assert not verifier.check(apply(recorded.pipeline, facts, Configuration({name: choice})))


def test_ahead_of_what_it_does_not_see_the_predicate_is_the_users_own() -> None:
    recorded = filtered(augment, by=late)
    moved = apply(recorded.pipeline, analysed(recorded), Configuration({"filter[late].before": "map[augment]"}))

    assert isinstance(moved["filter[late]"].argument("predicate"), FnRef)


@pytest.mark.parametrize("drawing", [seeded, generated])
def test_draws_with_a_seed_are_not_given_to_other_elements(drawing: Function) -> None:
    recorded = filtered(drawing, by=late)
    decisions, refusals = find_sites(recorded.pipeline, analysed(recorded))

    assert "filter[late].before" not in {one.name for one in decisions}
    assert "others would get the draws of its seed" in "".join(one.reason for one in refusals)


def test_a_global_seed_is_a_seed() -> None:
    def draw(x: tf.Tensor, y: tf.Tensor) -> Pair:
        return x + tf.random.uniform([]), y

    assert not analysed(filtered(draw, by=late))["map[draw]"].seeded
    tf.random.set_seed(5)
    assert analysed(filtered(draw, by=late))["map[draw]"].seeded


@pytest.mark.parametrize("by", [late, bright])
def test_a_plain_predicate_ahead_of_a_map_that_it_sees_is_caught(by: Function) -> None:
    def darken(x: tf.Tensor, y: tf.Tensor) -> Pair:
        return x - tf.cast(y % 2, tf.float32), y // 2

    recorded = filtered(darken, by=by)
    wrong = recorded.pipeline.move_after(recorded.pipeline.output.label, "from_tensor_slices[0]")

    assert "examples instead of" in Verifier(recorded).check(wrong)
