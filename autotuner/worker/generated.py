"""Where TensorFlow puts the code it generates: AutoGraph writes a Python file for every function it converts."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path
from typing import Any

_PREFIX = "__autograph_generated_file"
_FOLDER = "generated"


def keep_generated_code_in(scratch: Path) -> None:
    """Sends it to a folder of ``scratch`` from now on.

    AutoGraph would leave it in the system's temporary folder and remove it when the process ends in order, which a
    worker never does. Only its files are moved: the user's own temporary files are where the user expects them.
    """
    folder = scratch / _FOLDER
    folder.mkdir(parents=True, exist_ok=True)
    made = tempfile.NamedTemporaryFile

    @functools.wraps(made)
    def named_temporary_file(*args: Any, **kwargs: Any) -> Any:
        if kwargs.get("prefix") == _PREFIX:
            kwargs["dir"] = str(folder)
        return made(*args, **kwargs)

    tempfile.NamedTemporaryFile = named_temporary_file
