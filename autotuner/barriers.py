"""``@barrier``: a stage the user wants left alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

ATTRIBUTE = "__autotuner_barrier__"
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def barrier(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Marks a function given to ``map`` or ``filter``: its stage is not changed, nothing changes places with it.

    No cache is put behind it either, since that would change how often it runs. ``keep=["map[name]"]`` says the same
    from outside.
    """
    setattr(function, ATTRIBUTE, True)
    return function
