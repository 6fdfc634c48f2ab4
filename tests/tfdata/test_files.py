from __future__ import annotations

import ctypes
import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf

from autotuner.tfdata.files import evict, files_read
from autotuner.tfdata.record import record

_LABELS = [0, 1, 2]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    folder = tmp_path_factory.mktemp("files")
    paths = [folder / f"{number}.txt" for number in range(3)]
    for path in paths:
        path.write_bytes(b"one\ntwo\n" * 40_000)
    return paths


def names(files: list[Path]) -> list[str]:
    return [str(path) for path in files]


PIPELINES: dict[str, Callable[[list[Path]], tf.data.Dataset]] = {
    "listed": lambda files: tf.data.Dataset.list_files(str(files[0].parent / "*.txt")).map(tf.io.read_file),
    "given": lambda files: tf.data.Dataset.from_tensor_slices(names(files)).map(tf.io.read_file),
    "with labels": lambda files: tf.data.Dataset.from_tensor_slices((names(files), _LABELS)).map(
        lambda path, label: (tf.io.read_file(path), label)
    ),
    "an array": lambda files: tf.data.Dataset.from_tensor_slices(np.array(names(files))).map(tf.io.read_file),
    "a reader": lambda files: tf.data.TextLineDataset(names(files)),
    "a reader of a dataset": lambda files: tf.data.TextLineDataset(tf.data.Dataset.from_tensor_slices(names(files))),
    "interleaved": lambda files: tf.data.Dataset.from_tensor_slices(names(files)).interleave(tf.data.TextLineDataset),
}


@pytest.mark.parametrize("name", PIPELINES)
def test_files_that_stages_name_are_found(name: str, files: list[Path]) -> None:
    recorded = record(lambda: PIPELINES[name](files))
    assert sorted(files_read(recorded)) == files


def test_strings_that_are_no_files_are_none() -> None:
    words = ["no file", "x" * 10_000, "\0", str(Path(__file__).parent)]
    recorded = record(lambda: tf.data.Dataset.from_tensor_slices(words))
    assert files_read(recorded) == ()


def test_what_was_evicted_is_read_from_storage(files: list[Path]) -> None:
    for path in files:
        path.read_bytes()
    assert all(resident_share(path) == 1.0 for path in files)
    evict(tuple(files[:2]))
    assert [resident_share(path) < 0.5 for path in files] == [True, True, False]


def resident_share(path: Path) -> float:
    """Of the file's pages, those the system keeps in memory, as ``mincore`` tells."""
    library: Any = ctypes.CDLL(None, use_errno=True)
    library.mmap.restype = ctypes.c_void_p
    library.mmap.argtypes = [ctypes.c_void_p, ctypes.c_size_t, *[ctypes.c_int] * 3, ctypes.c_long]
    size = path.stat().st_size
    pages = -(-size // mmap.PAGESIZE)
    with path.open("rb") as file:
        address = library.mmap(None, size, mmap.PROT_READ, mmap.MAP_SHARED, file.fileno(), 0)
    seen = (ctypes.c_ubyte * pages)()
    try:
        assert library.mincore(ctypes.c_void_p(address), ctypes.c_size_t(size), seen) == 0
    finally:
        library.munmap(ctypes.c_void_p(address), ctypes.c_size_t(size))
    return sum(page & 1 for page in seen) / pages
