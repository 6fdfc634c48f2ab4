"""The files a pipeline reads, as far as its stages name them, and how to make their next reading a cold one."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from autotuner.pipeline import Captured
from autotuner.tfdata.build import build_all
from autotuner.tfdata.reading import Reading
from autotuner.tfdata.record import Recorded

_LIMIT_SECONDS = 10.0
"""For reading the names that one stage yields."""
_LIST_OF_NAMES = 4096


def files_read(recorded: Recorded) -> tuple[Path, ...]:
    """Existing files among the strings that stages are given or yield one by one."""
    names: dict[str, None] = {}
    for op, dataset in zip(recorded.pipeline.ops, build_all(recorded, recorded.pipeline).values(), strict=True):
        for _, value in op.arguments:
            live = recorded.live[value.key] if isinstance(value, Captured) else value
            names |= dict.fromkeys(_strings(live))
        if op.receiver is None and _is_name(dataset.element_spec):
            batches = dataset.batch(_LIST_OF_NAMES)
            names |= dict.fromkeys(name for batch in Reading(batches, _LIMIT_SECONDS) for name in _strings(batch))
    return tuple(Path(name) for name in names if _is_file(name))


def evict(files: tuple[Path, ...]) -> None:
    """Lets the system forget what it keeps of the files in memory: the next reading comes from storage."""
    for path in files:
        descriptor = os.open(path, os.O_RDONLY)
        try:
            os.fdatasync(descriptor)  # what is not written yet stays in memory
            os.posix_fadvise(descriptor, 0, 0, os.POSIX_FADV_DONTNEED)
        finally:
            os.close(descriptor)


def _is_name(spec: Any) -> bool:
    return isinstance(spec, tf.TensorSpec) and spec.dtype == tf.string and spec.shape.rank == 0


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, tf.Tensor | np.ndarray):
        if value.dtype in {tf.string, np.dtype(object)} or getattr(value.dtype, "kind", "") in {"S", "U"}:
            flat = value.numpy() if isinstance(value, tf.Tensor) else value
            yield from (_text(item) for item in np.ravel(flat))
    elif isinstance(value, str | bytes):
        yield _text(value)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _strings(item)


def _text(item: object) -> str:
    return item.decode("utf-8", "replace") if isinstance(item, bytes) else str(item)


def _is_file(name: str) -> bool:
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False
