"""Records what ``dataset_fn`` builds, by watching the public tf.data API while it runs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from types import FrameType
from typing import Any

import tensorflow as tf

from autotuner.errors import UserCodeError
from autotuner.pipeline import OPAQUE, CallSite, Captured, FnRef, Op, Pipeline, Upstream, Value, leaves
from autotuner.tfdata import intercept
from autotuner.tfdata.function_modules import is_installed
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.inner_sites import with_sites
from autotuner.tfdata.intercept import NESTING, Call, intercepted
from autotuner.tfdata.labels import labelled
from autotuner.tfdata.live import HiddenDatasetError, Live
from autotuner.tfdata.returned import returned_at
from autotuner.tfdata.seeds import RandomState, SeedState

_AUTOGRAPH = "/tensorflow/python/autograph/"


@dataclass(frozen=True)
class Origin:
    """How a recording can be made once more."""

    dataset_fn: Callable[[], Any]
    random_state: RandomState

    def again(self, other: Callable[[], Any] | None = None) -> Recorded:
        """Records the function, or ``other``, from the random state of the first time."""
        self.random_state.restore()
        return record(other or self.dataset_fn)


@dataclass
class Recorded:
    """A pipeline with the live objects it was made from."""

    pipeline: Pipeline
    origin: Origin
    live: Live
    datasets: dict[str, tf.data.Dataset]
    """The user's own dataset objects, by label."""
    attributes: dict[str, object]
    """What was hung on the output dataset (``class_names``, …)."""
    seeds: dict[str, SeedState] = field(default_factory=dict)
    """Random state just before each op was made."""


@dataclass
class _Node:
    op: Op
    dataset: tf.data.Dataset
    known_attributes: frozenset[str]
    seed: SeedState


@dataclass
class _Frame:
    """The calls of ``dataset_fn`` itself, or of one function given to ``interleave`` or ``flat_map``."""

    nodes: dict[int, _Node] = field(default_factory=dict)
    """By the identity of the dataset, which the node keeps alive."""
    inner: dict[int, _Frame] = field(default_factory=dict)
    """What the function arguments of calls in progress built, by the identity of the call."""

    @property
    def ops(self) -> list[Op]:
        return [node.op for node in self.nodes.values()]


def record(dataset_fn: Callable[[], Any]) -> Recorded:
    """Runs ``dataset_fn`` once and records every tf.data call that its result is made of.

    Raises:
        UserCodeError: ``dataset_fn`` returned something other than a ``tf.data.Dataset``.
        UsageError: called from inside a ``dataset_fn`` that is being recorded.
    """
    recorder = _Recorder(Origin(dataset_fn, RandomState.current()))
    with intercepted(recorder) as at_user_level:
        recorder.at_user_level = at_user_level
        output = dataset_fn()
    if not isinstance(output, tf.data.Dataset):
        name = getattr(dataset_fn, "__name__", "dataset_fn")
        raise UserCodeError(
            f"{name} returned {type(output).__name__}, not a tf.data.Dataset",
            "return the one dataset that model.fit is given; for several, write one function for each",
        )
    return recorder.finish(output)


class _Recorder:
    def __init__(self, origin: Origin) -> None:
        self._origin = origin
        self.live = Live()
        self.at_user_level: Callable[..., Callable[..., Any]] = lambda function: function
        self._frames = [_Frame()]
        self._seeds: dict[int, SeedState] = {}
        self._count = 0

    def before(self, call: Call) -> dict[str, Any]:
        self._seeds[id(call)] = SeedState.current()
        parameter = NESTING.get(call.kind)
        if parameter is None or parameter not in call.arguments:
            return call.arguments
        return call.arguments | {parameter: self._nested(call.arguments[parameter], id(call))}

    def _nested(self, function: Callable[..., Any], token: int) -> Callable[..., Any]:
        def enter() -> None:
            self._frames.append(_Frame())

        def leave() -> None:
            made = self._frames.pop()
            self._frames[-1].inner[token] = made

        return self.at_user_level(function, enter, leave)

    def after(self, call: Call, dataset: tf.data.Dataset) -> None:
        frame = self._frames[-1]
        seed = self._seeds.pop(id(call))
        nested = frame.inner.pop(id(call), None) if call.kind in NESTING else None
        if call.kind == "apply" and id(dataset) in frame.nodes:
            return  # everything the function did was recorded on its own
        receiver = self._reference(call.receiver).label if call.receiver is not None else None
        try:
            encoded = tuple(
                (name, self.live.encode_argument(name, value, self._reference))
                for name, value in call.arguments.items()
            )
        except HiddenDatasetError:
            reason = f"{call.kind}: datasets hidden in a structure of its arguments"
            self._leaf(dataset, reason, _call_site(call.frame))
            return
        op = Op(
            label=self._label(),
            kind=call.kind,
            receiver=receiver,
            arguments=encoded,
            call_site=_call_site(call.frame),
        )
        if nested is not None and nested.nodes:
            op = with_sites(replace(op, inner=labelled(nested.ops)[0]))
        frame.nodes[id(dataset)] = _Node(op, dataset, frozenset(vars(dataset)), seed)

    def _reference(self, dataset: tf.data.Dataset, call_site: CallSite | None = None) -> Upstream:
        node = self._frames[-1].nodes.get(id(dataset))
        if node is None:
            node = self._leaf(dataset, f"a {type(dataset).__name__} whose making was not seen", call_site)
        return Upstream(node.op.label)

    def _leaf(self, dataset: tf.data.Dataset, reason: str, call_site: CallSite | None) -> _Node:
        # Inside a function nothing is reused, and what was made there is a tensor of a graph: it is not kept.
        value = opaque_value(self.live, dataset, reason) if len(self._frames) == 1 else Captured("", reason)
        op = Op(self._label(), OPAQUE, None, (("dataset", value),), call_site)
        node = _Node(op, dataset, frozenset(), SeedState.current())
        self._frames[-1].nodes[id(dataset)] = node
        return node

    def _label(self) -> str:
        self._count += 1
        return f"op{self._count}"

    def finish(self, output: tf.data.Dataset) -> Recorded:
        last = self._reference(output, returned_at(self._origin.dataset_fn)).label
        nodes = self._frames[0].nodes.values()
        pipeline, names = labelled([node.op for node in nodes], last)
        kept = {names[node.op.label]: node for node in nodes if node.op.label in names}
        known = next(node.known_attributes for node in nodes if node.op.label == last)
        self.live.retain(live_keys(pipeline))
        return Recorded(
            pipeline=pipeline,
            origin=self._origin,
            live=self.live,
            datasets={label: node.dataset for label, node in kept.items()},
            attributes={
                name: value
                for name, value in vars(output).items()
                if name not in known and not name.startswith("_")  # TensorFlow's own come with every dataset
            },
            seeds={label: node.seed for label, node in kept.items()},
        )


def opaque_value(live: Live, dataset: tf.data.Dataset, reason: str) -> Captured:
    """The argument of an opaque leaf: ``dataset`` itself, and why it is not recorded."""
    try:
        digest = CanonicalGraph.of(dataset).digest
    except (tf.errors.OpError, ValueError):
        digest = str(dataset.element_spec)
    return Captured(live.keep(dataset), reason, digest=digest)


def live_keys(pipeline: Pipeline) -> set[str]:
    """Keys of every live object that ``pipeline`` refers to."""
    return {key for _, op in pipeline.walk() for _, value in op.arguments for key in _keys(value)}


def _keys(value: Value) -> Iterator[str]:
    for leaf in leaves(value):
        if isinstance(leaf, FnRef | Captured):
            yield leaf.key
        if isinstance(leaf, FnRef):
            for bound in leaf.bindings.values():
                yield from _keys(bound)


def _call_site(frame: FrameType) -> CallSite | None:
    """``None`` where autograph or our own wrapper made the call: there is no line of the user's for it.

    A call inside an installed package stands for the user's call that led to it.
    """
    frame = _users_frame(frame) or frame
    positions = list(frame.f_code.co_positions())[frame.f_lasti // 2]
    line, end_line, _, end_column = positions
    file = frame.f_code.co_filename
    if line is None or end_line is None or end_column is None or _AUTOGRAPH in file or file == intercept.__file__:
        return None
    return CallSite(file, line, end_line, end_column)


def _users_frame(frame: FrameType | None) -> FrameType | None:
    """The first frame from ``frame`` outwards that runs the user's code; ``None`` inside a function of a call."""
    while frame is not None and frame.f_code.co_filename != __file__:
        file = frame.f_code.co_filename
        ours = file == intercept.__file__
        if _AUTOGRAPH in file or (ours and frame.f_code.co_name == "nested"):
            return None
        if not ours and not is_installed(file):
            return frame
        frame = frame.f_back
    return None
