"""The canonical hash: the same for the same pipeline, another one as soon as anything that matters changes."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.tfdata.graph import CanonicalGraph, graph_def

Stage = tuple[str, int]
STAGES: dict[str, Callable[[tf.data.Dataset, int], tf.data.Dataset]] = {
    "add": lambda ds, k: ds.map(lambda x: x + k),
    "multiply": lambda ds, k: ds.map(lambda x: x * (k + 2)),
    "keep": lambda ds, k: ds.filter(lambda x: x % (k + 2) > 0),
    "take": lambda ds, k: ds.take(k + 1),
    "skip": lambda ds, k: ds.skip(k + 1),
    "shuffle": lambda ds, k: ds.shuffle(10, seed=k),
    "repeat": lambda ds, k: ds.repeat(k + 2),
    "cache": lambda ds, _: ds.cache(),
    "interleave": lambda ds, k: ds.interleave(
        lambda x: tf.data.Dataset.range(k + 1).map(lambda y: y + x), cycle_length=k + 1
    ),
    "shard": lambda ds, k: ds.shard(k + 2, 0),
}
stages = st.lists(st.tuples(st.sampled_from(sorted(STAGES)), st.integers(0, 3)), max_size=5)


def built(parts: list[Stage], name: str | None = None) -> tf.data.Dataset:
    dataset = tf.data.Dataset.range(20, name=name)
    for kind, number in parts:
        dataset = STAGES[kind](dataset, number)
    return dataset


def digest(dataset: tf.data.Dataset) -> str:
    return CanonicalGraph.of(dataset).digest


def written(parts: list[Stage]) -> list[Stage]:
    """What makes the difference: a cache takes no number."""
    return [(kind, 0 if kind == "cache" else number) for kind, number in parts]


@settings(max_examples=40, deadline=None)
@given(stages)
def test_building_again_and_naming_change_nothing(parts: list[Stage]) -> None:
    first = digest(built(parts))
    tf.constant([len(parts)])
    assert digest(built(parts)) == first
    assert digest(built(parts, name="source")) == first


@settings(max_examples=40, deadline=None)
@given(stages, stages)
def test_different_pipelines_have_different_hashes(left: list[Stage], right: list[Stage]) -> None:
    assert (digest(built(left)) == digest(built(right))) == (written(left) == written(right))


@settings(max_examples=20, deadline=None)
@given(stages.filter(bool), st.integers(0, 99))
def test_node_names_and_their_order_in_functions_do_not_count(parts: list[Stage], seed: int) -> None:
    graph = graph_def(built(parts))
    expected = CanonicalGraph(graph).digest
    names = {node.name: f"renamed_{index}" for index, node in enumerate(graph.node)}
    for node in graph.node:
        node.name = names[node.name]
        renamed = [item.replace(item.partition(":")[0], names[item.partition(":")[0]], 1) for item in node.input]
        del node.input[:]
        node.input.extend(renamed)
    for function in graph.library.function:
        nodes = [type(node).FromString(node.SerializeToString()) for node in function.node_def]
        order = np.random.default_rng(seed).permutation(len(nodes))
        del function.node_def[:]
        function.node_def.extend([nodes[index] for index in order])
    assert CanonicalGraph(graph).digest == expected


def test_pyfunc_tokens_do_not_count() -> None:
    def make() -> tf.data.Dataset:
        return tf.data.Dataset.range(3).map(lambda x: tf.numpy_function(lambda y: y + 1, [x], tf.int64))

    assert digest(make()) == digest(make())


def test_the_output_type_of_a_python_function_counts() -> None:
    def make(dtype: tf.DType) -> tf.data.Dataset:
        return tf.data.Dataset.range(3).map(lambda x: tf.numpy_function(lambda y: y, [x], dtype))

    assert digest(make(tf.int64)) != digest(make(tf.float32))


def test_values_of_captured_arrays_count() -> None:
    def make(values: np.ndarray) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices(values).map(lambda x: x + values[0])

    assert digest(make(np.arange(4))) == digest(make(np.arange(4)))
    assert digest(make(np.arange(4))) != digest(make(np.arange(4)[::-1].copy()))


def test_seeds_and_orders_of_inputs_count() -> None:
    low, high = tf.data.Dataset.range(3), tf.data.Dataset.range(3, 6)
    assert digest(low.concatenate(high)) != digest(high.concatenate(low))
    assert digest(tf.data.Dataset.zip(low, high)) != digest(tf.data.Dataset.zip(high, low))
    assert digest(low.shuffle(3, seed=1)) != digest(low.shuffle(3, seed=2))
    assert digest(low.shuffle(3)) != digest(low.shuffle(3, reshuffle_each_iteration=False))


def test_which_output_of_a_node_is_used_counts() -> None:
    pair = tf.data.Dataset.from_tensor_slices(([1, 2], [3, 4]))
    assert digest(pair.map(lambda x, _: x)) != digest(pair.map(lambda _, y: y))
    assert digest(pair.map(lambda x, y: x - y)) != digest(pair.map(lambda x, y: y - x))


def test_a_long_chain_is_not_too_deep() -> None:
    dataset = tf.data.Dataset.range(3)
    for _ in range(300):
        dataset = dataset.skip(0)
    assert digest(dataset)
