"""Runs emitted code and compares what it builds with the winner."""

from __future__ import annotations

import contextlib
import functools
import importlib.util
import itertools
import shutil
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import TYPE_CHECKING, Any

import tensorflow as tf

from autotuner.measure.messages import Checked, CheckModule, CheckSources
from autotuner.measure.target import Target
from autotuner.pipeline import MAX_ELEMENTS, Configuration, Op, Pipeline
from autotuner.rewrites import apply
from autotuner.rewrites.cache import CACHE_FILE, in_file
from autotuner.tfdata.build import build
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.live import digest_of
from autotuner.tfdata.record import Recorded
from autotuner.worker.load import load
from autotuner.worker.sources import replaced_sources, with_new_code

if TYPE_CHECKING:
    from autotuner.worker.session import Session


def check_module(session: Session, request: CheckModule) -> Checked:
    """The ``dataset_fn`` of an emitted module, as it is and with other arguments."""
    found = _from_module(request.path)
    with _Winner(session, Configuration(request.configuration)) as winner:
        if reason := winner.difference(found, {}) or winner.other_data(found):
            return Checked(reason)
        others = request.parameters.items()
        return Checked("", [name for name, other in others if winner.difference(found, {name: other})])


def check_sources(session: Session, request: CheckSources, target: Target) -> Checked:
    """The user's own function, once its files hold the texts of the request."""
    with _Winner(session, Configuration(request.configuration)) as winner:
        others = [{name: other} for name, other in request.parameters.items()]
        winner.trace(others)
        with replaced_sources(request.sources):
            found = _from_sources(request, target)
            if reason := winner.difference(found, {}) or winner.other_data(found):
                return Checked(reason)
            return Checked("", [next(iter(other)) for other in others if winner.difference(found, other)])


class _Winner(contextlib.AbstractContextManager["_Winner"]):
    """What emitted code has to build: the same stages and graph, and the user's data."""

    def __init__(self, session: Session, configuration: Configuration) -> None:
        self._session = session
        self._configuration = configuration
        self._folder = session.new_folder()
        self._known: dict[str, tuple[Recorded, Pipeline, tf.data.Dataset]] = {}
        self._put(session.recorded)

    def __exit__(self, *_: object) -> None:
        shutil.rmtree(self._folder, ignore_errors=True)

    def trace(self, others: Iterable[dict[str, Any]]) -> None:
        """Builds now, while autograph finds the user's own modules where they were."""
        self.hashes  # noqa: B018 - kept once it is asked for
        for arguments in ({}, *others):
            self._built(arguments)

    def difference(self, emitted: Callable[..., Any], arguments: dict[str, Any]) -> str:
        """How what ``emitted`` builds with ``arguments`` differs from what the winner is with the same."""
        recorded, winner, built = self._built(arguments)
        found = recorded.origin.again(functools.partial(emitted, **arguments))
        made = found.datasets[found.pipeline.output.label]
        if other := _other_attributes(recorded, found):
            return f"its dataset has no {other[0]} as your function hangs it on its own"
        return _compare(built, made, hashes=self.hashes) or ("" if self.hashes else _outlined(winner, found.pipeline))

    def other_data(self, emitted: Callable[..., Any]) -> str:
        """How the elements of what ``emitted`` builds differ from the user's."""
        found = self._session.recorded.origin.again(emitted)
        return self._session.verify_emitted(found, same_graph=self.hashes)

    def _recorded(self, arguments: dict[str, Any]) -> Recorded:
        if not arguments:
            return self._session.recorded
        origin = self._session.recorded.origin
        recorded = origin.again(functools.partial(origin.dataset_fn, **arguments))
        self._put(recorded)
        return recorded

    def _put(self, recorded: Recorded) -> None:
        recorded.live.put(CACHE_FILE, str(self._folder / "cache"))

    def _rewritten(self, recorded: Recorded) -> Pipeline:
        return apply(recorded.pipeline, self._session.facts, self._configuration)

    def _built(self, arguments: dict[str, Any]) -> tuple[Recorded, Pipeline, tf.data.Dataset]:
        """The winner with these arguments: the user's recording, what it becomes, and its dataset."""
        key = repr(arguments)
        if key not in self._known:
            recorded = self._recorded(arguments)
            winner = self._rewritten(recorded)
            self._known[key] = (recorded, winner, build(recorded, winner))
        return self._known[key]

    @cached_property
    def hashes(self) -> bool:
        """Graphs can be compared: each run has a cache file of its own, so there they differ in its name."""
        return not _caches_in_file(self._rewritten(self._session.recorded)) and _repeats(self._session)


def _other_attributes(recorded: Recorded, emitted: Recorded) -> list[str]:
    """What is not hung on the emitted dataset as it is on the user's."""
    held = {name: digest_of(value) for name, value in emitted.attributes.items()}
    return [name for name, value in recorded.attributes.items() if held.get(name) != digest_of(value)]


def _repeats(session: Session) -> bool:
    """The user's function builds an equal graph when it runs again; one that makes a seeded layer need not."""
    again = session.recorded.origin.again()
    mine = session.recorded.datasets[session.recorded.pipeline.output.label]
    return _digest(again.datasets[again.pipeline.output.label]) == _digest(mine)


def _compare(winner: tf.data.Dataset, emitted: tf.data.Dataset, *, hashes: bool) -> str:
    if winner.element_spec != emitted.element_spec:
        return f"its element spec is {emitted.element_spec}, the winner's {winner.element_spec}"
    if not hashes or _digest(winner) == _digest(emitted):
        return ""
    return "it builds another graph than the winner"


def _digest(dataset: tf.data.Dataset) -> str:
    return CanonicalGraph.of(dataset).digest


def _outlined(winner: Pipeline, emitted: Pipeline) -> str:
    """What differs in the stages themselves and in their plain arguments; empty where nothing does."""
    wanted, found = (list(map(_outline, pipeline.trunk())) for pipeline in (winner, emitted))
    for ours, theirs in itertools.zip_longest(wanted, found, fillvalue="nothing"):
        if ours != theirs:
            return f"it builds {theirs} where the winner has {ours}"
    return ""


def _outline(op: Op) -> str:
    plain = {
        name: value
        for name, value in op.arguments
        if value is not None and isinstance(value, bool | int | float | str) and value != MAX_ELEMENTS
    }
    return f"{op.kind}({', '.join(f'{name}={value!r}' for name, value in sorted(plain.items()) if name != 'filename')})"


def _caches_in_file(pipeline: Pipeline) -> bool:
    return any(op.kind == "cache" and in_file(op) for op in pipeline.ops)


def _from_module(path: str) -> Any:
    spec = importlib.util.spec_from_file_location("tuned_pipeline", path)
    if spec is None or spec.loader is None:
        raise ImportError(f"{path} cannot be imported")
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # autograph looks lambdas up there
    spec.loader.exec_module(module)
    return module.dataset_fn


def _from_sources(request: CheckSources, target: Target) -> Callable[..., Any]:
    found = load(target)
    return with_new_code(found, request.sources) if target.kind == "pickle" else found
