"""Claims that are true or not whatever the machine: each one is tried here, and says what happened."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import tensorflow as tf

from autotuner.tfdata.graph import CanonicalGraph
from experiments import claim_pipelines
from experiments.two_workers import tuned_rows_of_two_workers

Fact = tuple[bool, str]


def prefetch_before_batch_is_an_error() -> Fact:
    """The example that is said to fail."""
    dataset = tf.data.Dataset.range(10).prefetch(tf.data.AUTOTUNE)
    batches = [batch.numpy().tolist() for batch in dataset.batch(2)]
    return False, f"no error: {len(batches)} batches, {batches[0]} first"


def prefetch_in_fit_is_ineffective() -> Fact:
    """Whether ``fit(dataset.prefetch(…))`` is given anything else than a pipeline that ends with it."""
    in_fit, in_pipeline = claim_pipelines.plain().prefetch(tf.data.AUTOTUNE), claim_pipelines.plain_prefetch()
    same = CanonicalGraph.of(in_fit).digest == CanonicalGraph.of(in_pipeline).digest
    return not same, "the same graph" if same else "another graph"


def np_load_in_interleave_works() -> Fact:
    """The example as printed gives ``numpy.load`` a symbolic tensor."""
    paths = tf.data.Dataset.from_tensor_slices(["a.npz"])
    try:
        paths.interleave(lambda path: tf.data.Dataset.from_tensor_slices(np.load(path)["data"]))
    except TypeError as error:
        return False, f"fails while it is traced: {type(error).__name__}"
    return True, "is traced"


def no_example_is_lost_between_workers() -> Fact:
    """Two workers on loopback, ``MultiWorkerMirroredStrategy``, a cached, vectorised and materialised pipeline."""
    found = tuned_rows_of_two_workers()
    return found.missing == found.doubled == 0, str(found)


FACTS: tuple[tuple[str, Callable[[], Fact]], ...] = (
    ("prefetch before batch is an error", prefetch_before_batch_is_an_error),
    ("prefetch in the call of fit is ineffective", prefetch_in_fit_is_ineffective),
    ("the interleave over npz files works as printed", np_load_in_interleave_works),
    ("a tuned pipeline, sharded over two workers, loses and doubles nothing", no_example_is_lost_between_workers),
)
