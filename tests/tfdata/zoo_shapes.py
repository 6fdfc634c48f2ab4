"""Catalogue: kinds of elements, ways to group them, and what recording cannot see."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

from tests.tfdata.zoo_entry import Catalogue

SHAPES = Catalogue()
_BEFORE = tf.data.Dataset.range(9).map(lambda x: x + 1)
_EARLY_MAP = tf.data.Dataset.map


class Doubled(tf.data.Dataset):
    """A user's own kind of dataset."""

    def __init__(self, source: tf.data.Dataset) -> None:
        self._source = source.map(lambda x: x * 2)
        super().__init__(self._source._variant_tensor)

    def _inputs(self) -> list[tf.data.Dataset]:
        return [self._source]

    @property
    def element_spec(self) -> tf.TensorSpec:
        return self._source.element_spec


def _range(count: int = 12) -> tf.data.Dataset:
    return tf.data.Dataset.range(count)


def _sequences() -> tf.data.Dataset:
    return _range(9).map(lambda x: tf.range(x % 4 + 1))


def grouped(ds: tf.data.Dataset) -> tf.data.Dataset:
    return ds.map(lambda x: x + 5).batch(2)


@SHAPES.entry()
def padded(folder: Path) -> tf.data.Dataset:
    del folder
    return _sequences().padded_batch(3, padded_shapes=[None], padding_values=tf.constant(-1, tf.int64))


@SHAPES.entry()
def ragged(folder: Path) -> tf.data.Dataset:
    del folder
    return _sequences().ragged_batch(4, drop_remainder=True).map(lambda r: r + 1)


@SHAPES.entry()
def ragged_by_apply(folder: Path) -> tf.data.Dataset:
    del folder
    return _sequences().apply(tf.data.experimental.dense_to_ragged_batch(batch_size=2))


@SHAPES.entry()
def sparse(folder: Path) -> tf.data.Dataset:
    del folder
    return _range(6).map(lambda x: tf.sparse.from_dense([x, 0, x * 2])).batch(2)


@SHAPES.entry()
def bucketed(folder: Path) -> tf.data.Dataset:
    del folder
    return _sequences().bucket_by_sequence_length(lambda x: tf.shape(x)[0], [2, 4], [2, 2, 1])


@SHAPES.entry()
def grouped_by_window(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().group_by_window(lambda x: x % 3, lambda _, ds: ds.batch(4), window_size=4)


@SHAPES.entry()
def scanned(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().scan(tf.constant(0, tf.int64), lambda s, x: (s + x, s * x)).take_while(lambda x: x < 500)


@SHAPES.entry()
def unbatched_and_rebatched(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().batch(5).unbatch().batch(4).rebatch(3).rebatch([2, 1], drop_remainder=True)


@SHAPES.entry()
def snapshotted(folder: Path) -> tf.data.Dataset:
    return _range().map(lambda x: x * 3).snapshot(str(folder / "snapshot"))


@SHAPES.entry()
def enumerated_shard(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().shard(num_shards=3, index=1).enumerate(start=2).skip(1)


@SHAPES.entry()
def without_duplicates(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().map(lambda x: x % 4).unique().apply(tf.data.experimental.unique())


@SHAPES.entry()
def errors_ignored(folder: Path) -> tf.data.Dataset:
    del folder
    checked = _range(5).map(lambda x: tf.debugging.check_numerics(1.0 / tf.cast(x, tf.float32), "zero"))
    return checked.apply(tf.data.experimental.ignore_errors()).ignore_errors()


@SHAPES.entry(repeatable=False)
def resampled(folder: Path) -> tf.data.Dataset:
    del folder
    return _range(40).rejection_resample(lambda x: tf.cast(x % 2, tf.int32), [0.5, 0.5]).map(lambda _, x: x)


@SHAPES.entry()
def applied(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().apply(grouped).apply(lambda ds: ds)


@SHAPES.entry()
def cardinality_asserted(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().filter(lambda x: x > 3).apply(tf.data.experimental.assert_cardinality(8)).batch(2)


@SHAPES.entry()
def cardinality_of_a_longer_dataset_asserted(folder: Path) -> tf.data.Dataset:
    del folder
    kept = _range(300).filter(lambda x: x > 3).apply(tf.data.experimental.assert_cardinality(296))
    return kept.map(lambda x: x + 1).cache().batch(8)


@SHAPES.entry()
def padded_to_the_shape_they_have(folder: Path) -> tf.data.Dataset:
    del folder
    words = tf.constant([f"word {n}" for n in range(70)])
    source = tf.data.Dataset.from_tensor_slices({"x": tf.reshape(tf.range(210.0), [70, 3]), "word": words})
    scaled = source.map(lambda element: (element["x"] / 2.0, element["word"]))
    centred = scaled.map(lambda x, word: (x - tf.reduce_mean(x), tf.strings.upper(word)))
    return centred.padded_batch(8, padded_shapes=([3], []), padding_values=(-1.0, "?"))


@SHAPES.entry()
def padded_beyond_the_shape_they_have(folder: Path) -> tf.data.Dataset:
    del folder
    source = tf.data.Dataset.from_tensor_slices(tf.reshape(tf.range(30.0), [10, 3]))
    return source.map(lambda x: x - tf.reduce_mean(x)).padded_batch(4, padded_shapes=[5], drop_remainder=True)


@SHAPES.entry(repeatable=False)
def parsed_before_a_cache_and_a_shuffle(folder: Path) -> tf.data.Dataset:
    del folder
    source = tf.data.Dataset.range(150).map(lambda x: {"x": tf.fill([2, 3], tf.cast(x, tf.float32)), "id": x})
    noisy = source.cache().map(lambda e: (e["x"] + tf.random.uniform([]), tf.cast(e["id"] % 7, tf.uint8)))
    return noisy.shuffle(50).map(lambda x, y: (x * 2.0, y)).repeat(2).batch(16)


@SHAPES.entry()
def options_in_many_ways(folder: Path) -> tf.data.Dataset:
    del folder
    options = tf.data.Options()
    options.deterministic = True
    options.threading.private_threadpool_size = 2
    options.experimental_optimization.map_fusion = True
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.DATA
    options.dataset_name = "training"
    later = tf.data.Options()
    later.autotune.enabled = False
    later.autotune.autotune_algorithm = tf.data.experimental.AutotuneAlgorithm.HILL_CLIMB
    return _range().with_options(options).map(lambda x: x + 1).with_options(later, name="later").batch(2)


@SHAPES.entry()
def dictionaries(folder: Path) -> tf.data.Dataset:
    del folder
    made = _range().map(lambda x: {"image": tf.fill([2, 2], x), "meta": {"id": x, "name": tf.strings.as_string(x)}})
    return made.batch(5).map(lambda d: (d["image"], d["meta"]), deterministic=True, num_parallel_calls=2)


@SHAPES.entry(opaque={"opaque[0]": "making was not seen"})
def built_before(folder: Path) -> tf.data.Dataset:
    del folder
    return _BEFORE.map(lambda x: x * 2).batch(2)


@SHAPES.entry(opaque={"opaque[0]": "making was not seen"})
def alias_bound_before(folder: Path) -> tf.data.Dataset:
    del folder
    return _EARLY_MAP(_range(), lambda x: x + 2).batch(2)


@SHAPES.entry(opaque={"opaque[0]": "making was not seen"})
def own_kind_of_dataset(folder: Path) -> tf.data.Dataset:
    del folder
    return Doubled(_range()).take(4)


@SHAPES.entry(opaque={"opaque[0]": "making was not seen"})
def version_one(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.compat.v1.data.Dataset.range(8).map(lambda x: x + 1).batch(3)


@SHAPES.entry(opaque={"map[counting]": "another graph"})
def variable_that_counts_builds(folder: Path) -> tf.data.Dataset:
    del folder
    calls = [0]

    def counting(x: tf.Tensor) -> tf.Tensor:
        calls[0] += 1
        return x + calls[0]

    return _range().map(counting).batch(3)


@SHAPES.entry(repeatable=False, opaque={"opaque[0]": "hidden"})
def hidden_in_a_structure(folder: Path) -> tf.data.Dataset:
    del folder
    return tf.data.Dataset.zip({1: _range(4), 2: _range(4).shuffle(4, seed=1)})


@SHAPES.entry()
def attributes_on_the_result(folder: Path) -> tf.data.Dataset:
    del folder
    made = _range().batch(4)
    made.class_names = ["a", "b"]
    return made


@SHAPES.entry(repeatable=False)
def usual_order(folder: Path) -> tf.data.Dataset:
    del folder
    arrays = np.arange(60, dtype=np.float32).reshape(20, 3), np.arange(20)
    ds = tf.data.Dataset.from_tensor_slices(arrays).shuffle(20)
    return ds.batch(4).map(lambda x, y: (x / 2.0, y)).prefetch(tf.data.AUTOTUNE)


@SHAPES.entry()
def prefetched_before_the_map(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().prefetch(4).map(lambda x: x * 2).cache().prefetch(2)


@SHAPES.entry(repeatable=False)
def repeated_for_ever(folder: Path) -> tf.data.Dataset:
    del folder
    return _range().shuffle(12).repeat().map(lambda x: x + 1).batch(5)


@SHAPES.entry(repeatable=False)
def shuffled_when_decoded(folder: Path) -> tf.data.Dataset:
    del folder
    decoded = _range(20).map(lambda x: tf.fill([4], x)).prefetch(2).map(lambda x: (x, x[0]))
    return decoded.filter(lambda _, y: y > 2).shuffle(6).batch(4)


@SHAPES.entry()
def shuffled_when_decoded_with_a_seed(folder: Path) -> tf.data.Dataset:
    del folder
    decoded = _range(20).map(lambda x: tf.fill([4], x)).map(lambda x: {"x": x, "y": tf.reduce_sum(x)})
    return decoded.shuffle(6, seed=4).repeat(2).batch(4)


@SHAPES.entry()
def thinned_when_decoded(folder: Path) -> tf.data.Dataset:
    del folder
    decoded = _range(40).map(lambda x: x * 2).map(lambda x: (x, x + 1), num_parallel_calls=2)
    return decoded.skip(3).shard(3, 1).prefetch(1).take(8).batch(3)


@SHAPES.entry()
def stages_that_do_nothing(folder: Path) -> tf.data.Dataset:
    del folder
    idle = _range().shuffle(1).map(lambda x: x + 2).take(-1).map(lambda x: [x, x]).skip(0).repeat(1)
    return idle.shard(1, 0).cache().prefetch(0).cache().map(lambda x, y: x + y).batch(5)
