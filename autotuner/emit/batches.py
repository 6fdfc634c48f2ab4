"""The source of the function that makes an epoch's batches from materialised rows; the worker runs the same."""

from __future__ import annotations

from autotuner.pipeline import Captured, Derived, FnRef

BATCHES = {
    "permuted_batches": ("in a new random order", "tf.data.Dataset.range(count).shuffle(tf.maximum(count, 1))"),
    "ordered_batches": ("in their order", "tf.data.Dataset.range(count)"),
}
_SOURCE = '''def batches(*columns):
    """Batch all rows of one epoch, {told}."""
    count = tf.shape(tf.nest.flatten(columns)[0], out_type=tf.int64)[0]
    rows = {rows}
    data = {data}
    return rows.batch({size}, drop_remainder={drop}).map(
        lambda picked: tf.nest.map_structure(lambda column: tf.gather(column, picked), data),
        num_parallel_calls=tf.data.AUTOTUNE,
    )'''


def batches_function(made: Derived, size: str = "") -> FnRef:
    """A function with source for a form in :data:`BATCHES`; ``size`` is the batch size's name, if it has one."""
    told, rows = BATCHES[made.form]
    number, drop, single, _ = made.numbers
    data = "columns[0]" if single else "columns"
    source = _SOURCE.format(told=told, rows=rows, data=data, size=size or number, drop=bool(drop))
    tensorflow = Captured("tf", "module tensorflow", "tf", ("import tensorflow as tf",), digest="tf")
    return FnRef(key="batches", name="batches", source=source, bindings={"tf": tensorflow}, digest=made.form)
