"""Everything that rewrites need to know about a recorded pipeline."""

from __future__ import annotations

from collections.abc import Sequence

from autotuner.pipeline import Facts
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.composing import with_composition
from autotuner.tfdata.pinned import with_pinned
from autotuner.tfdata.record import Recorded


def examine(recorded: Recorded, keep: Sequence[str] = ()) -> Facts:
    """Facts for every op; stages whose labels are in ``keep`` are left as they are.

    Raises:
        UserCodeError: ``keep`` names an op the pipeline does not have.
    """
    return with_batching(recorded, with_composition(recorded, with_pinned(recorded, analyse(recorded), keep)))
