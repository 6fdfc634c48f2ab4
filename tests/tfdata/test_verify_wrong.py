"""Wrong pipelines, written by hand: the verifier catches every one, and says why."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import Op, Pipeline, Upstream, Value
from autotuner.tfdata import compare, verify
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.verify import Verifier

_IMAGES = np.random.default_rng(1).random((40, 4, 4, 3)).astype(np.float32) * 255.0
_LABELS = np.arange(40, dtype=np.float32)

Edit = Callable[[Pipeline], Pipeline]


@pytest.fixture(autouse=True)
def however_slow(monkeypatch: pytest.MonkeyPatch) -> None:
    """The whole epoch is compared also where reading it takes long."""
    for limit in ("_GOOD_SECONDS", "_SLOW_SECONDS", "_SEARCH_SECONDS", "_CANDIDATE_SECONDS"):
        monkeypatch.setattr(compare, limit, 600.0)


def jitter(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return x + tf.random.uniform([]), y


def flip(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return tf.where(tf.random.uniform([]) < 0.5, x, -x), y


def scale(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return x / 255.0, y


def scale_nearly(x: tf.Tensor, y: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    return x / 254.9, y


def _slices() -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((_IMAGES, _LABELS))


def plain() -> tf.data.Dataset:
    return _slices().map(scale).batch(8)


def ragged_end() -> tf.data.Dataset:
    return _slices().map(scale).batch(12, drop_remainder=False)


def unknown_length() -> tf.data.Dataset:
    return _slices().filter(lambda _, y: y > -1.0).map(scale).batch(12)


def shuffled() -> tf.data.Dataset:
    return _slices().shuffle(40).map(scale).batch(8)


def filtered_and_shuffled() -> tf.data.Dataset:
    return _slices().filter(lambda _, y: y > 9.0).shuffle(10).map(scale).batch(8)


def shuffled_and_taken() -> tf.data.Dataset:
    return _slices().shuffle(40).take(10).map(scale).batch(5)


def augmented() -> tf.data.Dataset:
    return _slices().map(scale).map(jitter).batch(8)


def augmented_twice() -> tf.data.Dataset:
    return _slices().map(jitter).map(flip).batch(8)


def repeated() -> tf.data.Dataset:
    return _slices().map(scale).repeat(2).batch(8)


def repeated_of_unknown_length() -> tf.data.Dataset:
    return _slices().filter(lambda _, y: y > -1.0).map(scale).repeat().batch(8)


def permuted_inside() -> tf.data.Dataset:
    def epoch(x: tf.Tensor, y: tf.Tensor) -> tf.data.Dataset:
        count = tf.shape(y, out_type=tf.int64)[0]
        rows = tf.data.Dataset.range(count).shuffle(count).batch(8)
        return rows.map(lambda picked: (tf.gather(x, picked), tf.gather(y, picked)))

    return _slices().batch(1 << 40).map(scale).flat_map(epoch)


def zipped() -> tf.data.Dataset:
    images = tf.data.Dataset.from_tensor_slices(_IMAGES)
    labels = tf.data.Dataset.from_tensor_slices(_LABELS)
    return tf.data.Dataset.zip(images, labels).batch(8, drop_remainder=True)


def both_functions() -> tf.data.Dataset:
    """Holds the function that a wrong pipeline calls instead."""
    wrong = _slices().map(scale_nearly)
    return _slices().map(scale).concatenate(wrong.take(0)).batch(8)


def _op(kind: str, **arguments: Value) -> Op:
    return Op("wrong", kind, None, tuple(arguments.items()))


def after(label: str, kind: str, **arguments: Value) -> Edit:
    return lambda pipeline: pipeline.insert_after(label, _op(kind, **arguments))


def argument(label: str, name: str, value: Value) -> Edit:
    return lambda pipeline: pipeline.replace_op(label, lambda op: op.with_argument(name, value))


def moved(label: str, behind: str) -> Edit:
    return lambda pipeline: pipeline.remove(label).insert_after(behind, pipeline[label])


def inside(path: str, name: str, value: Value) -> Edit:
    return lambda pipeline: pipeline.replace_at(path, lambda op: op.with_argument(name, value))


def without(label: str) -> Edit:
    return lambda pipeline: pipeline.remove(label)


def labels_one_late(pipeline: Pipeline) -> Pipeline:
    late = pipeline.insert_after("from_tensor_slices[1]", replace(_op("skip", count=1), label="late"))
    early = late.insert_after("from_tensor_slices[0]", replace(_op("take", count=39), label="early"))
    return early.insert_after("batch[0]", replace(_op("take", count=5), label="same"))


def other_function(pipeline: Pipeline) -> Pipeline:
    wrong = pipeline["map[scale_nearly]"].argument("map_func")
    return pipeline.replace_op("map[scale]", lambda op: op.with_argument("map_func", wrong))


@dataclass(frozen=True)
class Wrong:
    name: str
    dataset_fn: Callable[[], tf.data.Dataset]
    edit: Edit
    reason: str


WRONG = (
    Wrong("cache above augmentation", augmented, after("map[jitter]", "cache"), "freeze RandomUniform"),
    Wrong("cache above the whole augmented batch", augmented, after("batch[0]", "cache"), "freeze RandomUniform"),
    Wrong("cache above shuffle", shuffled, after("map[scale]", "cache"), "freeze a shuffle"),
    Wrong(
        "reshuffling switched off",
        shuffled,
        argument("shuffle[0]", "reshuffle_each_iteration", value=False),
        "reshuffle",
    ),
    Wrong("take before shuffle", shuffled_and_taken, moved("take[0]", "from_tensor_slices[0]"), "other side"),
    Wrong("seed frozen", shuffled, argument("shuffle[0]", "seed", 3), "another seed"),
    Wrong("smaller buffer", shuffled, argument("shuffle[0]", "buffer_size", 4), "smaller buffer"),
    Wrong("smaller inside", permuted_inside, inside("flat_map[epoch]/shuffle[0]", "buffer_size", 39), "smaller buffer"),
    Wrong("shuffle left out", shuffled, without("shuffle[0]"), "shuffles 0 times"),
    Wrong("batches shuffled", shuffled, moved("shuffle[0]", "batch[0]"), "other side"),
    Wrong("order drawn where it was fixed", plain, after("map[scale]", "shuffle", buffer_size=40, seed=1), "1 times"),
    Wrong("shuffle ahead", filtered_and_shuffled, moved("shuffle[0]", "from_tensor_slices[0]"), "ahead of a filter"),
    Wrong("length lost", plain, after("map[scale]", "ignore_errors"), "of unknown length, it was 5"),
    Wrong("last batch dropped", ragged_end, argument("batch[0]", "drop_remainder", value=True), "element spec"),
    Wrong("last batch dropped by take", unknown_length, after("batch[0]", "take", count=3), "36 examples instead"),
    Wrong("doubled batch", unknown_length, after("batch[0]", "repeat", count=2), "80 examples instead"),
    Wrong("batch size changed", plain, argument("batch[0]", "batch_size", 10), "4 elements long"),
    Wrong("batch size changed, length unknown", unknown_length, argument("batch[0]", "batch_size", 10), "batch sizes"),
    Wrong("map skipped", plain, without("map[scale]"), "example 0 differs"),
    Wrong(
        "map done twice", plain, lambda p: p.insert_after("map[scale]", replace(p["map[scale]"], label="w")), "0 dif"
    ),
    Wrong("repeat doubled", repeated, argument("repeat[0]", "count", 4), "20 elements long"),
    Wrong("endless repeat ended", repeated_of_unknown_length, argument("repeat[0]", "count", 3), "repeats for ever"),
    Wrong("labels one late", zipped, labels_one_late, "elements long"),
    Wrong("another function", both_functions, other_function, "example 0 differs"),
    Wrong("draws once for a batch", augmented, moved("map[jitter]", "batch[0]"), "once for a whole batch"),
    Wrong("one of two draws", augmented_twice, moved("map[flip]", "batch[0]"), "of map[flip] draws once for a whole"),
    Wrong("first examples left out", unknown_length, after("map[scale]", "skip", count=1), "39 examples instead"),
    Wrong("every second example", unknown_length, after("map[scale]", "shard", num_shards=2, index=0), "20 examples"),
)


@pytest.mark.parametrize("wrong", WRONG, ids=lambda wrong: wrong.name)
def test_a_wrong_pipeline_is_caught(wrong: Wrong) -> None:
    verifier = Verifier(checked(record(wrong.dataset_fn)))
    verifier.prepare()

    assert wrong.reason in verifier.check(wrong.edit(verifier.recorded.pipeline))
    assert verifier.rows_compared() > 0


def test_swapped_elements_are_caught_where_the_order_is_the_users() -> None:
    def halves() -> tf.data.Dataset:
        first, second = tf.data.Dataset.range(5), tf.data.Dataset.range(5, 10)
        return first.concatenate(second).batch(2)

    verifier = Verifier(checked(record(halves)))

    def swap(pipeline: Pipeline) -> Pipeline:
        first, second, both, batch = pipeline.ops
        turned = replace(both, receiver=second.label, arguments=(("dataset", Upstream(first.label)),))
        return Pipeline((first, second, turned, batch))

    assert verifier.check(swap(verifier.recorded.pipeline)) == "example 0 differs"


def test_labels_are_compared_as_closely_as_the_images_beside_them() -> None:
    # One tolerance for all floats of an example would hide a label behind the size of its image.
    def paired() -> tf.data.Dataset:
        images = tf.data.Dataset.from_tensor_slices(_IMAGES * 1e4)
        labels = tf.data.Dataset.from_tensor_slices(_LABELS)
        other = tf.data.Dataset.from_tensor_slices(_LABELS + 1.0)
        return tf.data.Dataset.zip(images, labels, other.take(100))

    verifier = Verifier(checked(record(paired)))
    pipeline = verifier.recorded.pipeline
    images, labels, other = (Upstream(op.label) for op in (pipeline.ops[0], pipeline.ops[1], pipeline.ops[3]))
    swapped = pipeline.replace_op("zip[0]", lambda op: replace(op, arguments=(("args", (images, other, labels)),)))

    assert verifier.check(swapped) == "example 0 differs"


def test_one_of_two_augmentations_frozen_is_caught() -> None:
    # What is left of the randomness still changes from epoch to epoch, so reading alone cannot tell.
    def twice() -> tf.data.Dataset:
        return _slices().map(jitter).map(jitter).batch(8)

    verifier = Verifier(checked(record(twice)))
    wrong = verifier.recorded.pipeline.insert_after("map[jitter]", _op("cache"))

    assert verifier.check(wrong) == "a cache would freeze RandomUniform"


@pytest.mark.parametrize(
    ("dataset_fn", "label", "frozen"),
    [(augmented, "map[jitter]", "what is in the examples"), (shuffled, "map[scale]", "the order")],
)
def test_what_is_frozen_is_caught_by_reading_alone(
    dataset_fn: Callable[[], tf.data.Dataset], label: str, frozen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify, "newly_frozen", lambda *_: "")
    verifier = Verifier(checked(record(dataset_fn)))
    wrong = verifier.recorded.pipeline.insert_after(label, _op("cache"))

    assert verifier.check(wrong) == f"{frozen}, new in each epoch, would be frozen"


def test_a_snapshot_above_augmentation_is_caught(tmp_path: Path) -> None:
    verifier = Verifier(checked(record(augmented)))
    wrong = verifier.recorded.pipeline.insert_after("map[jitter]", _op("snapshot", path=str(tmp_path / "kept")))

    assert verifier.check(wrong) == "a cache would freeze RandomUniform"
