"""Tracebacks as the user should see them: from their own code on."""

from __future__ import annotations

import re
import traceback
from pathlib import Path
from types import TracebackType

import keras
import tensorflow as tf

_ANSI = re.compile(r"\x1b\[[0-9;]*m")
_NAMED = re.compile(r"[\w.]*(Error|Exception)\b.*:")
_NODES = re.compile(r"\{\{\w+ [^}]*\}\}\s*")
_OURS = Path(__file__).parents[1]
_LIBRARIES = tuple(f"{Path(package.__file__).parent}/" for package in (tf, keras))


def user_traceback(error: BaseException) -> str:
    """The traceback from the user's first frame, with everything below it; whole where none is theirs."""
    ours = (f"{_OURS}/", "<frozen importlib")
    entry = _first_outside(error.__traceback__, (*ours, *_LIBRARIES)) or _first_outside(error.__traceback__, ours)
    shown = error.with_traceback(entry) if entry is not None else error
    return "".join(traceback.format_exception(shown))


def in_one_line(error: BaseException) -> str:
    """Type and message; what AutoGraph, Keras and the runtime wrap around the user's own message is taken off."""
    lines = [line.strip() for line in _ANSI.sub("", str(error)).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    named = [line for line in lines if _NAMED.match(line)]
    if lines[0] == "in user code:" and named:
        return named[-1]
    if lines[0].startswith("Exception encountered when calling") and len(lines) > 1:
        lines = lines[1:]
    return f"{type(error).__name__}: {_NODES.sub('', lines[0])}"


def _first_outside(entry: TracebackType | None, folders: tuple[str, ...]) -> TracebackType | None:
    while entry is not None and entry.tb_frame.f_code.co_filename.startswith(folders):
        entry = entry.tb_next
    return entry
