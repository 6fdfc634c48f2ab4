"""Puts a patch of ours into files, or takes it back, hunk by hunk: all of it or none."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


class DoesNotFitError(Exception):
    """A hunk's lines are not in the file; the message says where they were looked for."""


@dataclass(frozen=True)
class Hunk:
    """Lines that stand in a row, before and after; each with what ends it."""

    line: int
    """Where ``old`` starts, from 0."""
    old: tuple[str, ...]
    new: tuple[str, ...]

    def reversed(self) -> Hunk:
        """The hunk that takes this one back."""
        return Hunk(self.line, self.new, self.old)


@dataclass(frozen=True)
class FilePatch:
    """The hunks of one file."""

    path: str
    """Relative to the folder the patch belongs to."""
    hunks: tuple[Hunk, ...]

    def reversed(self) -> FilePatch:
        """The patch that takes this one back."""
        return FilePatch(self.path, tuple(hunk.reversed() for hunk in self.hunks))

    def applied(self, text: str) -> str:
        """``text`` with every hunk put in, at its line or at the nearest place where its lines stand.

        Raises:
            DoesNotFitError: one of them fits nowhere, or at more than one place equally near.
        """
        lines, shift = _lines(text), 0
        for hunk in self.hunks:
            place = _place(lines, hunk, hunk.line + shift, self.path)
            lines[place : place + len(hunk.old)] = hunk.new
            shift = place - hunk.line + len(hunk.new) - len(hunk.old)
        return "".join(lines)


def parse_patch(diff: str) -> tuple[FilePatch, ...]:
    """Reads what :func:`autotuner.emit.unified.unified_diff` wrote."""
    return tuple(_file_patch(part) for part in re.split(r"(?m)^diff --git .*\n", diff) if part)


def _file_patch(part: str) -> FilePatch:
    head, *_ = re.findall(r"(?m)^\+\+\+ b/(.*?)\t?$", part)
    return FilePatch(head, tuple(_hunks(_lines(part)[2:])))


def _hunks(lines: list[str]) -> Iterator[Hunk]:
    start, sign = 0, ""
    sides: dict[str, list[str]] = {"-": [], "+": []}
    for line in lines:
        if found := _HUNK.match(line):
            if any(sides.values()):
                yield Hunk(start, tuple(sides["-"]), tuple(sides["+"]))
            start, sides = int(found[1]) - (found[2] != "0"), {"-": [], "+": []}
        elif line.startswith("\\"):  # the line before has nothing that ends it
            for name, side in sides.items():
                if sign in {" ", name}:
                    side[-1] = side[-1].removesuffix("\n")
        else:
            sign = line[0]
            for name in sides:
                sides[name] += [line[1:]] if sign in {" ", name} else []
    yield Hunk(start, tuple(sides["-"]), tuple(sides["+"]))


def _place(lines: list[str], hunk: Hunk, wanted: int, path: str) -> int:
    size = len(hunk.old)
    places = [index for index in range(len(lines) - size + 1) if tuple(lines[index : index + size]) == hunk.old]
    nearest = sorted(places, key=lambda index: abs(index - wanted))
    if not nearest or (len(nearest) > 1 and abs(nearest[0] - wanted) == abs(nearest[1] - wanted)):
        raise DoesNotFitError(f"{path} has changed around line {hunk.line + 1}")
    return nearest[0]


def _lines(text: str) -> list[str]:
    parts = text.split("\n")
    return [part + "\n" for part in parts[:-1]] + ([parts[-1]] if parts[-1] else [])
