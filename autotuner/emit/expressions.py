"""Writes argument values as the user's own file would: with its names, its functions, its imports."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass

from autotuner.emit.adjustments import SOURCES
from autotuner.emit.cache_file import new_cache_file
from autotuner.emit.call_edits import argument_node
from autotuner.emit.carry import DERIVED
from autotuner.emit.literals import scalar_text
from autotuner.emit.names import renamed
from autotuner.emit.patched_file import PatchedFile
from autotuner.emit.signatures import AUTOTUNED, OPTION_ENUMS
from autotuner.emit.sites import RefusedError, Site, Sites
from autotuner.emit.statements import batches_text
from autotuner.pipeline import (
    AUTOTUNE,
    MAX_ELEMENTS,
    AssertBatches,
    Captured,
    Derived,
    FnRef,
    InputCardinality,
    Pipeline,
    Upstream,
    Value,
)
from autotuner.pipeline.adjustments import adjustments_in, with_own_adjustments
from autotuner.rewrites.cache import CACHE_FILE


@dataclass(frozen=True)
class _Written:
    """A function argument as it stands in the user's file."""

    text: str
    node: ast.expr
    site: Site


COUNTED = "\1"
"""Stands for the dataset whose elements are counted; see :func:`autotuner.emit.differences.counted`."""


class Expressions:
    """Texts for one patched file."""

    def __init__(self, recorded: Pipeline, sites: Sites, file: PatchedFile) -> None:
        self._file = file
        self._sites = sites
        self._functions: dict[str, _Written] = {}
        for path, op in recorded.walk():
            for name, value in op.arguments:
                if isinstance(value, FnRef) and (written := _written(sites, path, name)) is not None:
                    self._functions[value.key] = written

    def value(self, value: Value, argument: str, receiver: str) -> str:
        """The text of an argument; ``receiver`` is what the dataset is called of whose method it is an argument.

        Raises:
            RefusedError: there is none.
        """
        match value:
            case FnRef():
                return self._function(value)
            case Derived():
                return self._derived(value)
            case Captured():
                return self._captured(value, argument)
            case InputCardinality():
                return f"{receiver}.cardinality()"
            case AssertBatches():
                rows = f"{COUNTED}.cardinality()"
                return self.named(f"tf.data.experimental.assert_cardinality({batches_text(rows, value)})")
            case Upstream() | dict():
                raise RefusedError(f"{argument} would hold {type(value).__name__}, for which there is no text")
            case tuple() | list():
                items = ", ".join(self.value(item, argument, receiver) for item in value)
                comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
                return f"({items}{comma})" if isinstance(value, tuple) else f"[{items}]"
            case _:
                if value == MAX_ELEMENTS:
                    return self.named("tf.int64.max")
                return self._file.autotune() if value == AUTOTUNE and argument in AUTOTUNED else scalar_text(value)

    def _captured(self, value: Captured, argument: str) -> str:
        if value.key == CACHE_FILE:
            return f"{self._cache_file()}()"
        if value.expression is None:
            raise RefusedError(f"{argument} would hold {value.summary}, which exists only while the program runs")
        for statement in value.imports:
            self._import(statement)
        return self.named(value.expression)

    def options(self, options: dict[str, Value], name: str) -> list[str]:
        """Statements that make a ``tf.data.Options`` called ``name``."""
        tensorflow = self._file.tensorflow()
        lines = [f"{name} = {tensorflow}.data.Options()"]
        for path, value in options.items():
            enum = OPTION_ENUMS.get(path.rpartition(".")[2])
            text = f"{self.named(enum)}.{value}" if enum and isinstance(value, str) else scalar_text(value)  # type: ignore[arg-type]
            lines.append(f"{name}.{path} = {text}")
        return lines

    def _import(self, statement: str) -> None:
        if statement == "import tensorflow as tf":
            self._file.tensorflow()
        else:
            self._file.need_import(statement)

    def named(self, text: str) -> str:
        """``text`` with what it calls ``tf`` called as the file does."""
        if not re.search(r"\btf\.", text):
            return text
        return re.sub(r"\btf\.", f"{self._file.tensorflow()}.", text)

    def helper(self, text: str, name: str) -> str:
        """Adds a function ahead of where the first op of this file is made; gives its name."""
        found = [site for site in self._sites.all().values() if site.source is self._file.source]
        return self._file.need_function(text, name, self._file.source.top_level(found[0].node))

    def _cache_file(self) -> str:
        made = new_cache_file()
        for module in made.bindings.values():
            if isinstance(module, Captured):
                self._import(*module.imports)
        return self.helper(f"CACHE_FOLDER = None\n\n\n{made.source}", made.name)

    def _function(self, function: FnRef) -> str:
        if function.key in self._functions:
            return self._functions[function.key].text
        if function.importable and function.module == "tensorflow":
            return f"{self._file.tensorflow()}.{function.qualname}"
        raise RefusedError(f"where the code names {function.name} is not known")

    def _derived(self, made: Derived) -> str:
        if made.form == "parse_example":
            return self._parsing_batches(made)
        template = DERIVED.get(made.form)
        if template is None:
            raise RefusedError(f"there is no code for {made.form}")
        part_of = self._adjusting if made.form == "vectorized_adjust" else self._part
        written = (f"({part})" if "lambda" in part else part for part in map(part_of, made.of))
        return self.named(template.format(*written, *made.numbers))

    def _part(self, part: FnRef | Derived) -> str:
        return self._derived(part) if isinstance(part, Derived) else self._function(part)

    def _parsing_batches(self, made: Derived) -> str:
        single, batched = ".parse_single_example", ".parse_example"
        [function] = made.of
        return self._twin(function, "tf.io.parse_single_example", lambda text: text.replace(single, batched), "batch")

    def _adjusting(self, function: FnRef | Derived) -> str:
        names = adjustments_in(function.source) if isinstance(function, FnRef) else frozenset()
        own = {name: self.helper(self.named(SOURCES[name]), name) for name in sorted(names)}
        what = " or ".join(f"tf.image.{name}" for name in own) or "an adjustment"
        return self._twin(function, what, lambda text: renamed(with_own_adjustments(text), own) or text, "adjusting")

    def _twin(self, function: FnRef | Derived, what: str, exchanged: Callable[[str], str], suffix: str) -> str:
        """``function`` with the calls of ``what`` exchanged; beside its ``def`` where it has one."""
        if isinstance(function, Derived) or function.key not in self._functions:
            raise RefusedError(f"the call of {what} was not found in its source")
        written = self._functions[function.key]
        if (text := exchanged(written.text)) != written.text:
            return text
        defined = _definition(written, function)
        twin = exchanged(function.source or "")
        if defined is None or twin == (function.source or ""):
            raise RefusedError(f"the call of {what} was not found in {function.name}")
        return self._file.need_function(twin, f"{defined.name}_{suffix}", defined, behind=True)


def _written(sites: Sites, path: str, name: str) -> _Written | None:
    try:
        site = sites.find(path)
    except RefusedError:
        return None
    node = argument_node(site.call, site.op.kind, name) if site.own else None
    return None if node is None else _Written(site.source.node_text(node), node, site)


def _definition(written: _Written, function: FnRef) -> ast.FunctionDef | None:
    """The ``def`` of ``function`` in the same file, where the argument names it."""
    if function.file != written.site.source.path or not isinstance(written.node, ast.Name):
        return None
    for node in ast.walk(written.site.source.tree):
        if isinstance(node, ast.FunctionDef) and (node.name, node.lineno) == (written.node.id, function.source_line):
            return None if node.decorator_list else node
    return None
