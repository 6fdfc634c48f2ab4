"""The datasets a pipeline is made of, each with the op it belongs to: what tf.data's model is compared with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import tensorflow as tf

from autotuner.pipeline import Pipeline
from autotuner.tfdata.graph import CanonicalGraph


@dataclass(frozen=True)
class Stage:
    """One dataset of the graph; several of them may belong to one op."""

    path: str
    type: str
    first: bool
    """It gives the elements of its op; the others of the op are within."""
    inputs: tuple[Stage, ...]


def stages(pipeline: Pipeline, datasets: Mapping[str, tf.data.Dataset]) -> Stage:
    """The tree of datasets behind the output of ``pipeline``.

    An op's datasets end where the graph of one of its inputs begins: nodes are recognised by their hashes.

    Raises:
        tf.errors.OpError, ValueError: TensorFlow cannot serialise the pipeline.
    """
    graphs = {op.label: CanonicalGraph.of(datasets[op.label]) for op in pipeline.ops}
    tops = {label: graph.node_hash(graph.output_node) for label, graph in graphs.items()}
    whole = graphs[pipeline.output.label]

    def of_op(label: str, name: str) -> Stage:
        return within(label, name, list(pipeline[label].inputs), first=True)

    def within(label: str, name: str, ahead: list[str], *, first: bool) -> Stage:
        made = []
        for source in whole.dataset_inputs(name):
            found = next((known for known in ahead if tops[known] == whole.node_hash(source)), None)
            if found is None:
                made.append(within(label, source, ahead, first=False))
            else:
                if sum(tops[other] == tops[found] for other in ahead) > 1:
                    ahead.remove(found)  # equal inputs are taken one after the other
                made.append(of_op(found, source))
        return Stage(label, whole.type_of(name), first, tuple(made))

    return of_op(pipeline.output.label, whole.output_node)
