"""How objects are reached by import: from which module, by which name, with which folder on ``sys.path``."""

from __future__ import annotations

import functools
import keyword
import sys
import sysconfig
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import MethodType, ModuleType


@dataclass(frozen=True)
class Address:
    """An object that ``from module import …`` leads to."""

    module: str
    qualname: str
    import_root: str | None
    """Folder that must be on ``sys.path``; ``None`` for what is installed."""

    def statement(self, alias: str) -> str:
        """The import that makes :attr:`qualname`, or its outermost class, known as ``alias``."""
        head = self.qualname.partition(".")[0]
        return f"from {self.module} import {head}" + ("" if alias == head else f" as {alias}")


def attribute(value: object, name: str) -> object:
    """The attribute, or ``None`` where there is none or asking for it fails."""
    try:
        return getattr(value, name, None)
    except Exception:  # noqa: BLE001 - __getattr__ of a stranger's object may raise anything
        return None


def address_of(value: object) -> Address | None:
    """Where ``value`` says it lives, if that leads back to it."""
    module, qualname = attribute(value, "__module__"), attribute(value, "__qualname__")
    if not isinstance(qualname, str):
        qualname = attribute(value, "__name__")
    if not isinstance(module, str) or not isinstance(qualname, str) or "<" in qualname:
        return None
    found: object = sys.modules.get(module)
    for part in qualname.split("."):
        found = attribute(found, part)
    same = found is value or (isinstance(found, MethodType) and isinstance(value, MethodType) and found == value)
    return global_address(module, qualname) if same else None


def global_address(module_name: str, qualname: str) -> Address | None:
    """The address of a name in a loaded module; ``None`` for modules that no import statement loads."""
    module = sys.modules.get(module_name)
    if module is None:
        return None
    file = attribute(module, "__file__")
    path = Path(file) if isinstance(file, str) else None
    name = _import_name(module, module_name, path)
    if name is None or not all(part.isidentifier() and not keyword.iskeyword(part) for part in name.split(".")):
        return None
    return Address(name, qualname, None if path is None else _import_root(name, path))


def instance_address(value: object) -> Address | None:
    """A module-level name of the user's own code that holds this very object."""
    for module_name, module in list(sys.modules.items()):
        contents = attribute(module, "__dict__")  # sys.modules may hold anything
        if not isinstance(contents, dict) or _comes_installed(contents):
            continue
        names = [name for name, item in list(contents.items()) if item is value and name.isidentifier()]
        for name in names:
            address = global_address(module_name, name)
            if address is not None and address.import_root is not None:
                return address
    return None


def module_import(module: ModuleType, alias: str) -> tuple[str, str | None] | None:
    """The import statement that binds ``module`` to ``alias``, and its import root."""
    name, last = module.__name__, module.__name__.rpartition(".")[2]
    public = vars(sys.modules.get("tensorflow", sys)).get(last)
    if "._" in name and attribute(public, "__name__") == name:  # tf.keras and tf.io live in private modules
        return f"from tensorflow import {last}" + ("" if alias == last else f" as {alias}"), None
    address = global_address(name, "") if sys.modules.get(name) is module else None
    if address is None:
        return None
    statement = f"import {address.module}" + ("" if alias == address.module else f" as {alias}")
    return statement, address.import_root


def tensorflow_name(value: object) -> str | None:
    """The public name of a TensorFlow function, ``tf.io.read_file``: it lives in a private module."""
    layer = value
    for _ in range(10):
        for name in _strings(attribute(layer, "_tf_api_names")):
            found: object = sys.modules.get("tensorflow")
            for part in name.split("."):
                found = attribute(found, part)
            if found is value:
                return f"tf.{name}"
        layer = attribute(layer, "__wrapped__")
    return None


def _strings(value: object) -> Iterator[str]:
    if isinstance(value, tuple):
        yield from (item for item in value if isinstance(item, str))


def _import_name(module: ModuleType, name: str, path: Path | None) -> str | None:
    if name == "__main__":
        spec_name = attribute(attribute(module, "__spec__"), "name")
        if isinstance(spec_name, str):  # python -m package.module
            return spec_name
        return path.stem if path is not None and path.suffix == ".py" else None
    if path is None or path.suffix != ".py" or path.stem == "__init__":
        return name
    return name if name.rpartition(".")[2] == path.stem else path.stem


@functools.cache
def is_installed(file: str) -> bool:
    """The file belongs to Python or to an installed package, not to the user."""
    path = Path(file)
    if {"site-packages", "dist-packages"} & set(path.parts):
        return True
    return any(path.is_relative_to(place) for place in _installed_places())


@functools.cache
def _installed_places() -> tuple[Path, ...]:
    places = sysconfig.get_paths()
    return tuple(dict.fromkeys(Path(places[key]) for key in ("stdlib", "platstdlib", "purelib", "platlib")))


def _comes_installed(contents: dict[str, object]) -> bool:
    file = contents.get("__file__")
    return isinstance(file, str) and is_installed(file)


def _import_root(name: str, path: Path) -> str | None:
    if is_installed(str(path)):
        return None
    depth = name.count(".") + (path.stem == "__init__")
    return str(path.absolute().parents[depth])
