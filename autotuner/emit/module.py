"""Writes a Pipeline as a Python module that needs TensorFlow and the user's own code, and nothing of ours."""

from __future__ import annotations

import ast
import builtins
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from autotuner.emit.carry import Carrier
from autotuner.emit.layout import LINE_LENGTH
from autotuner.emit.literals import docstring
from autotuner.emit.names import Namespace
from autotuner.emit.refusal import Unemittable
from autotuner.emit.statements import Changed, Statements, attribute_lines
from autotuner.pipeline import Pipeline, Value


@dataclass(frozen=True)
class EmittedModule:
    """A complete Python module."""

    text: str


def emit_module(
    pipeline: Pipeline,
    *,
    function_name: str,
    signature: str,
    header: Sequence[str],
    effects: Mapping[str, str],
    folder: Path,
    changed: Changed | None = None,
    attributes: Mapping[str, Value] = MappingProxyType({}),
) -> EmittedModule | Unemittable:
    """The module that builds ``pipeline``, the same text every time, or why it cannot be written.

    Args:
        pipeline: What to build.
        function_name: Name of the function that returns the dataset.
        signature: Its parameters as source text; their defaults must need nothing but builtins.
        header: Lines of the module's docstring.
        effects: Decision name → what it was measured to buy, for the comments.
        folder: Where the module will be written; the user's modules are found relative to it.
        changed: (op path, argument) → the decision that changed the argument.
        attributes: What the user's function hangs on its dataset, by name.
    """
    parameters = parameters_of(signature)
    if isinstance(parameters, Unemittable):
        return parameters
    used = Pipeline(pipeline.upstream(pipeline.output.label))
    carrier = Carrier(Namespace(reserved(used, function_name, parameters)))
    *body, result = Statements(used, carrier, changed or {}, effects).lines()
    body += [*attribute_lines(attributes, carrier), result]
    return assembled(carrier, body, Frame(function_name, signature, parameters, header, folder))


@dataclass(frozen=True)
class Frame:
    """What stands around the statements of an emitted function."""

    function_name: str
    signature: str
    parameters: Sequence[str]
    header: Sequence[str]
    folder: Path


def assembled(
    carrier: Carrier, body: Sequence[str], frame: Frame, needed: Sequence[str] = ()
) -> EmittedModule | Unemittable:
    """The module around the statements ``body``, with what ``carrier`` collected for them and the blocks ``needed``."""
    if carrier.reasons:
        return Unemittable(tuple(carrier.reasons))
    definitions, inside = carrier.definitions(frame.parameters)
    local = [textwrap.indent(inside, "    ") + "\n"] if inside else []
    head = _head(frame.function_name, frame.signature)
    function = "\n".join([head, '    """Build the tuned dataset."""', *local, *body])
    imports = carrier.imports.text(frame.folder)
    above = "\n\n".join(filter(None, [docstring(list(frame.header)), imports, ""])).rstrip("\n")
    blocks = "".join(_gap(block) + block for block in (*needed, definitions) if block)
    text = f"{above}{blocks}\n\n\n{function}\n"
    try:
        compile(text, "<emitted>", "exec", dont_inherit=True)
    except (SyntaxError, ValueError) as error:
        return Unemittable((f"the written module would not compile: {error}",))
    return EmittedModule(text)


def _gap(block: str) -> str:
    return "\n\n\n" if block.startswith(("def ", "async def ", "@")) else "\n\n"


def parameters_of(signature: str) -> list[str] | Unemittable:
    """Names of the parameters; their defaults are all that the function's head needs at run time."""
    try:
        [function] = ast.parse(f"def _({signature}): pass").body
    except SyntaxError:
        return Unemittable((f"the parameters ({signature}) have a default that no code can spell",))
    if not isinstance(function, ast.FunctionDef):
        raise TypeError(f"not parameters: {signature}")
    for default in (*function.args.defaults, *filter(None, function.args.kw_defaults)):
        for node in ast.walk(default):
            if isinstance(node, ast.Name) and not hasattr(builtins, node.id):
                return Unemittable((f"the default {ast.unparse(default)} of a parameter needs {node.id}",))
    return [node.arg for node in ast.walk(function.args) if isinstance(node, ast.arg)]


def reserved(pipeline: Pipeline, function_name: str, parameters: Sequence[str]) -> list[str]:
    """Names that the emitted function itself uses."""
    numbered = [f"ds_{number}" for number in range(2, len(pipeline.ops) + 2)]
    return ["ds", *numbered, "options", "rows", "sys", "Path", "annotations", function_name, *parameters]


def _head(function_name: str, signature: str) -> str:
    line = f"def {function_name}({signature}) -> tf.data.Dataset:"
    if len(line) <= LINE_LENGTH:
        return line
    return f"def {function_name}(\n    {signature}\n) -> tf.data.Dataset:"
