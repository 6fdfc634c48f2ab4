"""``@deterministic``: Python code of which the user says that it repeats itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

ATTRIBUTE = "__autotuner_deterministic__"
Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def deterministic(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """States that a function gives the same for the same arguments, in every epoch and in any order of calls.

    It belongs on the function given to a method of ``tf.data``: that of ``map`` or ``interleave`` which calls
    ``tf.py_function`` or ``tf.numpy_function``, or the generator of ``from_generator``. What Python does cannot be
    proven; without this statement nothing made by it is kept between epochs. Several readings are compared before
    anything is timed, and where they differ the statement is not believed; what differs less often than that stays
    unseen. Randomness of TensorFlow in the same function is found as ever.
    """
    setattr(function, ATTRIBUTE, True)
    return function
