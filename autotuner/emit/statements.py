"""The body of the emitted function: one statement for each op, a variable for each branch."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from autotuner.emit.carry import Carrier
from autotuner.emit.inner import Change
from autotuner.emit.layout import LINE_LENGTH, Group, Node, flat, laid_out
from autotuner.emit.refusal import subject_of
from autotuner.emit.signatures import OPTION_ENUMS, READERS, VARIADIC, positional
from autotuner.pipeline import OPAQUE, AssertBatches, Captured, FnRef, InputCardinality, Op, Pipeline, Value

_INDENT = 4

Changed = Mapping[tuple[str, str], str]
"""(op path, argument) → the decision that changed it."""


def variables(pipeline: Pipeline) -> dict[str, str]:
    """The variable that holds each op's dataset: ``ds`` on the way to the result, ``ds_2`` and so on elsewhere."""
    readers = {op.label: pipeline.consumers(op.label) for op in pipeline.ops}
    chain: dict[str, int] = {}
    for op in pipeline.ops:
        continues = op.receiver is not None and len(readers[op.receiver]) == 1
        chain[op.label] = chain[str(op.receiver)] if continues else len(set(chain.values()))
    main = chain[pipeline.output.label]
    others = [number for number in dict.fromkeys(chain.values()) if number != main]
    names = {main: "ds"} | {number: f"ds_{index}" for index, number in enumerate(others, start=2)}
    return {label: names[number] for label, number in chain.items()}


class Statements:
    """Writes the ops of one pipeline."""

    def __init__(self, pipeline: Pipeline, carrier: Carrier, changed: Changed, effects: Mapping[str, str]) -> None:
        self.pipeline = pipeline
        self.carrier = carrier
        self._changed = changed
        self._effects = effects
        self.variables = variables(pipeline)
        values = [value for op in pipeline.ops for _, value in op.arguments]
        self._counted = {value.of for value in values if isinstance(value, AssertBatches)}

    def lines(self) -> Iterator[str]:
        """Indented statements, the ``return`` last."""
        for op in self.needed():
            yield from self._options(op)
            if op.label in self._counted:
                yield f"{' ' * _INDENT}rows = {self.variables[str(op.receiver)]}.cardinality()"
            yield self._statement(op)
        yield f"{' ' * _INDENT}return {self.result(self.variables[self.pipeline.output.label])}"

    def needed(self) -> Iterable[Op]:
        """The ops that get a statement, in order."""
        return self.pipeline.ops

    def result(self, variable: str) -> str:
        """What is returned, the dataset being in ``variable``."""
        return variable

    def _statement(self, op: Op) -> str:
        indent = " " * _INDENT
        comment = self._comment(op)
        text = indent + laid_out(f"{self.variables[op.label]} = ", self.call(op), _INDENT)
        last = text.rpartition("\n")[2]
        if not comment:
            return text
        if len(last) + len(comment) + 2 <= LINE_LENGTH:
            return f"{text}  {comment}"
        return f"{indent}{comment}\n{text}"

    def call(self, op: Op) -> Node:
        """The expression whose value is the dataset of ``op``."""
        if op.kind == OPAQUE:
            leaf = op.argument("dataset")
            summary = leaf.summary if isinstance(leaf, Captured) else "a dataset whose making was not seen"
            return self.carrier.refuse(f"{subject_of(op)} is {summary}, so there is no code for it")
        if op.receiver is not None:
            function = f"{self.variables[op.receiver]}.{op.kind}"
        else:
            function = READERS.get(op.kind, f"tf.data.Dataset.{op.kind}")
        return Group(f"{function}(", tuple(self._arguments(op)), ")")

    def _arguments(self, op: Op) -> Iterator[tuple[str, Node]]:
        given = dict(op.arguments)
        variadic = given.pop(VARIADIC[op.kind], None) if op.kind in VARIADIC else None
        if isinstance(variadic, tuple | list):
            yield from (("", self.value(op, "", item)) for item in variadic)
        for name in positional(op.kind):
            if name not in given:
                break
            yield "", self.value(op, name, given.pop(name))
        named = given.pop("kwargs", None) if op.kind in VARIADIC else None
        if isinstance(named, dict):
            given |= named
        for name, value in given.items():
            yield f"{name}=", self.value(op, name, value)

    def value(self, op: Op, argument: str, value: Value) -> Node:
        """The expression for an argument of ``op``."""
        subject = subject_of(op)
        match value:
            case InputCardinality() if op.label in self._counted:
                return "rows"
            case AssertBatches():
                return f"tf.data.experimental.assert_cardinality({batches_text('rows', value)})"
            case InputCardinality() if op.receiver is not None:
                return f"{self.variables[op.receiver]}.cardinality()"
            case dict() if op.kind == "with_options" and argument == "options":
                return "options"
            case FnRef():
                return self.carrier.function(value, subject, tuple(self.inner_changes(op)))
            case _:
                return self.carrier.value(value, subject, argument, self.variables)

    def _options(self, op: Op) -> Iterator[str]:
        options = op.argument("options") if op.kind == "with_options" else None
        if not isinstance(options, dict):
            return
        yield f"{' ' * _INDENT}options = tf.data.Options()"
        for path, value in options.items():
            enum = OPTION_ENUMS.get(path.rpartition(".")[2])
            node = f"{enum}.{value}" if enum and isinstance(value, str) else self.carrier.value(value, subject_of(op))
            yield f"{' ' * _INDENT}options.{path} = {flat(node)}"

    def inner_changes(self, op: Op) -> Iterator[Change]:
        """Changes in the source of the function that ``op`` is given."""
        for path, inner in op.inner.walk() if op.inner else ():
            for (place, argument), decision in self._changed.items():
                if place != f"{op.label}/{path}":
                    continue
                if inner.call_site is None or self._shared(op, inner, argument):
                    self.carrier.refuse(f"{subject_of(op)}: {decision} changes one of several datasets of one line")
                    continue
                written = argument in dict(inner.arguments)
                value = flat(self.carrier.value(inner.argument(argument), subject_of(inner), argument))
                yield Change(inner.kind, inner.call_site, argument, value if written else None)

    def _shared(self, op: Op, inner: Op, argument: str) -> bool:
        """Another dataset is built by the same call, and with another value."""
        others = [other for _, other in op.inner.walk()] if op.inner else []
        return any(
            other.call_site == inner.call_site and other.argument(argument) != inner.argument(argument)
            for other in others
        )

    def _comment(self, op: Op) -> str:
        inside = [f"{op.label}/{path}" for path, _ in op.inner.walk()] if op.inner else []
        decisions = op.decision.split(", ") if op.decision else []
        for path in (op.label, *inside):
            decisions += [decision for (place, _), decision in self._changed.items() if place == path]
        told = [
            f"{name}: {self._effects[name]}" if name in self._effects else name for name in dict.fromkeys(decisions)
        ]
        return f"# {'; '.join(told)}" if told else ""


def attribute_lines(attributes: Mapping[str, Value], carrier: Carrier) -> Iterator[str]:
    """Indented statements that hang on the result what the user's function hangs on its own."""
    for name, value in attributes.items():
        node = carrier.value(value, f"your function hangs {name} on its dataset")
        yield " " * _INDENT + laid_out(f"ds.{name} = ", node, _INDENT)


def batches_text(rows: str, made: AssertBatches, size: str = "") -> str:
    """How many batches ``rows`` elements make; ``size`` is the batch size's name, if it has one."""
    if made.batch_size == 1 and not size:
        return rows
    size = size or str(made.batch_size)
    return f"{rows} // {size}" if made.drop_remainder else f"-(-{rows} // {size})"
