"""Intercepts the public tf.data API on one thread, without changing what user code sees.

Methods of ``tf.data.Dataset`` and the readers' constructors call each other inside TensorFlow; only the outermost
call is the user's. Functions given to ``interleave`` and ``flat_map`` run inside such a call but are the user's
again, so there the depth goes back to the user's level.
"""

from __future__ import annotations

import contextlib
import functools
import inspect
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import FrameType
from typing import Any, Protocol, TypeAlias

import tensorflow as tf

from autotuner.errors import UsageError

TRANSFORMATIONS = (
    "apply", "batch", "bucket_by_sequence_length", "cache", "concatenate", "enumerate", "filter", "flat_map",
    "group_by_window", "ignore_errors", "interleave", "map", "padded_batch", "prefetch", "ragged_batch", "rebatch",
    "rejection_resample", "repeat", "scan", "shard", "shuffle", "skip", "snapshot", "sparse_batch", "take",
    "take_while", "unbatch", "unique", "window", "with_options",
)  # fmt: skip
STATIC = (
    "choose_from_datasets", "counter", "from_generator", "from_tensor_slices", "from_tensors", "list_files", "load",
    "random", "range", "sample_from_datasets", "zip",
)  # fmt: skip
READERS: dict[str, type[Any]] = {
    "TFRecordDataset": tf.data.TFRecordDataset,
    "TextLineDataset": tf.data.TextLineDataset,
    "FixedLengthRecordDataset": tf.data.FixedLengthRecordDataset,
    "CsvDataset": tf.data.experimental.CsvDataset,
}
NESTING = {"interleave": "map_func", "flat_map": "map_func"}
"""Methods whose function argument builds datasets of its own."""


@dataclass(frozen=True)
class Call:
    """One outermost call of the API, before it is carried out."""

    kind: str
    receiver: tf.data.Dataset | None
    arguments: dict[str, Any]
    """As bound by the signature, without defaults; a variadic parameter is a tuple under its own name."""
    frame: FrameType


class Handler(Protocol):
    """What to do with the user's calls."""

    def before(self, call: Call) -> dict[str, Any]:
        """The arguments to use instead of ``call.arguments``."""
        ...

    def after(self, call: Call, dataset: tf.data.Dataset) -> None:
        """``dataset`` is what the call made."""
        ...


class _Exclusive:
    """One interception at a time: the methods belong to the class, so two would put back each other's wrappers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._owner: int | None = None

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        if self._owner == threading.get_ident():
            raise UsageError(
                "a pipeline is being recorded already, and this call came from inside it",
                "call autotune() outside dataset_fn",
            )
        with self._lock:
            self._owner = threading.get_ident()
            try:
                yield
            finally:
                self._owner = None


_INTERCEPTING = _Exclusive()


class _Interception:
    def __init__(self, handler: Handler) -> None:
        self.handler = handler
        self.thread = threading.get_ident()
        self.depth = 0

    def run(self, kind: str, original: Callable[..., Any], receiver: Any, args: Any, kwargs: Any) -> Any:
        bound = _bind(original, receiver, args, kwargs)
        if self.depth or threading.get_ident() != self.thread or bound is None:
            return original(*(() if receiver is None else (receiver,)), *args, **kwargs)
        is_reader = kind in READERS
        call = Call(kind, None if is_reader else receiver, bound, sys._getframe(2))  # noqa: SLF001 - inspect.stack() takes milliseconds
        arguments = self.handler.before(call)
        positional, named = _unbind(original, receiver, arguments)
        # apply() only calls its function, whose own calls are the user's.
        inside = 0 if kind == "apply" else 1
        self.depth += inside
        try:
            made = original(*positional, **named)
        finally:
            self.depth -= inside
        dataset = receiver if is_reader else made
        self.handler.after(call, dataset)
        return made


@functools.cache
def signature_of(original: Callable[..., Any]) -> inspect.Signature:
    """The signature, cached: binding happens on every call."""
    return inspect.signature(original)


def _bind(original: Callable[..., Any], receiver: Any, args: Any, kwargs: Any) -> dict[str, Any] | None:
    try:
        bound = signature_of(original).bind(*(() if receiver is None else (receiver,)), *args, **kwargs)
    except TypeError:
        return None  # the call itself raises, with TensorFlow's own message
    arguments = dict(bound.arguments)
    if receiver is not None:
        arguments.pop(next(iter(signature_of(original).parameters)))
    return arguments


def _unbind(original: Callable[..., Any], receiver: Any, arguments: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    positional: list[Any] = [] if receiver is None else [receiver]
    named: dict[str, Any] = {}
    for name, value in arguments.items():
        kind = signature_of(original).parameters[name].kind
        if kind is inspect.Parameter.VAR_POSITIONAL:
            positional.extend(value)
        elif kind is inspect.Parameter.VAR_KEYWORD:
            named.update(value)
        else:
            named[name] = value
    return positional, named


AtUserLevel: TypeAlias = Callable[[Callable[..., Any], Callable[[], None], Callable[[], None]], Callable[..., Any]]


@contextlib.contextmanager
def intercepted(handler: Handler) -> Iterator[AtUserLevel]:
    """Passes every outermost call on this thread to ``handler``; yields a wrapper for nested user functions.

    ``wrapper(function, on_enter, on_leave)`` puts the depth back to the user's level while ``function`` runs.
    Another thread waits until this one has finished.

    Raises:
        UsageError: this thread is intercepting already.
    """
    with _INTERCEPTING.held(), _patched(handler) as interception:
        yield functools.partial(_at_user_level, interception)


@contextlib.contextmanager
def _patched(handler: Handler) -> Iterator[_Interception]:
    interception = _Interception(handler)
    dataset_class = tf.data.Dataset
    saved: list[tuple[type[Any], str, Any]] = []

    def patch(owner: type[Any], name: str, replacement: Any) -> None:
        saved.append((owner, name, owner.__dict__[name]))
        setattr(owner, name, replacement)

    try:
        for kind in TRANSFORMATIONS:
            patch(dataset_class, kind, _method(interception, kind, dataset_class.__dict__[kind]))
        for kind in STATIC:
            patch(dataset_class, kind, staticmethod(_static(interception, kind, getattr(dataset_class, kind))))
        for kind, reader in READERS.items():
            patch(reader, "__init__", _method(interception, kind, reader.__dict__["__init__"]))
        yield interception
    finally:
        for owner, name, original in reversed(saved):
            setattr(owner, name, original)


def _method(interception: _Interception, kind: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return interception.run(kind, original, self, args, kwargs)

    return method


def _static(interception: _Interception, kind: str, original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def static(*args: Any, **kwargs: Any) -> Any:
        return interception.run(kind, original, None, args, kwargs)

    return static


def _at_user_level(
    interception: _Interception,
    function: Callable[..., Any],
    on_enter: Callable[[], None],
    on_leave: Callable[[], None],
) -> Callable[..., Any]:
    depths: list[int] = []

    @tf.autograph.experimental.do_not_convert
    def enter() -> None:
        depths.append(interception.depth)
        interception.depth = 0
        on_enter()

    @tf.autograph.experimental.do_not_convert
    def leave() -> None:
        interception.depth = depths.pop()
        on_leave()

    # Not marked do_not_convert: that would switch autograph off for the user's function as well.
    @functools.wraps(function)
    def nested(*args: Any, **kwargs: Any) -> Any:
        enter()
        try:
            result = function(*args, **kwargs)
        finally:
            leave()
        return result

    return nested
