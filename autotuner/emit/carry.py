"""Writes argument values as expressions, and brings along what they need: imports, functions, closure values."""

from __future__ import annotations

import ast
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from types import MappingProxyType

from autotuner.emit.adjustments import adjusting
from autotuner.emit.batches import BATCHES, batches_function
from autotuner.emit.cache_file import new_cache_file
from autotuner.emit.imports import Imports
from autotuner.emit.inner import Change, Uneditable, edited_source
from autotuner.emit.layout import Group, Node, flat, laid_out
from autotuner.emit.literals import scalar_text
from autotuner.emit.names import Namespace, definition, is_expression, parsed, renamed
from autotuner.emit.refusal import name_of
from autotuner.emit.signatures import AUTOTUNED
from autotuner.pipeline import (
    AUTOTUNE,
    MAX_ELEMENTS,
    AssertBatches,
    Captured,
    Derived,
    FnRef,
    InputCardinality,
    Upstream,
    Value,
)
from autotuner.rewrites.cache import CACHE_FILE

DERIVED = {
    "chain": "lambda *element: {1}({0}(*element))",
    "chain_tuple": "lambda *element: {1}(*{0}(*element))",
    "vectorized_map": "lambda *batch: tf.vectorized_map(lambda row: {0}(*row), batch, fallback_to_while_loop=False)",
    "vectorized_adjust": "lambda *batch: tf.vectorized_map(lambda row: {0}(*row), batch, fallback_to_while_loop=False)",
    "jit_compile": "tf.function({0}, jit_compile=True)",
    "assert_cardinality": "tf.data.experimental.assert_cardinality({0})",
}
_NONE: Mapping[str, str] = MappingProxyType({})
_MISSING = "None"
"""Stands where an expression could not be written; the reason is kept, and the text never used."""


class Carrier:
    """Collects everything that stands above the emitted function, and the reasons that forbid it."""

    def __init__(self, namespace: Namespace) -> None:
        self.imports = Imports(namespace)
        self.reasons: list[str] = []
        self._namespace = namespace
        self._definitions: dict[str, tuple[bool, str]] = {}

    def refuse(self, reason: str) -> str:
        """Notes why there can be no code, each reason once."""
        if reason not in self.reasons:
            self.reasons.append(reason)
        return _MISSING

    def definitions(self, parameters: Collection[str]) -> tuple[str, str]:
        """Carried functions and values, in an order in which each comes after what it needs.

        Those that stand above the emitted function, and those that need its ``parameters`` and stand inside it.
        """
        inside: dict[str, tuple[bool, str]] = {}
        for name, (is_def, text) in self._definitions.items():
            if {*parameters, *inside} & {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}:
                inside[name] = (is_def, text)
        above = {name: item for name, item in self._definitions.items() if name not in inside}
        return _blocks(above, apart=2), _blocks(inside, apart=1)

    def value(self, value: Value, subject: str, argument: str = "", datasets: Mapping[str, str] = _NONE) -> Node:
        """The expression for ``value``; ``subject`` opens the reason where there is none.

        ``datasets`` holds the variable of each op that may be named.
        """
        match value:
            case FnRef():
                return self.function(value, subject)
            case Derived():
                return self.derived(value, subject)
            case Upstream(label) if label in datasets:
                return datasets[label]
            case Captured(key) if key == CACHE_FILE:
                return f"{self.function(new_cache_file(), subject)}()"
            case Captured():
                return self._captured(value, f"{subject}: {argument or 'it'} is {value.summary}")
            case tuple() | list():
                opening, closing = ("(", ")") if isinstance(value, tuple) else ("[", "]")
                items = tuple(("", self.value(item, subject, argument, datasets)) for item in value)
                return Group(opening, items, closing, lone_comma=isinstance(value, tuple))
            case dict():
                pairs = tuple(
                    (f"{scalar_text(word)}: ", self.value(item, subject, argument, datasets))
                    for word, item in value.items()
                )
                return Group("{", pairs, "}")
            case Upstream() | InputCardinality() | AssertBatches():
                return self.refuse(f"{subject}: {argument or 'it'} holds another dataset")
            case _:
                if value == MAX_ELEMENTS:
                    return "tf.int64.max"
                tuned = value == AUTOTUNE and argument in AUTOTUNED
                return "tf.data.AUTOTUNE" if tuned else scalar_text(value)

    def _captured(self, value: Captured, what: str) -> str:
        if value.expression is None:
            return self.refuse(f"{what}, which exists only while the program runs")
        names = self._imported(value.imports, value.import_root)
        return renamed(value.expression, names) or self.refuse(f"{what}, and the names in its expression clash")

    def _imported(self, statements: Iterable[str], import_root: str | None) -> dict[str, str]:
        names: dict[str, str] = {}
        for statement in statements:
            names |= self.imports.add(statement, import_root)
        return names

    def function(self, fn: FnRef, subject: str, changes: tuple[Change, ...] = ()) -> str:
        """The expression for a function, with ``changes`` made inside it."""
        if fn.importable and fn.module == "tensorflow" and not changes:
            return f"tf.{fn.qualname}"
        if fn.importable and fn.module and fn.qualname and not changes:
            head, _, rest = fn.qualname.partition(".")
            name = self.imports.add(f"from {fn.module} import {head}", fn.import_root)[head]
            return f"{name}.{rest}" if rest else name
        source = edited_source(fn, changes) if changes else fn.source
        if isinstance(source, Uneditable):
            return self.refuse(f"{subject}: a change inside {name_of(fn)} cannot be written: {source.reason}")
        if source is None:
            return self.refuse(f"{subject}: the source of {name_of(fn)} could not be found, nor can it be imported")
        names = {name: self._bound(name, value, fn, subject) for name, value in fn.bindings.items()}
        text = renamed(source, names)
        if text is None:
            clash = ", ".join(name for name, given in names.items() if name != given)
            return self.refuse(f"{subject}: {name_of(fn)} needs names that mean something else here: {clash}")
        return text if is_expression(text) else self._defined(text, fn, subject)

    def derived(self, made: Derived, subject: str) -> str:
        """The expression for a function made of others; the worker makes it in the same way."""
        if made.form == "parse_example":
            return self._parsing_batches(made, subject)
        if made.form in BATCHES:
            return self.function(batches_function(made), subject)
        functions = self._adjusting(made, subject) if made.form == "vectorized_adjust" else made.of
        parts = [*(self._called(part, subject) for part in functions), *map(str, made.numbers)]
        template = DERIVED.get(made.form)
        if template is None:
            return self.refuse(f"{subject}: there is no code for {made.form}")
        self.imports.add("import tensorflow as tf", None)
        return template.format(*parts)

    def _called(self, part: FnRef | Derived, subject: str) -> str:
        """``part`` as something that can be called."""
        text = self.derived(part, subject) if isinstance(part, Derived) else self.function(part, subject)
        return f"({text})" if "lambda" in text else text

    def _parsing_batches(self, made: Derived, subject: str) -> str:
        [function] = made.of
        single, batched = ".parse_single_example", ".parse_example"
        if isinstance(function, Derived) or function.source is None or single not in function.source:
            return self.refuse(f"{subject}: the call of tf.io.parse_single_example was not found in its source")
        edited = replace(function, importable=False, source=function.source.replace(single, batched))
        return self.function(edited, subject)

    def _adjusting(self, made: Derived, subject: str) -> tuple[FnRef | Derived, ...]:
        [function] = made.of
        own = None if isinstance(function, Derived) else adjusting(function)
        if own is None:
            self.refuse(f"{subject}: the adjustments of tf.image were not found in its source")
        return (own or function,)

    def _defined(self, text: str, fn: FnRef, subject: str) -> str:
        tree = parsed(text)[0]
        if not isinstance(tree, ast.Module):
            raise TypeError(f"{fn.name} is not a def")
        own = definition(tree).name
        name = self._namespace.claim(own, ("def", text))
        final = renamed(text, {own: name})
        if final is None:
            return self.refuse(f"{subject}: the name of {name_of(fn)} means something else here")
        self._definitions.setdefault(name, (True, final))
        return name

    def _bound(self, name: str, value: Value, fn: FnRef, subject: str) -> str:
        """What a free name of ``fn`` is called in the emitted module."""
        if isinstance(value, FnRef) and value.importable and value.module and value.qualname:
            head, _, rest = value.qualname.partition(".")
            alias = head if rest else name
            given = self.imports.add(f"from {value.module} import {head} as {alias}", value.import_root)[alias]
            return self._assigned(name, f"{given}.{rest}") if rest else given
        if isinstance(value, Captured):
            text = self._captured(value, f"{subject}: {name_of(fn)} captures {name}, {value.summary}")
            return text if text.isidentifier() and text != _MISSING else self._assigned(name, text)
        node = self.value(value, f"{subject}: {name_of(fn)} captures {name}")
        if isinstance(value, FnRef) and flat(node) in self._definitions:
            return flat(node)
        return self._assigned(name, node)

    def _assigned(self, name: str, node: Node) -> str:
        given = self._namespace.claim(name, ("value", flat(node)))
        text = f"{given} = (\n{node}\n)" if isinstance(node, str) and "\n" in node else laid_out(f"{given} = ", node)
        self._definitions.setdefault(given, (False, text))
        return given


def _blocks(definitions: Mapping[str, tuple[bool, str]], apart: int) -> str:
    """One text; functions have ``apart`` empty lines around them."""
    blocks: list[str] = []
    above_is_def = False
    for is_def, text in definitions.values():
        gap = "\n" * (apart + 1) if is_def or above_is_def else "\n"
        blocks.append((gap if blocks else "") + text)
        above_is_def = is_def
    return "".join(blocks)
