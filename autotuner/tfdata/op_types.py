"""Which graph ops draw at random, call Python, or are stateful without doing harm."""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from tensorflow.core.framework import node_def_pb2
from tensorflow.python.framework import op_def_registry

RANDOM = frozenset({
    "Multinomial", "ParameterizedTruncatedNormal", "RandomGamma", "RandomPoisson", "RandomPoissonV2", "RandomShuffle",
    "RandomStandardNormal", "RandomUniform", "RandomUniformInt", "RngReadAndSkip", "RngSkip",
    "SampleDistortedBoundingBox", "SampleDistortedBoundingBoxV2", "StatefulRandomBinomial", "StatefulStandardNormal",
    "StatefulStandardNormalV2", "StatefulTruncatedNormal", "StatefulUniform", "StatefulUniformFullInt",
    "StatefulUniformInt", "TruncatedNormal",
})  # fmt: skip
PYTHON = frozenset({"EagerPyFunc", "PyFunc", "PyFuncStateless"})
_WRITES = frozenset({"AssignVariableOp", "AssignAddVariableOp", "AssignSubVariableOp"})
ADVANCES = _WRITES | {"RngReadAndSkip", "RngSkip"}
"""Ops that move a random state on: beside them, a stateless draw may differ every time."""
_BENIGN = frozenset({
    "AnonymousHashTable", "AnonymousMemoryCache", "AnonymousSeedGenerator", "Assert", "Case", "DummyIterationCounter",
    "DummyMemoryCache", "DummySeedGenerator", "HashTableV2", "If", "LookupTableExportV2", "LookupTableFindV2",
    "LookupTableSizeV2", "Placeholder", "ReadVariableOp", "StatefulPartitionedCall", "VarHandleOp",
    "VarIsInitializedOp", "While", "XlaLaunch",
})  # fmt: skip
# Reading a variable or a table is harmless as long as nothing writes it; writes are not in the list.


def random_types(types: AbstractSet[str]) -> tuple[str, ...]:
    """Random ops among ``types``.

    A stateless random op is random when its seed comes from a variable that is written, as in Keras layers; with a
    constant seed it is a constant. A shuffle inside a function is random as well.
    """
    found = set(types & RANDOM)
    found |= {name for name in types if name.startswith(("ShuffleDataset", "RandomDataset", "ShuffleAndRepeat"))}
    if types & ADVANCES:
        found |= {name for name in types if name.startswith("StatelessRandom")}
    return tuple(sorted(found))


def draws_repeat(node: node_def_pb2.NodeDef) -> bool:
    """A random op draws the same numbers in every run, as far as can be told.

    It does with a seed of its own or of ``tf.random.set_seed``; one that keeps its state in a variable may.
    """
    if "seed" in node.attr and "seed2" in node.attr:
        return bool(node.attr["seed"].i or node.attr["seed2"].i)
    return True


def stateful_types(types: AbstractSet[str]) -> tuple[str, ...]:
    """Stateful ops among ``types`` that are neither random, nor Python, nor known to be harmless."""
    excused = RANDOM | PYTHON | _BENIGN
    if random_types(types):
        excused |= _WRITES  # the write advances the random state
    return tuple(sorted(name for name in types - excused if _is_stateful(name) and "Dataset" not in name))


def _is_stateful(name: str) -> bool:
    definition = op_def_registry.get(name)
    return definition is None or definition.is_stateful
