"""Finds the facts about each op that legality and sizes rest on."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf

from autotuner.determinism import ATTRIBUTE
from autotuner.pipeline import OPAQUE, Captured, Facts, Op, OpFacts, Pipeline
from autotuner.pipeline.counts import elements_per_step
from autotuner.rewrites.order import reshuffles
from autotuner.tfdata.build import build_all
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.live import Live
from autotuner.tfdata.op_types import PYTHON, draws_repeat, random_types, stateful_types
from autotuner.tfdata.reading import Reading
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.small_epoch import shortened, unshuffled

_DRAWING_SOURCES = ("RandomDataset", "ShuffleDataset", "ShuffleAndRepeatDataset")
_SAMPLES = 8
_SAMPLE_SECONDS = 1.0


def analyse(recorded: Recorded) -> Facts:
    """Facts for every op of the recorded pipeline.

    A few elements are read where the ``element_spec`` does not tell an element's size.
    """
    facts = facts_of(recorded.pipeline, recorded.datasets, recorded.live)
    unknown = [label for label, known in facts.by_path.items() if known.element_bytes is None]
    sizes = _sampled_bytes(recorded, unknown)
    sampled = {label: replace(facts[label], element_bytes=size) for label, size in sizes.items()}
    return Facts({**facts.by_path, **sampled})


def facts_of(pipeline: Pipeline, datasets: Mapping[str, tf.data.Dataset], live: Live) -> Facts:
    """Facts for every op of ``pipeline`` that its datasets tell without being read."""
    graphs = {op.label: graph for op in pipeline.ops if (graph := _graph(datasets[op.label])) is not None}
    steps = elements_per_step(pipeline)
    facts: dict[str, OpFacts] = {}
    for op in pipeline.ops:
        effects = _effects(op, graphs)
        stated = bool(effects.python) and _stated_deterministic(live, op)
        dataset = datasets[op.label]
        facts[op.label] = OpFacts(
            random=effects.random,
            seeded=effects.seeded,
            python=() if stated else effects.python,
            stated=effects.python if stated else (),
            stateful=effects.stateful,
            cardinality=int(dataset.cardinality()),
            element_bytes=spec_bytes(dataset.element_spec),
            elements_per_step=steps.get(op.label),
            element_spec=str(dataset.element_spec),
            opaque_reason=_opaque_reason(op, graphs),
            pads_nothing=op.kind == "padded_batch" and _pads_nothing(datasets[str(op.receiver)], dataset),
        )
    return Facts(facts)


def _stated_deterministic(live: Live, op: Op) -> bool:
    return bool(op.functions) and all(getattr(live[item.key], ATTRIBUTE, False) for item in op.functions)


def _graph(dataset: tf.data.Dataset) -> CanonicalGraph | None:
    try:
        return CanonicalGraph.of(dataset)
    except (tf.errors.OpError, ValueError):
        return None


def _pads_nothing(elements: tf.data.Dataset, padded: tf.data.Dataset) -> bool:
    """Elements of one shape, padded to that shape."""
    given, made = tf.nest.flatten(elements.element_spec), tf.nest.flatten(padded.element_spec)
    dense = all(isinstance(spec, tf.TensorSpec) and spec.shape.is_fully_defined() for spec in given)
    return dense and [spec.shape for spec in given] == [spec.shape[1:] for spec in made]


def _opaque_reason(op: Op, graphs: dict[str, CanonicalGraph]) -> str:
    if op.kind == OPAQUE:
        leaf = op.argument("dataset")
        return leaf.summary if isinstance(leaf, Captured) else "opaque"
    if op.label not in graphs or any(label not in graphs for label in op.inputs):
        return "TensorFlow cannot serialise it"
    return ""


@dataclass(frozen=True)
class _Effects:
    """Types of ops that the op itself brings along."""

    random: tuple[str, ...] = ()
    seeded: tuple[str, ...] = ()
    python: tuple[str, ...] = ()
    stateful: tuple[str, ...] = ()


def _effects(op: Op, graphs: dict[str, CanonicalGraph]) -> _Effects:
    if _opaque_reason(op, graphs):
        return _Effects()
    graph = graphs[op.label]
    nodes = list(graph.new_nodes([graphs[label] for label in op.inputs]))
    within = list(graph.function_nodes(iter(nodes)))
    types = {node.op for node in within}
    sources = {node.op for node in nodes if node.op.startswith(_DRAWING_SOURCES)}
    if reshuffles(op) or op.kind == "shuffle":
        # That it shuffles is known from the op itself, and rewrites know what to do about it.
        sources = {name for name in sources if name.startswith("RandomDataset") and op.kind == "random"}
    random = random_types(types | sources)
    repeating = {node.op for node in within if node.op in random and draws_repeat(node)}
    return _Effects(random, tuple(sorted(repeating)), tuple(sorted(types & PYTHON)), stateful_types(types))


def spec_bytes(spec: object) -> float | None:
    """Size of one element; ``None`` where shapes are open or elements are strings, ragged or datasets."""
    total = 0
    for leaf in tf.nest.flatten(spec):
        if not isinstance(leaf, tf.TensorSpec) or not leaf.shape.is_fully_defined() or leaf.dtype == tf.string:
            return None
        total += leaf.shape.num_elements() * leaf.dtype.size
    return float(total)


def _sampled_bytes(recorded: Recorded, labels: list[str]) -> dict[str, float | None]:
    """Mean size of the first elements of each op; what cannot be read soon stays unknown."""
    short = shortened(unshuffled(recorded.pipeline), _SAMPLES * 64)
    built: dict[str, tf.data.Dataset] = {}
    sizes: dict[str, float | None] = {}
    for label in labels:
        if label in short:
            built |= build_all(recorded, Pipeline(short.upstream(label)), built)
            sizes[label] = _mean_bytes(built[label])
    return sizes


def _mean_bytes(dataset: tf.data.Dataset) -> float | None:
    try:
        sizes = [_element_bytes(element) for element in Reading(dataset.take(_SAMPLES), _SAMPLE_SECONDS)]
    except (tf.errors.OpError, ValueError):
        return None
    known = [size for size in sizes if size is not None]
    return float(np.mean(known)) if known else None


def _element_bytes(element: object) -> float | None:
    total = 0
    for leaf in tf.nest.flatten(element, expand_composites=True):
        if isinstance(leaf, tf.data.Dataset) or not hasattr(leaf, "numpy") or leaf.dtype == tf.variant:
            return None
        array = np.asarray(leaf)
        strings = array.dtype.kind == "O"
        total += sum(len(item) for item in array.ravel().tolist()) if strings else array.nbytes
    return float(total)
