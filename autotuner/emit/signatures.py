"""Parameters of the tf.data calls, in order: which are written by position, and where an argument stands."""

from __future__ import annotations

READERS = {
    "TFRecordDataset": "tf.data.TFRecordDataset",
    "TextLineDataset": "tf.data.TextLineDataset",
    "FixedLengthRecordDataset": "tf.data.FixedLengthRecordDataset",
    "CsvDataset": "tf.data.experimental.CsvDataset",
}

PARAMETERS: dict[str, tuple[str, ...]] = {
    "TFRecordDataset": ("filenames", "compression_type", "buffer_size", "num_parallel_reads"),
    "TextLineDataset": ("filenames", "compression_type", "buffer_size", "num_parallel_reads"),
    "FixedLengthRecordDataset": (
        "filenames", "record_bytes", "header_bytes", "footer_bytes", "buffer_size", "compression_type",
        "num_parallel_reads",
    ),
    "CsvDataset": ("filenames", "record_defaults", "compression_type", "buffer_size"),
    "apply": ("transformation_func",),
    "batch": ("batch_size", "drop_remainder", "num_parallel_calls", "deterministic"),
    "bucket_by_sequence_length": ("element_length_func",),
    "cache": ("filename",),
    "choose_from_datasets": ("datasets", "choice_dataset", "stop_on_empty_dataset"),
    "concatenate": ("dataset",),
    "enumerate": ("start",),
    "filter": ("predicate",),
    "flat_map": ("map_func",),
    "from_generator": ("generator",),
    "from_tensor_slices": ("tensors",),
    "from_tensors": ("tensors",),
    "interleave": ("map_func", "cycle_length", "block_length", "num_parallel_calls", "deterministic"),
    "list_files": ("file_pattern", "shuffle", "seed"),
    "load": ("path",),
    "make_batched_features_dataset": (
        "file_pattern", "batch_size", "features", "reader", "label_key", "reader_args", "num_epochs", "shuffle",
        "shuffle_buffer_size", "shuffle_seed", "prefetch_buffer_size",
    ),
    "make_csv_dataset": (
        "file_pattern", "batch_size", "column_names", "column_defaults", "label_name", "select_columns", "field_delim",
        "use_quote_delim", "na_value", "header", "num_epochs", "shuffle", "shuffle_buffer_size", "shuffle_seed",
        "prefetch_buffer_size",
    ),
    "map": ("map_func", "num_parallel_calls", "deterministic"),
    "padded_batch": ("batch_size", "padded_shapes", "padding_values", "drop_remainder"),
    "prefetch": ("buffer_size",),
    "ragged_batch": ("batch_size", "drop_remainder"),
    "rebatch": ("batch_size", "drop_remainder"),
    "rejection_resample": ("class_func", "target_dist"),
    "repeat": ("count",),
    "sample_from_datasets": ("datasets", "weights", "seed"),
    "scan": ("initial_state", "scan_func"),
    "shard": ("num_shards", "index"),
    "shuffle": ("buffer_size", "seed", "reshuffle_each_iteration"),
    "skip": ("count",),
    "snapshot": ("path",),
    "sparse_batch": ("batch_size", "row_shape"),
    "take": ("count",),
    "take_while": ("predicate",),
    "window": ("size", "shift", "stride", "drop_remainder"),
    "with_options": ("options",),
}  # fmt: skip
"""The first parameters of each call, without the leading dataset; a call that is not here is written by keyword."""

PASSED_ON: dict[tuple[str, str], dict[str, str]] = {
    ("make_batched_features_dataset", "prefetch"): {"buffer_size": "prefetch_buffer_size"},
    ("make_csv_dataset", "prefetch"): {"buffer_size": "prefetch_buffer_size"},
}
"""Functions of TensorFlow that make several calls, with the kind of one of them: its arguments → their parameters."""

VARIADIC: dict[str, str] = {"range": "args", "zip": "args"}
"""Calls that take any number of positional arguments, recorded under this name."""

_BY_POSITION = {"FixedLengthRecordDataset": 2, "CsvDataset": 2, "choose_from_datasets": 2, "shard": 2}

AUTOTUNED = {"num_parallel_calls", "num_parallel_reads", "buffer_size", "cycle_length"}
"""Arguments in which :data:`autotuner.pipeline.AUTOTUNE` stands for ``tf.data.AUTOTUNE``."""

OPTION_ENUMS = {
    "auto_shard_policy": "tf.data.experimental.AutoShardPolicy",
    "autotune_algorithm": "tf.data.experimental.AutotuneAlgorithm",
    "external_state_policy": "tf.data.experimental.ExternalStatePolicy",
}
"""Options whose value is an enum, recorded by the member's name."""


def positional(kind: str) -> tuple[str, ...]:
    """Parameters that are written without their name."""
    return PARAMETERS.get(kind, ())[: _BY_POSITION.get(kind, 1)]
