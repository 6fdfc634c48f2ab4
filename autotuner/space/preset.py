"""Presets: TOML files that say how far to search, never what is legal."""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from autotuner.errors import UsageError
from autotuner.rewrites.base import Preserves
from autotuner.space.domain import Extent
from autotuner.space.preset_table import Table, TableError, choices_hint, read_extent, text
from autotuner.space.settings import SETTINGS

SCHEMA = 1
_HEADER = ("schema", "summary", "preserve")
_AUTO = "auto"


class PresetError(UsageError):
    """A preset cannot be used; the message names file, key and reason."""


@dataclass(frozen=True)
class Preset:
    """How far to search; a setting without an extent is not searched."""

    name: str
    """The built-in name, or the file's name without its suffix."""
    summary: str
    extents: Mapping[str, Extent]
    """By setting, in the order of the file."""
    preserve: Preserves | None = None
    """``None`` is ``auto``: as strong as the order the user's own pipeline guarantees."""

    def digest(self) -> str:
        """Hash of all that it says, whatever it is called."""
        said = (sorted((name, repr(extent)) for name, extent in self.extents.items()), self.preserve)
        return hashlib.sha256(repr(said).encode()).hexdigest()[:16]

    @property
    def cache_memory_share(self) -> float:
        """The largest cache in memory, as a share of what is free when the study starts."""
        return self.extents.get("cache.after", Extent()).max_share_of_free_memory


def available_presets() -> tuple[str, ...]:
    """Names of the built-in presets."""
    return tuple(sorted(file.stem for file in _folder().glob("*.toml")))


def load_preset(name_or_path: str | Path) -> Preset:
    """A built-in preset by its name, or any file by its path, which has a separator or ends in ``.toml``.

    Raises:
        PresetError: There is no such preset, or it is not a valid one.
    """
    text_form = str(name_or_path)
    if isinstance(name_or_path, Path) or text_form.endswith(".toml") or "/" in text_form or "\\" in text_form:
        return _read(Path(name_or_path).expanduser())
    if text_form not in available_presets():
        hint = f"{choices_hint(text_form, available_presets())}; or give the path of a .toml file"
        raise PresetError(f'there is no preset "{text_form}"', hint)
    return _read(_folder() / f"{text_form}.toml")


def _folder() -> Path:
    # A wheel carries the presets inside the package; a checkout has them beside it, where they are easy to find.
    installed = Path(__file__).parents[1] / "_search_spaces"
    return installed if installed.is_dir() else Path(__file__).parents[2] / "search_spaces"


def _read(file: Path) -> Preset:
    try:
        data = tomllib.loads(file.read_text(encoding="utf-8-sig"))
    except OSError as error:
        raise PresetError(f"{file}: cannot be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise PresetError(f"{file}: is not UTF-8 text", "save it as UTF-8") from error
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        hint = 'see search_spaces/README.md for the format; a table starts with ["map.num_parallel_calls"]'
        raise PresetError(f"{file}: is not TOML: {error}", hint) from error
    where = ""
    try:
        summary, preserve = _header(data)
        extents: dict[str, Extent] = {}
        for name, table in data.items():
            if name not in _HEADER:
                where = f'["{name}"] ' if name in SETTINGS else ""
                extents[name] = read_extent(name, table)
        where = ""
        if not any(extent.enabled for extent in extents.values()):
            raise TableError("settings", "nothing is searched", 'add a table such as ["cache.after"]')  # noqa: TRY301
    except TableError as error:
        raise PresetError(f"{file}: {where}{error.key}: {error.reason}", error.hint) from error
    return Preset(file.stem, summary, _with_media(extents), preserve)


def _header(data: Table) -> tuple[str, Preserves | None]:
    schema = data.get("schema")
    if type(schema) is not int or schema != SCHEMA:
        raise TableError("schema", f"must be {SCHEMA}, is {schema!r}" if "schema" in data else "missing", "schema = 1")
    summary = text(data, "summary").strip()
    if not summary:
        raise TableError("summary", "missing or empty", "say in one sentence what the preset is for")
    preserve = text(data, "preserve") if "preserve" in data else _AUTO
    if preserve not in (_AUTO, *Preserves):
        raise TableError("preserve", f"unknown value {preserve!r}", choices_hint(preserve, (_AUTO, *Preserves)))
    return summary, None if preserve == _AUTO else Preserves(preserve)


def _with_media(extents: dict[str, Extent]) -> dict[str, Extent]:
    """``media`` of ``cache.after`` governs ``cache.medium`` too, or a preset of files only could cache in memory."""
    after = extents.get("cache.after", Extent())
    if not (after.media and after.enabled):
        return extents
    return extents | {"cache.medium": replace(extents.get("cache.medium", Extent()), media=after.media)}
