"""The source of the function that gives a tuned cache its file: fresh for every dataset, gone with the process."""

from __future__ import annotations

from autotuner.pipeline import Captured, FnRef

_SOURCE = '''def new_cache_file():
    """Return a path for a cache, in a new folder that is removed when the process ends.

    The folder is made in CACHE_FOLDER; with None, among the system's temporary files. It is never used again: a cache
    that outlives the process would keep old data when yours changes.
    """
    folder = tempfile.mkdtemp(prefix="tf-data-cache-", dir=CACHE_FOLDER)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return os.path.join(folder, "cache")'''


def new_cache_file() -> FnRef:
    """A function with source; calling it gives the path."""
    modules = {
        name: Captured(name, f"module {name}", name, (f"import {name}",), digest=name)
        for name in ("atexit", "os", "shutil", "tempfile")
    }
    bindings = {"CACHE_FOLDER": None, **modules}
    return FnRef("new_cache_file", "new_cache_file", source=_SOURCE, bindings=bindings, digest="new_cache_file")
