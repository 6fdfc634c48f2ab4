"""A dataset's GraphDef and its canonical hash: the oracle that two pipelines are the same.

A Merkle hash over nodes: names, ``metadata`` and internal (``_*``) attributes do not count, functions stand for
their bodies, Python-function tokens and resource handles are all alike. It cannot tell apart different Python
bodies behind ``py_function`` or different lookup tables.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterator, Sequence

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, function_pb2, graph_pb2, node_def_pb2, op_def_pb2
from tensorflow.python.framework import op_def_registry

_IGNORE_EXTERNAL_STATE = 1
_TOKEN_ATTRIBUTES = {"token"}
_IGNORED_ATTRIBUTES = {"metadata", "container", "shared_name"}


def graph_def(dataset: tf.data.Dataset) -> graph_pb2.GraphDef:
    """The serialised graph of ``dataset``; state such as shuffle positions is left out."""
    serialised = tf.raw_ops.DatasetToGraphV2(
        input_dataset=tf.data.experimental.to_variant(dataset),
        external_state_policy=_IGNORE_EXTERNAL_STATE,
        strip_device_assignment=False,
    )
    return graph_pb2.GraphDef.FromString(serialised.numpy())


class CanonicalGraph:
    """Hashes of every node of a GraphDef, equal for graphs that compute the same in the same way."""

    def __init__(self, graph: graph_pb2.GraphDef) -> None:
        self._functions = {function.signature.name: function for function in graph.library.function}
        self._function_hashes: dict[str, str] = {}
        self._nodes = {node.name: node for node in graph.node}
        self._hashes: dict[str, str] = {}
        for node in graph.node:
            self._add_hash(node.name)
        self._output = graph.node[-1].name

    @staticmethod
    def of(dataset: tf.data.Dataset) -> CanonicalGraph:
        """The canonical graph of a dataset."""
        return CanonicalGraph(graph_def(dataset))

    @property
    def digest(self) -> str:
        """One hash for the whole dataset."""
        return self._hashes[self._output]

    def node_hash(self, name: str) -> str:
        """The hash of one node of the graph."""
        return self._hashes[name]

    @property
    def output_node(self) -> str:
        """Name of the node that makes the dataset."""
        return _node_name(self._nodes[self._output].input[0])

    def type_of(self, name: str) -> str:
        """Type of a node's graph op."""
        return self._nodes[name].op

    def dataset_inputs(self, name: str) -> list[str]:
        """Names of the nodes that make the datasets a dataset reads; those its functions hold on to are left out."""
        node = self._nodes[name]
        arguments = op_def_registry.get(node.op).input_arg
        read: list[str] = []
        position = 0
        for argument in arguments:
            width = _width(argument, node)
            if argument.type == tf.variant.as_datatype_enum:
                read.extend(_node_name(item) for item in node.input[position : position + width])
            position += width
        return [source for source in read if "Dataset" in self._nodes[source].op]

    def new_nodes(self, upstream: Sequence[CanonicalGraph]) -> Iterator[node_def_pb2.NodeDef]:
        """Nodes that are in none of the ``upstream`` graphs: what the last op itself added."""
        known = Counter(digest for graph in upstream for digest in graph._hashes.values())  # noqa: SLF001 - of its own class
        for name, node in self._nodes.items():
            digest = self._hashes[name]
            if known[digest] > 0:
                known[digest] -= 1
            elif node.op != "_Retval":
                yield node

    def function_nodes(self, nodes: Iterator[node_def_pb2.NodeDef]) -> Iterator[node_def_pb2.NodeDef]:
        """Every node reachable in the functions of ``nodes``, nested functions included."""
        for name in self.functions_of(nodes):
            yield from self._functions[name].node_def

    def functions_of(self, nodes: Iterator[node_def_pb2.NodeDef]) -> Iterator[str]:
        """Names of the functions of ``nodes``, nested functions included; each trace of a function has its own."""
        waiting = [name for node in nodes for name in _function_names(node)]
        visited: set[str] = set()
        while waiting:
            name = waiting.pop()
            if name in visited or name not in self._functions:
                continue
            visited.add(name)
            yield name
            for node in self._functions[name].node_def:
                waiting.extend(_function_names(node))

    def _add_hash(self, name: str) -> None:
        # Iterative: a long chain is deeper than Python's recursion limit.
        stack = [name]
        while stack:
            current = stack[-1]
            if current in self._hashes:
                stack.pop()
                continue
            node = self._nodes[current]
            missing = [source for source in map(_node_name, node.input) if source not in self._hashes]
            if missing:
                stack.extend(missing)
                continue
            inputs = [f"{self._hashes[_node_name(item)]}{_output_part(item)}" for item in node.input]
            self._hashes[current] = self.digest_of(node, inputs)
            stack.pop()

    def digest_of(self, node: node_def_pb2.NodeDef, inputs: Sequence[str]) -> str:
        """The hash of a node of the graph or of one of its functions, given those of its inputs."""
        digest = hashlib.sha256(node.op.encode())
        for key in sorted(node.attr):
            if key.startswith("_") or key in _IGNORED_ATTRIBUTES:
                continue
            digest.update(key.encode())
            if key not in _TOKEN_ATTRIBUTES:
                digest.update(self._attribute(node.attr[key]))
        for item in inputs:
            digest.update(item.encode())
        return digest.hexdigest()

    def _attribute(self, value: attr_value_pb2.AttrValue) -> bytes:
        match value.WhichOneof("value"):
            case "func":
                return self._function_hash(value.func.name).encode()
            case "list" if value.list.func:
                return "".join(self._function_hash(item.name) for item in value.list.func).encode()
            case "tensor" if value.tensor.dtype in {tf.resource.as_datatype_enum, tf.variant.as_datatype_enum}:
                return b"handle"
            case _:
                return value.SerializeToString(deterministic=True)

    def _function_hash(self, name: str) -> str:
        if name not in self._functions:
            return name
        if name not in self._function_hashes:
            self._function_hashes[name] = "recursive"
            self._function_hashes[name] = self._body_hash(self._functions[name])
        return self._function_hashes[name]

    def _body_hash(self, function: function_pb2.FunctionDef) -> str:
        hashes = {argument.name: f"argument{index}" for index, argument in enumerate(function.signature.input_arg)}
        # Function bodies are not sorted: repeat until every node's inputs are known.
        waiting = list(function.node_def)
        while waiting:
            blocked = []
            for node in waiting:
                if all(_node_name(item) in hashes for item in node.input):
                    inputs = [f"{hashes[_node_name(item)]}{_output_part(item)}" for item in node.input]
                    hashes[node.name] = self.digest_of(node, inputs)
                else:
                    blocked.append(node)
            if len(blocked) == len(waiting):
                break
            waiting = blocked
        digest = hashlib.sha256()
        for output in function.signature.output_arg:
            reference = function.ret[output.name]
            digest.update(f"{hashes.get(_node_name(reference), reference)}{_output_part(reference)}".encode())
        controls = sorted(hashes.get(name, name) for name in function.control_ret.values())
        digest.update("".join(controls).encode())
        return digest.hexdigest()


def _width(argument: op_def_pb2.OpDef.ArgDef, node: node_def_pb2.NodeDef) -> int:
    """How many inputs of the node one argument of its op stands for."""
    if argument.number_attr:
        return int(node.attr[argument.number_attr].i)
    return len(node.attr[argument.type_list_attr].list.type) if argument.type_list_attr else 1


def _node_name(reference: str) -> str:
    return reference.removeprefix("^").partition(":")[0]


def _output_part(reference: str) -> str:
    return "^" if reference.startswith("^") else reference.partition(":")[2]


def _function_names(node: node_def_pb2.NodeDef) -> Iterator[str]:
    for value in node.attr.values():
        if value.HasField("func"):
            yield value.func.name
        yield from (item.name for item in value.list.func)
