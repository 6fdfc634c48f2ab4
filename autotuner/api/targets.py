"""The user's two functions, given alive or by name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeAlias

from autotuner.errors import UsageError
from autotuner.measure.target import Target, parse_target, target_of

Function: TypeAlias = Callable[..., Any] | str
"""A live function, or ``"file.py:name"``, or ``"package.module:name"``."""


def check(function: Function, role: str) -> None:
    """Refuses what can never become a target, before anything is written.

    Raises:
        UsageError: it is neither callable nor the name of something that exists.
    """
    if isinstance(function, str):
        parse_target(function)
    elif not callable(function):
        raise UsageError(f"{role} is {type(function).__name__}, not a function", "give the function itself or its name")


def target(function: Function, pickle_to: Path) -> Target:
    """How the worker finds ``function``; one that cannot be imported is written to ``pickle_to``."""
    return parse_target(function) if isinstance(function, str) else target_of(function, pickle_to)


def live(function: Function) -> Callable[..., Any]:
    """``function`` itself; one given by name is imported only when it is called, because that loads TensorFlow."""
    if not isinstance(function, str):
        return function
    found = parse_target(function)  # now, because a relative path means this working directory

    def load_and_call(*args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - the user's own parameters
        from autotuner.worker.load import load

        return load(found)(*args, **kwargs)

    return load_and_call
