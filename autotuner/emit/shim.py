"""Writes decisions as a module that lets the user's own function run and repeats its calls with what was decided.

Whatever the function made, and of whatever live objects, is at hand when it has run: so this can be written where
neither the function can be edited nor its pipeline be written out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from autotuner.emit.adjustments import own_adjustment
from autotuner.emit.carry import DERIVED, Carrier
from autotuner.emit.inner import Change
from autotuner.emit.layout import Group, Node, flat, laid_out
from autotuner.emit.literals import quoted
from autotuner.emit.module import EmittedModule, Frame, assembled, parameters_of, reserved
from autotuner.emit.names import Namespace
from autotuner.emit.refusal import Unemittable, subject_of
from autotuner.emit.rerun import MODULES, NAMES, SOURCE, changed_inside, exchanging, owner_of
from autotuner.emit.statements import Changed, Statements
from autotuner.measure.messages import Origin
from autotuner.pipeline import OPAQUE, AssertBatches, Captured, Derived, FnRef, Op, Pipeline, Upstream, Value, leaves
from autotuner.pipeline.adjustments import ADJUSTMENTS


def emit_shim(
    recorded: Pipeline,
    rewritten: Pipeline,
    *,
    origin: Origin,
    signature: str,
    header: Sequence[str],
    effects: Mapping[str, str],
    folder: Path,
    changed: Changed,
) -> EmittedModule | Unemittable:
    """The module whose ``dataset_fn`` runs the function of ``origin`` and builds ``rewritten`` of what that made.

    Args:
        recorded: What the user's function makes.
        rewritten: What to build.
        origin: The user's function.
        signature: Those of its parameters that the tuned function has too, as source text.
        header: Lines of the module's docstring.
        effects: Decision name → what it was measured to buy, for the comments.
        folder: Where the module will be written.
        changed: (op path, argument) → the decision that changed it.
    """
    parameters = parameters_of(signature)
    if isinstance(parameters, Unemittable):
        return parameters
    used = Pipeline(rewritten.upstream(rewritten.output.label))
    if taken := {*NAMES, *MODULES}.intersection(parameters):
        return Unemittable((f"a parameter of {origin.name} is called {min(taken)}, as something in the code would be",))
    carrier = _LiveCarrier(Namespace([*reserved(used, "dataset_fn", parameters), *NAMES]), recorded)
    for module in MODULES:
        carrier.imports.add(f"import {module}", None)
    name = carrier.imports.add(f"from {origin.module} import {origin.name} as original", origin.import_root)["original"]
    given = "".join(f", {parameter}={parameter}" for parameter in parameters)
    body = [f"    was = stages_of({name}{given})"]
    body += _LiveStatements(recorded, used, carrier, changed, effects).lines()
    return assembled(
        carrier, body, Frame("dataset_fn", signature, parameters, header, folder), [_tables(recorded), f"\n{SOURCE}"]
    )


def _tables(recorded: Pipeline) -> str:
    """Which calls are watched, and what is expected of them."""
    kinds = dict.fromkeys(op.kind for _, op in recorded.walk() if op.kind != OPAQUE)
    methods = Group("{", tuple((f"{quoted(kind)}: ", owner_of(kind)) for kind in kinds), "}")
    stages = Group("{", tuple((f"{quoted(op.label)}: ", _inputs(op)) for op in recorded.ops), "}")
    return f"{laid_out('METHODS = ', methods)}\n{laid_out('STAGES = ', stages)}"


def _inputs(op: Op) -> Node:
    return "None" if op.kind == OPAQUE else Group("[", tuple(("", quoted(name)) for name in op.inputs), "]")


class _LiveCarrier(Carrier):
    """Takes functions and objects from the calls that the user's function made."""

    def __init__(self, namespace: Namespace, recorded: Pipeline) -> None:
        super().__init__(namespace)
        self._live: dict[str, str] = {}
        for op in recorded.ops:
            for name, value in op.arguments if op.kind != OPAQUE else ():
                self._live |= dict(_places(value, f"was[{quoted(op.label)}].given[{quoted(name)}]"))

    def function(self, fn: FnRef, subject: str, changes: tuple[Change, ...] = ()) -> str:
        """The expression for a function; changes inside it are made where it is used."""
        return self._live[fn.key] if fn.key in self._live else super().function(fn, subject, changes)

    def derived(self, made: Derived, subject: str) -> str:
        """The expression for a function made of others."""
        if made.form == "parse_example":
            return self._exchanging(made, subject, "tf.io", {"parse_single_example": "tf.io.parse_example"})
        if made.form == "vectorized_adjust":
            own = {name: self.function(own_adjustment(name), subject) for name in ADJUSTMENTS}
            return DERIVED[made.form].format(self._exchanging(made, subject, "tf.image", own))
        return super().derived(made, subject)

    def _exchanging(self, made: Derived, subject: str, module: str, others: Mapping[str, str]) -> str:
        """The one function of ``made``, running with ``others`` in place of functions of a module of TensorFlow."""
        [part] = made.of
        function = self.derived(part, subject) if isinstance(part, Derived) else self.function(part, subject)
        given = "".join(f", {name}={other}" for name, other in others.items())
        return f"{self.function(exchanging(), subject)}({function}, {module}{given})"

    def value(self, value: Value, subject: str, argument: str = "", datasets: Mapping[str, str] | None = None) -> Node:
        """The expression for ``value``."""
        if isinstance(value, Captured) and value.key in self._live:
            return self._live[value.key]
        return super().value(value, subject, argument, datasets or {})


def _places(value: Value, text: str) -> Iterator[tuple[str, str]]:
    """Keys of live objects, each with the expression that gives it."""
    match value:
        case FnRef(key=key) | Captured(key=key):
            yield key, text
        case tuple() | list():
            for index, item in enumerate(value):
                yield from _places(item, f"{text}[{index}]")
        case dict():
            for name, item in value.items():
                yield from _places(item, f"{text}[{quoted(name)}]")


class _LiveStatements(Statements):
    """A statement for each op that is not as the user's function made it, and for what such an op reads."""

    def __init__(
        self, recorded: Pipeline, pipeline: Pipeline, carrier: Carrier, changed: Changed, effects: Mapping[str, str]
    ) -> None:
        super().__init__(pipeline, carrier, changed, effects)
        self._recorded = recorded
        self._again: dict[str, Op] = {}
        """Ops that are made anew."""
        counted = {
            leaf.of
            for op in pipeline.ops
            for _, value in op.arguments
            for leaf in leaves(value)
            if isinstance(leaf, AssertBatches)
        }
        for op in pipeline.ops:
            reads_new = any(label in self._again for label in op.inputs)
            if reads_new or op.label in counted or not self._same(op):
                self._again[op.label] = op

    def _same(self, op: Op) -> bool:
        if op.label not in self._recorded:
            return False
        was = self._recorded[op.label]
        return (was.kind, was.receiver, was.arguments, was.inner) == (op.kind, op.receiver, op.arguments, op.inner)

    def needed(self) -> Iterator[Op]:
        """What is made anew, and what that reads."""
        read = {label for op in self._again.values() for label in op.inputs}
        return (op for op in self.pipeline.ops if op.label in self._again or op.label in read)

    def result(self, variable: str) -> str:
        """The dataset, with what the user's function hung on its own."""
        return f"like(was[{quoted(self._recorded.output.label)}], {variable})"

    def inner_changes(self, op: Op) -> Iterator[Change]:
        """None in a source: they are given to the function when it runs."""
        del op
        return iter(())

    def call(self, op: Op) -> Node:
        """The user's own dataset, their call once more, or a call of ours."""
        was = f"was[{quoted(op.label)}]"
        if op.label not in self._again:
            return f"{was}.dataset"
        if op.label not in self._recorded or self._recorded[op.label].kind != op.kind:
            return super().call(op)
        receiver = [("", self.variables[op.receiver])] if op.receiver else []
        return Group(f"{was}.again(", (*receiver, *self._changes(op)), ")")

    def _changes(self, op: Op) -> Iterator[tuple[str, Node]]:
        """Arguments that are not what they were."""
        was = self._recorded[op.label]
        before = dict(was.arguments)
        for name, value in op.arguments:
            if name not in before or value != before[name] or any(isinstance(leaf, Upstream) for leaf in leaves(value)):
                yield f"{name}=", self.value(op, name, value)
        yield from ((f"{name}=", "...") for name in before if name not in dict(op.arguments))
        if op.inner != was.inner and op.inner and was.inner:
            yield self._changed_inside(op, was.inner, op.inner)

    def _changed_inside(self, op: Op, was: Pipeline, inner: Pipeline) -> tuple[str, Node]:
        [(name, function)] = [(name, value) for name, value in op.arguments if isinstance(value, FnRef)]
        changes: list[tuple[str, Node]] = []
        for before, after in zip(was.ops, inner.ops, strict=True):
            if before.kind in {OPAQUE, "apply"}:
                continue
            if before.inner != after.inner:
                path = f"{op.label}/{after.label}"
                self.carrier.refuse(f"{subject_of(op)}: a change inside {path}, a function in a function, has no code")
            changes.append(("", self._inner_arguments(before, after)))
        helper = self.carrier.function(changed_inside(), subject_of(op))
        return f"{name}=", Group(f"{helper}(", (("", self.value(op, name, function)), *changes), ")")

    def _inner_arguments(self, before: Op, after: Op) -> Node:
        old, new = dict(before.arguments), dict(after.arguments)
        changed = {name: new.get(name) for name in {**old, **new} if name not in old or old[name] != new.get(name)}
        items = (
            (f"{quoted(name)}: ", self.carrier.value(value, subject_of(after), name)) for name, value in changed.items()
        )
        return flat(Group("{", tuple(items), "}"))
