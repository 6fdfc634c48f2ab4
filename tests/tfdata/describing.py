"""Describes functions with a stand-in for the worker's live objects."""

from __future__ import annotations

from autotuner.pipeline import Captured, FnRef, Value
from autotuner.tfdata.functions import describe


def captured(value: object, key: str) -> Value:
    return Captured(key, type(value).__name__, digest=repr(type(value)))


def described(function: object) -> FnRef:
    return describe(function, "k", captured)
