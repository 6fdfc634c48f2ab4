"""Photographs for the demo: crops of those that scikit-image ships inside its package, so nothing is downloaded."""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from autotuner.errors import UsageError

CLASSES = ("astronaut", "cat", "coffee", "galaxies", "motorcycle", "retina", "rocket", "tissue")
"""One folder per photograph, in the order of their labels; the demo's pipeline lists the same names."""

_FINISHED = ".finished.json"
_SMALLEST_CROP_PIXELS = 280
_LARGEST_CROP_PIXELS = 400
_JPEG_QUALITY = 88


def make_images(folder: Path, count: int, seed: int) -> None:
    """Fill ``folder`` with ``count`` JPEG files in one folder per class; the same seed gives the same pixels.

    The files are written beside ``folder`` and moved there when all are complete, so a folder that exists is whole;
    one that already holds what is asked for is kept.

    Args:
        folder: Where the class folders go; created with its parents.
        count: Number of files; the first classes get one more where it does not divide evenly.
        seed: Decides where the crops are taken.

    Raises:
        UsageError: ``folder`` holds files that were not made here, or the packages of the demo are not installed.
    """
    request = {"classes": list(CLASSES), "count": count, "seed": seed, "version": 1}
    marker = folder / _FINISHED
    if marker.exists() and json.loads(marker.read_text("utf-8")) == request:
        return
    if folder.exists() and not marker.exists() and any(folder.iterdir()):
        message = f"{folder} holds files that the demo did not make."
        raise UsageError(message, "Choose another folder, or move these files away.")
    unfinished = folder.with_name(folder.name + ".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    _write_crops(unfinished, count, seed)
    (unfinished / _FINISHED).write_text(json.dumps(request), "utf-8")
    shutil.rmtree(folder, ignore_errors=True)
    unfinished.rename(folder)


def _write_crops(folder: Path, count: int, seed: int) -> None:
    """Write every file; Pillow releases the interpreter lock while it encodes, so threads are enough."""
    photographs = _photographs()
    for name in CLASSES:
        (folder / name).mkdir(parents=True)

    def write(index: int) -> None:
        number, label = divmod(index, len(CLASSES))
        path = folder / CLASSES[label] / f"{number:05d}.jpg"
        _write_crop(photographs[label], path, np.random.default_rng([seed, index]))

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for _ in pool.map(write, range(count)):
            pass


def _write_crop(photograph: NDArray[np.uint8], path: Path, random: np.random.Generator) -> None:
    """Encode a square of random size and place."""
    from PIL import Image

    height, width, _ = photograph.shape
    side = int(random.integers(_SMALLEST_CROP_PIXELS, min(height, width, _LARGEST_CROP_PIXELS), endpoint=True))
    top = int(random.integers(0, height - side, endpoint=True))
    left = int(random.integers(0, width - side, endpoint=True))
    crop = np.ascontiguousarray(photograph[top : top + side, left : left + side])
    Image.fromarray(crop).save(path, quality=_JPEG_QUALITY)


def _photographs() -> list[NDArray[np.uint8]]:
    """One photograph per class, in the order of ``CLASSES``, as height × width × RGB."""
    try:
        from skimage import data
    except ImportError as missing:
        raise UsageError("The demo needs scikit-image and Pillow.", 'pip install "autotuner[demo]"') from missing
    left_view, _, _ = data.stereo_motorcycle()
    return [
        data.astronaut(),
        data.chelsea(),
        data.coffee(),
        data.hubble_deep_field(),
        left_view,
        data.retina(),
        data.rocket(),
        data.immunohistochemistry(),
    ]
