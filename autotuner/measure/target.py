"""How the user's functions are named, so that another process finds them."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import cloudpickle

from autotuner.errors import UsageError


@dataclass(frozen=True)
class Target:
    """A function in a file, in an importable module, or in a cloudpickle file of ours."""

    kind: Literal["file", "module", "pickle"]
    location: str
    """Absolute path of the file, or the module's name."""
    name: str

    def __str__(self) -> str:
        return self.name if self.kind == "pickle" else f"{self.location}:{self.name}"


def parse_target(text: str) -> Target:
    """Reads ``file.py:name`` or ``package.module:name``.

    Raises:
        UsageError: neither form, or the file or module does not exist.
    """
    location, separator, name = text.rpartition(":")
    if not separator or not location or not name.isidentifier():
        raise UsageError(f"{text!r} does not name a function", "write file.py:name or package.module:name")
    if location.endswith(".py"):
        path = Path(location).resolve()
        if not path.is_file():
            raise UsageError(f"there is no file {location}", f"looked for it as {path}")
        return Target("file", str(path), name)
    if "/" in location:
        raise UsageError(f"{location} is not a Python file", "write file.py:name or package.module:name")
    if not _module_exists(location):
        raise UsageError(f"there is no module {location}", "write file.py:name, or set PYTHONPATH to where it is")
    return Target("module", location, name)


def _module_exists(name: str) -> bool:
    here = str(Path.cwd())
    added = here not in sys.path
    if added:
        sys.path.insert(0, here)
    try:
        return importlib.util.find_spec(name) is not None
    except (ImportError, ValueError):
        return False
    finally:
        if added:
            sys.path.remove(here)


def target_of(function: Callable[..., Any], pickle_to: Path) -> Target:
    """The target of a live function: by name where it can be imported, else written to ``pickle_to``.

    Raises:
        UsageError: it is not callable, or cannot be pickled.
    """
    if not callable(function):
        raise UsageError(f"{function!r} is not callable", "give the function itself, not what it returns")
    module, name = getattr(function, "__module__", None), getattr(function, "__qualname__", "")
    if module and module != "__main__" and getattr(sys.modules.get(module), name, None) is function:
        return Target("module", module, name)
    try:
        pickle_to.write_bytes(cloudpickle.dumps(function))
    except Exception as error:
        raise UsageError(
            f"{name or function!r} cannot be sent to the worker process: {error}",
            "define it at the top level of a module, or let it make what it needs instead of capturing it",
        ) from error
    return Target("pickle", str(pickle_to), name or type(function).__name__)
