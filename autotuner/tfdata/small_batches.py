"""Which batches a small epoch has to fill, so that it stands for the whole one."""

from __future__ import annotations

from autotuner.pipeline import Facts, OpFacts, Pipeline
from autotuner.rewrites.repeat_later import batch_behind_repeat, why_repeat_stays
from autotuner.tfdata.record import Recorded


def size_that_epochs_fill(recorded: Recorded, pipeline: Pipeline) -> int:
    """Size of the batch behind a repeat that every epoch fills to the last element; 1 where there is none.

    Where one holds the end of an epoch and the beginning of the next, an epoch of any length stands for the whole.
    """
    found = [(op, batch) for op in pipeline.trunk() if (batch := batch_behind_repeat(pipeline, op)) is not None]
    if not found:
        return 1
    counts = {label: int(dataset.cardinality()) for label, dataset in recorded.datasets.items()}
    facts = Facts({label: OpFacts(cardinality=count) for label, count in counts.items()})
    sizes = [batch.argument("batch_size") for op, batch in found if not why_repeat_stays(pipeline, facts, op, batch)]
    return next((size for size in sizes if isinstance(size, int)), 1)
