"""Graph nodes that stand in for random ones: constants, and stateless draws with a fixed seed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import tensorflow as tf
from tensorflow.core.framework import attr_value_pb2, node_def_pb2

_SEED = "seed"


@dataclass(frozen=True)
class _Stateless:
    """How a random node is written as a stateless one: inputs by old position, attributes by new name."""

    op: str
    inputs: tuple[int | str, ...]
    attributes: tuple[tuple[str, str], ...]


_BOX = tuple((name, name) for name in (
    "T", "aspect_ratio_range", "area_range", "max_attempts", "use_image_if_no_bounding_boxes",
))  # fmt: skip
_GAMMA, _POISSON, _BINOMIAL = "StatelessRandomGammaV2", "StatelessRandomPoisson", "StatelessRandomBinomial"
_MULTINOMIAL, _DISTORTED = "StatelessMultinomial", "StatelessSampleDistortedBoundingBox"
_COUNTERPARTS = {
    "RandomGamma": _Stateless(_GAMMA, (0, _SEED, 1), (("T", "S"), ("dtype", "T"))),
    "StatelessRandomGammaV3": _Stateless(_GAMMA, (0, _SEED, 4), (("T", "shape_dtype"), ("dtype", "dtype"))),
    _GAMMA: _Stateless(_GAMMA, (0, _SEED, 2), (("T", "T"), ("dtype", "dtype"))),
    "RandomPoissonV2": _Stateless(_POISSON, (0, _SEED, 1), (("T", "S"), ("Rtype", "R"), ("dtype", "dtype"))),
    _POISSON: _Stateless(_POISSON, (0, _SEED, 2), (("T", "T"), ("Rtype", "Rtype"), ("dtype", "dtype"))),
    "StatefulRandomBinomial": _Stateless(_BINOMIAL, (2, _SEED, 3, 4), (("S", "S"), ("T", "T"), ("dtype", "dtype"))),
    _BINOMIAL: _Stateless(_BINOMIAL, (0, _SEED, 2, 3), (("S", "S"), ("T", "T"), ("dtype", "dtype"))),
    "Multinomial": _Stateless(_MULTINOMIAL, (0, 1, _SEED), (("T", "T"), ("output_dtype", "output_dtype"))),
    _MULTINOMIAL: _Stateless(_MULTINOMIAL, (0, 1, _SEED), (("T", "T"), ("output_dtype", "output_dtype"))),
    "SampleDistortedBoundingBoxV2": _Stateless(_DISTORTED, (0, 1, 2, _SEED), _BOX),
    _DISTORTED: _Stateless(_DISTORTED, (0, 1, 2, _SEED), _BOX),
}
_PER_PARAMETER = {"RandomGamma", "RandomPoissonV2"}
"""Draw the given shape for each of their parameters; the stateless ones are given the whole shape."""
_SOURCES = {"RandomDataset", "RandomDatasetV2"}


def reseeded(node: node_def_pb2.NodeDef, seed: int) -> list[node_def_pb2.NodeDef] | None:
    """``node`` as a draw that depends on ``seed`` and its own arguments alone; ``None`` where it is none of these."""
    if node.op in _SOURCES:
        return _source(node, seed)
    counterpart = _COUNTERPARTS.get(node.op)
    if counterpart is None:
        return None
    fixed = constant_node(f"{node.name}_seed", [seed, 7], tf.int64)
    shape = _whole_shape(node) if node.op in _PER_PARAMETER else []
    inputs = [f"{fixed.name}:output:0" if item == _SEED else node.input[int(item)] for item in counterpart.inputs]
    if shape:
        inputs[0] = f"{shape[-1].name}:output:0"
    made = made_node(node.name, counterpart.op, inputs, Tseed=tf.int64.as_datatype_enum)
    for new, old in counterpart.attributes:
        if old in node.attr:
            made.attr[new].CopyFrom(node.attr[old])
    return [fixed, *shape, made]


def _whole_shape(node: node_def_pb2.NodeDef) -> list[node_def_pb2.NodeDef]:
    kind, parameter = node.attr["S"].type, node.attr["T" if node.op == "RandomGamma" else "R"]
    axis = constant_node(f"{node.name}_axis", 0, tf.int32)
    own = made_node(f"{node.name}_own", "Shape", [node.input[1]], T=parameter, out_type=kind)
    parts = [node.input[0], f"{own.name}:output:0", f"{axis.name}:output:0"]
    whole = made_node(f"{node.name}_whole", "ConcatV2", parts, T=kind, Tidx=tf.int32.as_datatype_enum)
    whole.attr["N"].i = 2
    return [axis, own, whole]


def _source(node: node_def_pb2.NodeDef, seed: int) -> list[node_def_pb2.NodeDef]:
    """A dataset of random numbers that are the same in every epoch."""
    fixed = constant_node(f"{node.name}_seed", seed, tf.int64)
    # The output of a node in a function carries its name; at the top of a graph that of the first is enough.
    number = f"{fixed.name}:output:0" if ":" in node.input[0] else fixed.name
    kinds = {name: node.attr[name] for name in ("output_types", "output_shapes")}
    return [fixed, made_node(node.name, "RandomDataset", [number, number], **kinds)]


def constant_node(name: str, value: float | Sequence[int], dtype: tf.DType) -> node_def_pb2.NodeDef:
    """A ``Const`` node."""
    node = node_def_pb2.NodeDef(name=name, op="Const")
    node.attr["dtype"].type = dtype.as_datatype_enum
    node.attr["value"].tensor.CopyFrom(tf.make_tensor_proto(value, dtype=dtype))
    return node


def made_node(
    name: str, op: str, inputs: Sequence[str], **types: int | attr_value_pb2.AttrValue
) -> node_def_pb2.NodeDef:
    """A node with type attributes."""
    node = node_def_pb2.NodeDef(name=name, op=op, input=inputs)
    for key, value in types.items():
        node.attr[key].CopyFrom(attr_value_pb2.AttrValue(type=value) if isinstance(value, int) else value)
    return node
