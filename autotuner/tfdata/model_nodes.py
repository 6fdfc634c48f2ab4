"""Which nodes of tf.data's own performance model belong to which op.

The model names its nodes by type only, so the trees are compared: what does not fit is left out, never guessed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from autotuner.pipeline import Op, Pipeline
from autotuner.tfdata.intercept import NESTING, READERS
from autotuner.tfdata.stages import Stage

_FORWARDING = {"OptionsDataset", "FinalizeDataset", "ModelDataset"}
_RUNS_DATASETS = {"FlatMap", "Interleave", "ParallelInterleave", "LegacyParallelInterleave", "GroupByWindow"}
"""Types whose first input is read, and whose other ones are made by their function while they run."""
_READING = {"CSV", "FlatMap", "ParallelInterleave"}
_TYPES = {
    "batch": "Batch", "cache": "Cache", "filter": "Filter", "flat_map": "FlatMap", "from_tensor_slices": "TensorSlice",
    "from_tensors": "Tensor", "interleave": "Interleave", "map": "Map", "padded_batch": "PaddedBatch",
    "prefetch": "Prefetch", "range": "Range", "repeat": "Repeat", "shuffle": "Shuffle", "skip": "Skip", "take": "Take",
    "zip": "Zip",
}  # fmt: skip


@dataclass(frozen=True)
class Found:
    """One node of the model and the op it works for."""

    path: str
    node: Any
    first: bool
    """Its elements are those of the op."""
    made: bool = False
    """It belongs to a dataset that the op's function made, and is told apart from the op no further."""
    runs_datasets: bool = False


def found_nodes(model: Any, stage: Stage, pipeline: Pipeline) -> list[Found]:
    """Every node of the model proto of which it is certain to which op of ``pipeline`` it belongs."""
    matching = _Matching(model.nodes, dict(pipeline.walk()))
    root = model.nodes[model.output]
    return [found for child in root.inputs for found in matching.of(stage, child)]


class _Matching:
    def __init__(self, nodes: Mapping[int, Any], ops: Mapping[str, Op]) -> None:
        self._nodes = nodes
        self._ops = ops

    def of(self, stage: Stage, number: int) -> Iterator[Found]:
        node = self._nodes[number]
        if stage.type in _FORWARDING:
            yield from self.of(stage.inputs[0], number)
            return
        if _plain(stage.type) != _plain(node.name):
            return
        runs = _plain(node.name) in _RUNS_DATASETS
        yield Found(stage.path, node, stage.first, runs_datasets=runs)
        parts, children = self._parts(node)
        yield from (Found(stage.path, part, first=False) for part in parts)
        if not stage.inputs:
            yield from (Found(stage.path, part, first=False) for child in children for part in self._below(child))
            return
        if not runs:
            for source, child in self._paired(stage.inputs, parts[-1] if parts else node, children):
                yield from self.of(source, child)
            return
        for child in children:
            if child == node.id + 1:
                yield from self.of(stage.inputs[0], child)
            else:
                yield from self._made(stage.path, child)

    def _parts(self, node: Any) -> tuple[list[Any], Sequence[int]]:
        """A cache or snapshot is a node that hands over to a second one; that one, and the inputs of the last."""
        parts: list[Any] = []
        last = node
        while len(last.inputs) == 1 and re.fullmatch(
            rf"\w*{_plain(node.name)}\w*(Impl|Writer|Reader)", self._nodes[last.inputs[0]].name
        ):
            last = self._nodes[last.inputs[0]]
            parts.append(last)
        return parts, last.inputs

    @staticmethod
    def _paired(inputs: Sequence[Stage], node: Any, children: Sequence[int]) -> list[tuple[Stage, int]]:
        """Inputs with their nodes: an iterator is gone once it has ended, and some are made late."""
        if len(inputs) == len(children):
            return list(zip(inputs, children, strict=True))
        # The first input's iterator is made right after that of the dataset which reads it.
        if len(children) == 1 and children[0] == node.id + 1:
            return [(inputs[0], children[0])]
        if len(children) == 1 and len(inputs) == 2:  # noqa: PLR2004 - then it is the other one
            return [(inputs[1], children[0])]
        return []

    def _made(self, path: str, number: int) -> Iterator[Found]:
        """Nodes of a dataset that the function of the op at ``path`` made."""
        inner = self._ops[path].inner
        if inner is not None and tellable(inner):
            known = self._inner(path, inner, inner.output.label, number)
            if known is not None:
                yield from known
                return
        for index, node in enumerate(self._below(number)):
            yield Found(path, node, first=index == 0, made=True)

    def _inner(self, path: str, pipeline: Pipeline, label: str, number: int) -> list[Found] | None:
        """The nodes of one inner op and its inputs; ``None`` where they are not what the op is known to make."""
        op, node = pipeline[label], self._nodes[number]
        name = _plain(node.name)
        if name not in _types(op.kind):
            return None
        own = f"{path}/{label}"
        here = Found(own, node, first=True, runs_datasets=op.kind in NESTING)
        if not op.inputs:
            below = [part for child in node.inputs for part in self._below(child)]
            return [here, *(replace(here, node=part, first=False, runs_datasets=False) for part in below)]
        found = [here]
        for index, child in enumerate(node.inputs):
            if op.kind in NESTING and child != node.id + 1:
                found += self._made(own, child)
                continue
            upstream = self._inner(path, pipeline, op.inputs[index], child) if index < len(op.inputs) else None
            if upstream is None or (len(op.inputs) > 1 and len(op.inputs) != len(node.inputs)):
                return None
            found += upstream
        return found

    def _below(self, number: int) -> Iterator[Any]:
        """A node and everything it reads."""
        waiting = [number]
        while waiting:
            node = self._nodes[waiting.pop()]
            yield node
            waiting.extend(reversed(node.inputs))


def tellable(inner: Pipeline) -> bool:
    """What a function builds is one tree of kinds that are known by their nodes."""
    return inner.ops == inner.upstream(inner.output.label) and all(_types(op.kind) for op in inner.ops)


def _plain(name: str) -> str:
    """What the type of a dataset and that of its iterator have in common."""
    name = re.sub(r"V\d+$|/_\d+$", "", name.replace("Dataset", ""))
    return re.sub(r"^(Finite|Forever|Empty|Memory|File|From)", "", name)


def _types(kind: str) -> set[str]:
    """Types of the node that gives the elements of an op; none for kinds that are made of several datasets."""
    if kind in READERS:
        return _READING
    plain = _TYPES.get(kind, "")
    return {plain, f"Parallel{plain}"} if plain else set()
