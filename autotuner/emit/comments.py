"""What the comment behind a change says: its measured effect where there is one, and what it does."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from autotuner.pipeline import Configuration

_SAID = {
    "cache.after": "kept from here on, reused in every epoch",
    "cache.medium": "kept in a file",
    "materialise.after": "made once; an epoch is rows in a new order, a batch one gather",
    "vectorize": "works on whole batches",
    "jit_compile": "compiled by XLA",
    "before": "dropped before work is spent on them",
    "num_parallel_calls": "in parallel",
    "num_parallel_reads": "files read in parallel",
    "cycle_length": "files read in turn",
    "block_length": "elements taken from each in turn",
    "buffer_size": "made ahead of their use",
    "options.private_threadpool_size": "threads of its own",
    "options.map_fusion": "neighbouring maps run as one",
    "options.filter_fusion": "neighbouring filters run as one",
    "options.filter_parallelization": "filters run in parallel",
    "options.autotune": "tf.data tunes itself",
    "options.deterministic": "order guaranteed",
}
"""By a decision's name, or by the end of it; a decision that is not here is told by its name."""


_SAID_OF_FALSE = {
    "options.map_fusion": "neighbouring maps run apart",
    "options.filter_fusion": "neighbouring filters run apart",
    "options.filter_parallelization": "filters take one element after the other",
    "options.autotune": "no epoch ends with a wait for tf.data's own tuning",
    "options.deterministic": "no waiting for the order",
}


def comment(decisions: Iterable[str], configuration: Configuration, effects: Mapping[str, str]) -> str:
    """``2.1x: kept from here on, reused in every epoch``; each phrase once."""
    told: dict[str, None] = {}
    for name in dict.fromkeys(decisions):
        said = _SAID.get(name) or _SAID.get(name.rpartition(".")[2], name)
        if configuration.get(name) is False:
            said = _SAID_OF_FALSE.get(name, said)
        told[f"{effects[name]}: {said}" if name in effects else said] = None
    return "; ".join(told)
