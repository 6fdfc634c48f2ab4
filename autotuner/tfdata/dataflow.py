"""What each output of a map or a filter is computed from: a hash over the data that flow into it, and nothing else.

Two traces have equal hashes when they compute an output in the same way from the same arguments; calls are followed
into their functions, and ops that only run beside the output (asserts, draws nobody uses) do not count.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import TypeAlias

import tensorflow as tf
from tensorflow.core.framework import node_def_pb2

from autotuner.tfdata.graph import CanonicalGraph, graph_def

_FUNCTION = {"MapDataset": "f", "ParallelMapDatasetV2": "f", "FilterDataset": "predicate"}
"""The attribute that holds the function, by type of the dataset op."""
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}
_Made: TypeAlias = str | tuple[str, ...]
"""Hash of an ordinary node; hashes of all outputs of a call."""


class NoDataflowError(Exception):
    """The dataset is not a map or a filter that could be followed."""


def output_hashes(dataset: tf.data.Dataset, arguments: Sequence[str] | None = None) -> tuple[str, ...]:
    """One hash for each component that the function of ``dataset``, a map or a filter, returns.

    ``arguments`` are the hashes of its components' inputs; without them the inputs stand for themselves.

    Raises:
        NoDataflowError: there is nothing to follow.
    """
    try:
        graph = graph_def(dataset)
    except (tf.errors.OpError, ValueError) as error:
        raise NoDataflowError(str(error)) from error
    nodes = {node.name: node for node in graph.node}
    last = nodes[graph.node[-1].input[0]] if graph.node[-1].op == "_Retval" else graph.node[-1]
    if last.op not in _FUNCTION:
        raise NoDataflowError(f"{last.op} is no map")
    functions = {function.signature.name: function for function in graph.library.function}
    flow = _Flow(functions, CanonicalGraph(graph))
    count = len(last.attr["Targuments"].list.type)
    captured = [flow.canonical.node_hash(_source(name)) for name in last.input[1 : 1 + count]]
    name = last.attr[_FUNCTION[last.op]].func.name
    inputs = len(functions[name].signature.input_arg) - len(captured)
    given = [f"argument{index}" for index in range(inputs)] if arguments is None else list(arguments)
    return flow.outputs(name, [*given, *captured])


class _Flow:
    def __init__(self, functions: dict[str, tf.compat.v1.GraphDef], canonical: CanonicalGraph) -> None:
        self.canonical = canonical
        self._functions = functions

    def outputs(self, name: str, arguments: Sequence[str]) -> tuple[str, ...]:
        function = self._functions[name]
        if len(arguments) != len(function.signature.input_arg):
            raise NoDataflowError(f"{name} takes another number of arguments")
        known: dict[str, _Made] = {
            item.name: given for item, given in zip(function.signature.input_arg, arguments, strict=True)
        }
        nodes = {node.name: node for node in function.node_def}
        returned = [function.ret[item.name] for item in function.signature.output_arg]
        waiting = [_source(reference) for reference in returned]
        while waiting:  # a chain of ops is deeper than Python's recursion limit
            node = nodes.get(waiting[-1])
            if waiting[-1] in known or node is None:
                waiting.pop()
                continue
            data = [item for item in node.input if not item.startswith("^")]
            if missing := [_source(item) for item in data if _source(item) not in known]:
                waiting.extend(missing)
            else:
                known[node.name] = self._made(node, [_hash(item, known) for item in data])
        return tuple(_hash(reference, known) for reference in returned)

    def _made(self, node: node_def_pb2.NodeDef, inputs: list[str]) -> _Made:
        if node.op == "Identity":
            return (inputs[0],)
        if node.op in _CALLS and node.attr["f"].func.name in self._functions:
            return self.outputs(node.attr["f"].func.name, inputs)
        return self.canonical.digest_of(node, inputs)


def _source(reference: str) -> str:
    return reference.partition(":")[0]


def _hash(reference: str, known: dict[str, _Made]) -> str:
    name, _, part = reference.partition(":")
    made = known[name]
    if isinstance(made, tuple):
        return made[int(part.rpartition(":")[2])]
    return hashlib.sha256(f"{made}:{part}".encode()).hexdigest() if part else made
