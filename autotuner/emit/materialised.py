"""A materialised stage in the user's own file: one function, and one call of it in place of their batch."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass, replace

from autotuner.emit.batches import BATCHES, batches_function
from autotuner.emit.expressions import Expressions
from autotuner.emit.statements import batches_text
from autotuner.pipeline import MAX_ELEMENTS, AssertBatches, Derived, Op, Pipeline

NAME = "batches_of_rows"
_SOURCE = '''def {name}(dataset{size}):
    """Keep every row as tensors; an epoch batches row numbers {told}."""
{ahead}

{batches}

{whole}
    return {result}'''


@dataclass(frozen=True)
class Materialised:
    """The ops that stand in a row for the user's one batch."""

    batch: Op
    epoch: Derived
    length: AssertBatches | None
    others: tuple[str, ...]
    """Labels of all but the batch."""

    @staticmethod
    def of(pipeline: Pipeline) -> Materialised | None:
        """Those of ``pipeline``, where it has them and nothing stands between them."""
        trunk = pipeline.trunk()
        for index, op in enumerate(trunk):
            made = op.argument("map_func")
            if not isinstance(made, Derived) or made.form not in BATCHES:
                continue
            before, behind = trunk[max(index - 2, 0) : index], trunk[index + 1 : index + 2]
            if [item.kind for item in before] != ["batch", "cache"]:
                return None
            length = next((value for item in behind for _, value in item.arguments), None)
            counted = isinstance(length, AssertBatches)
            all_of_it = [item for item in trunk[max(index - 3, 0) : index - 2] if _takes_all(item)]
            parts = (*all_of_it, before[1], op, *(behind if counted else ()))
            labels = tuple(item.label for item in parts)
            return Materialised(before[0], made, length if isinstance(length, AssertBatches) else None, labels)
        return None

    def folded(self, pipeline: Pipeline, recorded: Pipeline) -> Pipeline:
        """``pipeline`` with the user's batch in their place."""
        for label in self.others:
            pipeline = pipeline.remove(label)
        own = recorded[self.batch.label]
        # Nothing decides about it here: of it and a map that changed places with it, the map is the one that moves.
        return pipeline.replace_op(own.label, lambda op: replace(op, arguments=own.arguments, decision=own.decision))

    def source(self, expressions: Expressions, size: str) -> str:
        """The function that makes them of a dataset, and of the batch size where that has a name: ``size``."""
        told, _ = BATCHES[self.epoch.form]
        rows = "tf.int64.max" if self.batch.argument("batch_size") == MAX_ELEMENTS else "rows"
        others = [
            f"{name}={expressions.value(value, name, 'dataset')}"
            for name, value in self.batch.arguments
            if name != "batch_size"
        ]
        ahead = "rows = dataset.cardinality()" if rows == "rows" else "dataset = dataset.take(tf.int64.max)"
        whole = f"dataset = dataset.batch({', '.join([rows, *others])}).cache().flat_map(batches)"
        text = _SOURCE.format(
            name=NAME,
            size=f", {size}" if size else "",
            told=told,
            ahead=f"    {ahead}",
            batches=textwrap.indent(batches_function(self.epoch, size).source or "", "    "),
            whole=f"    {whole}",
            result=self._result(size),
        )
        return expressions.named(text)

    def _result(self, size: str) -> str:
        if self.length is None:
            return "dataset"
        count = batches_text("rows", self.length, size)
        return f"dataset.apply(tf.data.experimental.assert_cardinality({count}))"


def _takes_all(op: Op) -> bool:
    return op.kind == "take" and op.argument("count") == MAX_ELEMENTS
