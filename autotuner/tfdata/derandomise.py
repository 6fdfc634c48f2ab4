"""Replaces random draws in a dataset's graph by what is the same every time, so that two pipelines can be compared.

Common draws become one constant, whatever their shape: a stage that draws for a whole batch then agrees with one that
draws per example. Rare ones (gamma, categorical, …) become their stateless counterpart with a fixed seed. Shuffles,
also those inside functions and inside what was not recorded, become the identity.
"""

from __future__ import annotations

from collections.abc import Iterable
from collections.abc import Set as AbstractSet
from typing import TypeAlias

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, node_def_pb2

from autotuner.tfdata.graph import graph_def
from autotuner.tfdata.op_types import ADVANCES, RANDOM
from autotuner.tfdata.stand_ins import constant_node, made_node, reseeded

_STATE_ONLY = {"RngReadAndSkip", "RngSkip"}
_SHAPE_INPUT = {"StatefulUniform": 2, "StatefulStandardNormalV2": 2, "StatefulTruncatedNormal": 2,
                "StatefulUniformFullInt": 2, "StatefulStandardNormal": 1}  # fmt: skip
_INT_INPUTS = {
    "RandomUniformInt": (0, 1, 2),
    "StatelessRandomUniformInt": (0, 2, 3),
    "StatelessRandomUniformIntV2": (0, 4, 5),
    "StatefulUniformInt": (2, 3, 4),
}
"""Positions of shape, minimum and maximum."""
_FILLED = {
    "ParameterizedTruncatedNormal", "RandomStandardNormal", "RandomUniform", "StatelessParameterizedTruncatedNormal",
    "StatelessRandomNormal", "StatelessRandomNormalV2", "StatelessRandomUniform", "StatelessRandomUniformFullInt",
    "StatelessRandomUniformFullIntV2", "StatelessRandomUniformV2", "StatelessTruncatedNormal",
    "StatelessTruncatedNormalV2", "TruncatedNormal", *_SHAPE_INPUT,
}  # fmt: skip
_SHUFFLES = {"ShuffleDataset", "ShuffleDatasetV2", "ShuffleDatasetV3"}

Nodes: TypeAlias = list[node_def_pb2.NodeDef]


class UndecidableError(Exception):
    """A random op has no deterministic stand-in here."""


def derandomised(
    dataset: tf.data.Dataset,
    constant: float,
    keep: AbstractSet[str] = frozenset(),
    within: AbstractSet[str] | None = None,
) -> tf.data.Dataset:
    """``dataset`` with every random draw replaced by ``constant`` (0 ≤ constant < 1), except op types in ``keep``.

    With ``within`` these stay only in the functions of the graph that it names.
    Draws from a range give the value at that fraction of it; a random permutation becomes the identity. Without
    anything random, ``dataset`` itself.

    Raises:
        UndecidableError: a random op that cannot be replaced, or a graph that TensorFlow cannot serialise.
    """
    try:
        graph = graph_def(dataset)
    except (tf.errors.OpError, ValueError) as error:
        raise UndecidableError(f"TensorFlow cannot serialise the dataset: {str(error).splitlines()[0]}") from error
    functions = graph.library.function
    bodies = [graph.node, *(function.node_def for function in functions)]
    names = ["", *(function.signature.name for function in functions)]
    # Stateless draws with constant seeds, or seeds from the data, are the user's own determinism: they stay.
    advancing = any(node.op in ADVANCES for body in bodies for node in body)
    stand_ins = [
        _StandIns(constant, keep if within is None or name in within else frozenset(), stateless=advancing)
        for name in names
    ]
    renamed = [_replace_in(body, own) for body, own in zip(bodies, stand_ins, strict=True)]
    if not any(own.made for own in stand_ins):
        return dataset
    for changed, function in zip(renamed[1:], functions, strict=True):
        for key, reference in function.ret.items():
            function.ret[key] = _renamed(reference, changed)
    variant = tf.raw_ops.DatasetFromGraph(graph_def=graph.SerializeToString())
    return tf.data.experimental.from_variant(variant, dataset.element_spec)


def _replace_in(body: Nodes, stand_ins: _StandIns) -> set[str]:
    """Replaces nodes of one graph or function; names of those whose output got another name."""
    replaced: Nodes = []
    renamed: set[str] = set()
    for node in body:
        made = stand_ins.of(node)
        replaced.extend([node] if made is None else made)
        if made is not None and node.op in _SHUFFLES:
            renamed.add(node.name)
    if len(replaced) == len(body) and all(new is old for new, old in zip(replaced, body, strict=True)):
        return renamed  # not copied: a constant may hold all the data
    copies = [node_def_pb2.NodeDef.FromString(node.SerializeToString()) for node in replaced]
    for node in copies:
        inputs = [_renamed(item, renamed) for item in node.input]
        del node.input[:]
        node.input.extend(inputs)
    del body[:]
    body.extend(copies)
    return renamed


def _renamed(reference: str, names: Iterable[str]) -> str:
    name, _, rest = reference.partition(":")
    return f"{name}:output:0" if name in names and rest.startswith("handle") else reference


class _StandIns:
    def __init__(self, constant: float, keep: AbstractSet[str], *, stateless: bool) -> None:
        self.made = 0
        self._constant = constant
        self._keep = keep
        self._stateless = stateless

    def of(self, node: node_def_pb2.NodeDef) -> Nodes | None:
        """What stands in for ``node``; ``None`` where it stays."""
        if node.op in self._keep or (node.op.startswith("Stateless") and not self._stateless):
            return None
        made = self._stand_in(node)
        self.made += made is not None
        return made

    def _stand_in(self, node: node_def_pb2.NodeDef) -> Nodes | None:
        if node.op in _INT_INPUTS:
            return _integer(node, self._constant)
        if node.op in _FILLED:
            return _filled(node, self._constant)
        if node.op in {"RandomShuffle", "StatelessShuffle"}:
            return [made_node(node.name, "Identity", [node.input[0]], T=node.attr["T"])]
        if node.op in _SHUFFLES:
            return [made_node(node.name, "Identity", [node.input[0]], T=tf.variant.as_datatype_enum)]
        made = reseeded(node, round(self._constant * 1000))
        if made is None and node.op in RANDOM - _STATE_ONLY:
            raise UndecidableError(f"{node.op} cannot be made deterministic for the comparison")
        return made


def _filled(node: node_def_pb2.NodeDef, constant: float) -> Nodes:
    dtype = tf.as_dtype(node.attr["dtype"].type)
    value = constant if dtype.is_floating else int(constant * 1000)
    shape = node.input[_SHAPE_INPUT.get(node.op, 0)]
    fill = constant_node(f"{node.name}_constant", value, dtype)
    kind = attr_value_pb2.AttrValue(type=dtype.as_datatype_enum)
    filled = made_node(node.name, "Fill", [shape, f"{fill.name}:output:0"], T=kind, index_type=_shape_type(node))
    return [fill, filled]


def _integer(node: node_def_pb2.NodeDef, constant: float) -> Nodes:
    """The value ``constant`` of the way from minimum to maximum, filled into the wanted shape."""
    shape, low, high = (node.input[position] for position in _INT_INPUTS[node.op])
    kind = tf.as_dtype(node.attr["Tout" if node.op == "RandomUniformInt" else "dtype"].type).as_datatype_enum
    wide = tf.float64.as_datatype_enum
    name = node.name
    fraction = constant_node(f"{name}_fraction", constant, tf.float64)
    return [
        fraction,
        made_node(f"{name}_range", "Sub", [high, low], T=kind),
        made_node(f"{name}_wide", "Cast", [f"{name}_range:z:0"], SrcT=kind, DstT=wide),
        made_node(f"{name}_scaled", "Mul", [f"{name}_wide:y:0", f"{fraction.name}:output:0"], T=wide),
        made_node(f"{name}_offset", "Cast", [f"{name}_scaled:z:0"], SrcT=wide, DstT=kind),
        made_node(f"{name}_value", "AddV2", [low, f"{name}_offset:y:0"], T=kind),
        made_node(name, "Fill", [shape, f"{name}_value:z:0"], T=kind, index_type=_shape_type(node)),
    ]


def _shape_type(node: node_def_pb2.NodeDef) -> int:
    for name in ("shape_dtype", "Tshape", "T"):
        if name in node.attr and node.attr[name].type in {tf.int32.as_datatype_enum, tf.int64.as_datatype_enum}:
            return int(node.attr[name].type)
    return int(tf.int32.as_datatype_enum)
