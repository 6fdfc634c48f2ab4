"""The difference of files as ``git apply`` and ``patch -p1`` take it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Mapping
from pathlib import Path


def project_root(files: list[str]) -> Path:
    """The working tree of git that holds all ``files``; else the innermost folder that does and is no package."""
    common = Path(os.path.commonpath([Path(file).parent for file in files]))
    for folder in (common, *common.parents):
        if (folder / ".git").exists():
            return folder
    return next(folder for folder in (common, *common.parents) if not (folder / "__init__.py").exists())


def unified_diff(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> tuple[str, str]:
    """The folder the paths start from, and the text; files that do not change are left out."""
    changed = sorted(path for path in after if before[path] != after[path])
    if not changed:
        return "", ""
    root = project_root(changed)
    return str(root), "".join(_file_diff(Path(path), root, before[path], after[path]) for path in changed)


def _file_diff(path: Path, root: Path, before: bytes, after: bytes) -> str:
    name = path.relative_to(root).as_posix()
    tab = "\t" if any(character.isspace() for character in name) else ""  # where the name ends, for patch(1)
    lines = difflib.unified_diff(_lines(before), _lines(after), f"a/{name}{tab}", f"b/{name}{tab}", n=3, lineterm="\n")
    whole = "".join(line if line.endswith("\n") else f"{line}\n\\ No newline at end of file\n" for line in lines)
    return f"diff --git a/{name} b/{name}\n{whole}"


def _lines(data: bytes) -> list[str]:
    """Lines with what ends them; a carriage return belongs to its line, and form feeds end none."""
    parts = data.decode().split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
