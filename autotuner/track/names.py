"""How decisions are called and written in MLflow, which refuses ``[``, ``]`` and ``#`` in names."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from typing import Any

from autotuner.pipeline import DecisionValue

MAX_NAME_LENGTH = 250
MAX_PARAMETER_LENGTH = 6_000
MAX_TAG_LENGTH = 8_000
INACTIVE = "n/a"

_TOKEN = re.compile(
    r"\[(?P<inner>[^\[\]#]+)(?:#(?P<number>[0-9]+))?\](?=\.|/\w|\Z)"  # [decode] or [decode#2], as labels have it
    r"|(?<=[\w\]])(?P<slash>/)(?=\w)"  # between an outer label and one inside it
    r"|\A\.|[^\w. ]"  # refused by MLflow, or needed by this notation itself
)
_UNSAFE_INSIDE = re.compile(r"[^\w ]")
_DIGEST_LENGTH = 16


def mlflow_name(name: str) -> str:
    """The name MLflow accepts for a decision: ``map[decode#2].vectorize`` becomes ``map:decode:2.vectorize``.

    ``[`` and ``#`` become ``:`` and ``]`` goes. Everything else that MLflow refuses, or that would let two
    decisions share a name, becomes its code point between dashes: ``-3c-`` for ``<``. So no two names
    collide; one longer than MLflow's limit ends in a hash of the whole.
    """
    return _shortened(_TOKEN.sub(_translated, name) or "-")


def _translated(token: re.Match[str]) -> str:
    if token["slash"]:
        return "/"
    if token["inner"]:
        number = f":{token['number']}" if token["number"] else ""
        return f":{_UNSAFE_INSIDE.sub(_code_point, token['inner'])}{number}"
    return _code_point(token)


def _code_point(character: re.Match[str]) -> str:
    return f"-{ord(character.group()):x}-"


def _shortened(name: str) -> str:
    if len(name) <= MAX_NAME_LENGTH:
        return name
    digest = hashlib.sha256(name.encode()).hexdigest()[:_DIGEST_LENGTH]
    return f"{name[: MAX_NAME_LENGTH - _DIGEST_LENGTH - 2]}--{digest}"


def parameter_value(value: DecisionValue) -> str:
    """A decision's value as MLflow shows it: ``none`` for ``None``, ``true`` and ``false``, cut at MLflow's limit."""
    match value:
        case None:
            return "none"
        case bool():
            return str(value).lower()
        case _:
            return str(value)[:MAX_PARAMETER_LENGTH]


def flat_parameters(facts: Mapping[str, Any], prefix: str = "") -> dict[str, str]:
    """Facts as parameters; what is neither a number nor a string is written as JSON."""
    plain = (bool, int, float, str, type(None))
    return {
        mlflow_name(f"{prefix}{key}"): parameter_value(
            value if isinstance(value, plain) else json.dumps(value, default=str)
        )
        for key, value in facts.items()
    }
