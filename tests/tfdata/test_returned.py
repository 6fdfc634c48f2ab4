"""Where the one expression stands that a function returns, whatever shape the function has."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from autotuner.pipeline import OPAQUE, CallSite
from autotuner.tfdata.record import record
from autotuner.tfdata.returned import returned_at

LINES = Path(__file__).read_text("utf-8").splitlines()
MADE = tf.data.Dataset.range(3)


def given() -> tf.data.Dataset:
    return MADE  # a variable


def called(folder: str = "") -> tf.data.Dataset:
    def inner() -> int:
        return 0

    for _ in folder:
        inner()
    return given()  # a call


class Data:
    def method(self) -> tf.data.Dataset:
        return given()  # a method


def either(folder: str = "") -> tf.data.Dataset:
    if folder:
        return given()
    return MADE


def nothing() -> None:
    given()


def end(site: CallSite | None) -> str:
    """The line up to where the site ends."""
    assert site is not None
    assert site.file == __file__
    return LINES[site.end_line - 1][: site.end_column].strip()


@pytest.mark.parametrize(
    ("function", "text"),
    [
        (given, "return MADE"),
        (called, "return given()"),
        (functools.partial(called, folder="x"), "return given()"),
        (Data().method, "return given()"),
    ],
)
def test_the_one_return_is_found(function: Callable[[], Any], text: str) -> None:
    assert end(returned_at(function)) == text


def test_a_lambda_returns_its_body() -> None:
    assert end(returned_at(lambda: given())).endswith("lambda: given()")  # noqa: PLW0108 - the body is the point


@pytest.mark.parametrize("function", [either, nothing, Data, len, functools.partial(either)])
def test_several_or_none_are_no_place(function: Callable[[], Any]) -> None:
    assert returned_at(function) is None


def test_an_output_that_was_not_seen_being_made_stands_where_it_is_returned() -> None:
    [leaf] = record(called).pipeline.ops
    assert leaf.kind == OPAQUE
    assert end(leaf.call_site) == "return given()"
