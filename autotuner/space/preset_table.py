"""Reads one table of a preset file; knows what a setting may say, nothing of files."""

from __future__ import annotations

import difflib
import math
from collections.abc import Iterable, Mapping
from typing import TypeAlias

from autotuner.space.domain import LARGEST_NUMBER, Extent
from autotuner.space.settings import MEDIA, SETTINGS, UNITS, Setting

Table: TypeAlias = Mapping[str, object]
"""A TOML table as ``tomllib`` gives it."""


class TableError(Exception):
    """What is wrong with one key; the reader of the file says in which file."""

    def __init__(self, key: str, reason: str, hint: str = "") -> None:
        super().__init__(key, reason, hint)
        self.key = key
        self.reason = reason
        self.hint = hint


def read_extent(name: str, table: object) -> Extent:
    """The validated form of the table of setting ``name``.

    Raises:
        TableError: The setting or one of its keys is unknown, or a value makes no sense.
    """
    if name not in SETTINGS:
        raise TableError(name, "unknown setting", _hint_for_setting(name))
    if not isinstance(table, dict):
        raise TableError(name, f"must be a table, is {_shown(table)}", f'start a table with ["{name}"]')
    setting = SETTINGS[name]
    for key in table:
        if key not in setting.keys:
            raise TableError(key, "unknown key", choices_hint(key, setting.keys))
    extent = Extent(
        about=text(table, "about"),
        enabled=_flag(table, "enabled", default=True),
        unit=_unit(table),
        low=_number(table, "low"),
        high=_number(table, "high"),
        log=_flag(table, "log", default=False),
        special=_names(table, "special", setting.special),
        values=_numbers(table),
        media=_names(table, "media", MEDIA),
        max_share_of_free_memory=_share(table),
    )
    _check_range(extent, setting)
    return extent


def text(table: Table, key: str) -> str:
    """The string under ``key``, empty where it is missing."""
    value = table.get(key, "")
    if not isinstance(value, str):
        raise TableError(key, f"must be text, is {_shown(value)}")
    return value


def choices_hint(word: str, allowed: Iterable[str]) -> str:
    """What could have been meant by ``word``, and everything that is allowed."""
    names = sorted(allowed)
    close = difflib.get_close_matches(word, names, n=1)
    return (f'did you mean "{close[0]}"? ' if close else "") + f"allowed here: {', '.join(names)}"


def _hint_for_setting(name: str) -> str:
    if nested := [known for known in SETTINGS if known.startswith(f"{name}.")]:
        return f'a dot outside quotes nests tables in TOML: write ["{nested[0]}"], with the quotes'
    return choices_hint(name, SETTINGS)


def _check_range(extent: Extent, setting: Setting) -> None:
    bounds = [number for number in (extent.low, extent.high) if number is not None]
    if len(bounds) == 1:
        missing = "high" if extent.high is None else "low"
        raise TableError(missing, "missing", "a range has both low and high")
    if extent.values and (bounds or extent.log):
        raise TableError("values", "stands beside low, high or log", "give either a range or a list of values")
    if bounds and bounds[0] > bounds[1]:
        raise TableError("low", f"{bounds[0]:g} is above high, {bounds[1]:g}")
    for key, number in [("low", extent.low), ("high", extent.high), *(("values", value) for value in extent.values)]:
        if number is not None:
            _check_size(key, number, extent.unit, setting.smallest)
    if setting.numeric and extent.enabled and not (bounds or extent.values or extent.special):
        raise TableError("low", "missing", "give low and high, or values; enabled = false switches the setting off")


def _check_size(key: str, number: float, unit: str | None, smallest: int) -> None:
    if unit is None and number != math.floor(number):
        raise TableError(
            key, f"{number:g} is not a whole number", 'only multiples of the cores, unit = "cores", may be fractions'
        )
    if number < 0 or (number == 0 and smallest > 0):
        raise TableError(key, f"{number:g} is too small", f"the least that means something is {smallest}")


def _flag(table: Table, key: str, *, default: bool) -> bool:
    value = table.get(key, default)
    if not isinstance(value, bool):
        raise TableError(key, f"must be true or false, is {_shown(value)}")
    return value


def _unit(table: Table) -> str | None:
    if "unit" not in table:
        return None
    unit = text(table, "unit")
    if unit not in UNITS:
        raise TableError("unit", f"unknown unit {_shown(unit)}", choices_hint(unit, UNITS))
    return unit


def _number(table: Table, key: str) -> float | None:
    return _as_number(key, table[key]) if key in table else None


def _as_number(key: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TableError(key, f"must be a number, is {_shown(value)}")
    if not abs(value) <= LARGEST_NUMBER:
        raise TableError(key, f"{_shown(value)} is out of range", f"the largest is {LARGEST_NUMBER}")
    return float(value)


def _numbers(table: Table) -> tuple[float, ...]:
    return tuple(_as_number("values", value) for value in _list(table, "values"))


def _names(table: Table, key: str, allowed: tuple[str, ...]) -> tuple[str, ...]:
    names: list[str] = []
    for name in _list(table, key):
        if not isinstance(name, str) or name not in allowed:
            hint = choices_hint(str(name), allowed) if allowed else "this setting has only numbers"
            raise TableError(key, f"unknown value {_shown(name)}", hint)
        names.append(name)
    return tuple(names)


def _list(table: Table, key: str) -> list[object]:
    if key not in table:
        return []
    value = table[key]
    if not isinstance(value, list):
        raise TableError(key, f"must be a list, is {_shown(value)}")
    if not value:
        raise TableError(key, "is empty", "leave the key out, or list something")
    return value


def _share(table: Table) -> float:
    key = "max_share_of_free_memory"
    share = _number(table, key)
    if share is None:
        return Extent.max_share_of_free_memory
    if not 0 < share <= 1:
        raise TableError(key, f"{share:g} is not a share", "above 0, at most 1")
    return share


def _shown(value: object) -> str:
    shown = repr(value)
    return shown if len(shown) <= 40 else f"{shown[:40]}…"  # noqa: PLR2004 - a message stays on its line
