"""The import block of the emitted module: what is installed first, then the user's own modules."""

from __future__ import annotations

import ast
import os
import sys
from dataclasses import dataclass
from pathlib import Path

from autotuner.emit.layout import LINE_LENGTH
from autotuner.emit.literals import quoted
from autotuner.emit.names import Namespace


@dataclass(frozen=True, order=True)
class _Import:
    module: str
    name: str
    """What is taken from the module; empty for the module itself."""
    alias: str
    """What it is called here; empty for a plain ``import a.b``."""

    @property
    def is_standard(self) -> bool:
        return self.module.partition(".")[0] in sys.stdlib_module_names


class Imports:
    """Collects import statements and the folders they need."""

    def __init__(self, namespace: Namespace) -> None:
        self._namespace = namespace
        self._installed: set[_Import] = set()
        self._own: dict[_Import, str] = {}
        self.add("import tensorflow as tf", None)

    def add(self, statement: str, import_root: str | None) -> dict[str, str]:
        """Takes a statement in; returns the names it binds and what they are called in the emitted module."""
        [node] = ast.parse(statement).body
        bound: dict[str, str] = {}
        if isinstance(node, ast.ImportFrom):
            for item in node.names:
                bound |= self._add(str(node.module), item.name, item.asname or item.name, import_root)
        elif isinstance(node, ast.Import):
            for item in node.names:
                bound |= self._add(item.name, "", item.asname or "", import_root)
        return bound

    def _add(self, module: str, name: str, alias: str, import_root: str | None) -> dict[str, str]:
        wanted = alias or module.partition(".")[0]
        given = self._namespace.claim(wanted, ("import", module if alias else wanted, name, wanted))
        found = _Import(module, name, given if alias or given != wanted else "")
        if import_root is None:
            self._installed.add(found)
        else:
            self._own.setdefault(found, import_root)
        return {wanted: given}

    def text(self, folder: Path) -> str:
        """The block, for a module that is written to ``folder``."""
        folders = sorted(set(self._own.values()))
        installed = set(self._installed)
        if folders:
            installed |= {_Import("sys", "", ""), _Import("pathlib", "Path", "Path")}
        standard = {item for item in installed if item.is_standard}
        blocks = [_statements(standard), _statements(installed - standard)]
        if folders:
            reasons = "# The pipeline calls your own functions: these folders hold their modules."
            blocks.append("\n".join([reasons, *(_path_line(root, folder) for root in folders)]))
            blocks.append(_statements(set(self._own), "  # noqa: E402"))
        return "\n\n".join(filter(None, ["from __future__ import annotations", *blocks]))


def _statements(imports: set[_Import], comment: str = "") -> str:
    plain = sorted(item for item in imports if not item.name)
    lines = [f"import {_called(item.module, item.alias)}{comment}" for item in plain]
    for module in sorted({item.module for item in imports if item.name}):
        names = [_called(item.name, item.alias) for item in sorted(imports) if item.name and item.module == module]
        line = f"from {module} import {', '.join(names)}{comment}"
        if len(line) > LINE_LENGTH and len(names) > 1:
            line = f"from {module} import ({comment}\n" + "".join(f"    {name},\n" for name in names) + ")"
        lines.append(line)
    return "\n".join(lines)


def _called(name: str, alias: str) -> str:
    return name if alias in {"", name} else f"{name} as {alias}"


def _path_line(root: str, folder: Path) -> str:
    real_root, real_folder = os.path.realpath(root), os.path.realpath(folder)
    try:
        relative = Path(os.path.relpath(real_root, real_folder)).as_posix()
    except ValueError:  # another drive
        return f"sys.path.insert(0, {quoted(real_root)})"
    here = "Path(__file__).resolve().parent"
    return f"sys.path.insert(0, str({here if relative == '.' else f'{here} / {quoted(relative)}'}))"
