"""Where the workloads' data lie: made once, kept in the user's cache folder, never downloaded."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

from autotuner.cli.demo_images import make_images

_SEED = 20_240_501


def data_folder(name: str, size: int, write: Callable[[Path, int], None]) -> Path:
    """The folder that ``write(folder, size)`` fills; it is called only when there is none yet.

    A folder that exists is whole: it is written beside its place and moved there. ``XDG_CACHE_HOME`` says where.
    """
    root = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "autotuner-experiments"
    folder = root / f"{name}-{size}"
    if folder.exists():
        return folder
    root.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root) as scratch:
        made = Path(scratch) / "made"
        made.mkdir()
        write(made, size)
        made.rename(folder)
    return folder


def photographs(size: int) -> Path:
    """``size`` JPEG crops of real photographs, 280 to 400 pixels wide, in one folder per class."""
    return data_folder("photographs", size, lambda folder, count: make_images(folder, count, _SEED))
