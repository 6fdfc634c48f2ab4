"""Functions made of user functions; emitted code writes the very same expressions."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from typing import Any

import tensorflow as tf

from autotuner.tfdata.adjust import own_adjustments

Function = Callable[..., Any]


def derive(form: str, numbers: tuple[int, ...], functions: tuple[Function, ...]) -> Function:
    """The function of a :class:`autotuner.pipeline.Derived`.

    Raises:
        ValueError: an unknown form.
    """
    match form, functions:
        case "chain", (first, second):
            return lambda *element: second(first(*element))
        case "chain_tuple", (first, second):
            return lambda *element: second(*first(*element))
        case "vectorized_map", (function,):
            return _vectorized(function)
        case "vectorized_adjust", (function,):
            return _vectorized(_adjusting(function))
        case "parse_example", (function,):
            return _parsing_batches(function)
        case "jit_compile", (function,):
            return tf.function(function, jit_compile=True)
        case (("permuted_batches" | "ordered_batches"), ()):
            return _batches(form == "permuted_batches", *numbers[:3])
        case "assert_cardinality", ():
            return tf.data.experimental.assert_cardinality(*numbers)
        case _:
            raise ValueError(f"there is no way to derive {form} from {len(functions)} functions")


def _vectorized(function: Function) -> Function:
    return lambda *batch: tf.vectorized_map(lambda row: function(*row), batch, fallback_to_while_loop=False)


def _adjusting(function: Function) -> Function:
    @functools.wraps(function)
    def adjusting(*row: Any) -> Any:
        with own_adjustments():
            result = function(*row)
        return result  # noqa: RET504 - autograph knows no return inside with

    return adjusting


def _batches(permuted: bool, size: int, drop_remainder: int, single: int) -> Function:  # noqa: FBT001
    def batches(*columns: Any) -> tf.data.Dataset:
        count = tf.shape(tf.nest.flatten(columns)[0], out_type=tf.int64)[0]
        rows = tf.data.Dataset.range(count)
        if permuted:
            rows = rows.shuffle(tf.maximum(count, 1))
        data = columns[0] if single else columns
        return rows.batch(size, drop_remainder=bool(drop_remainder)).map(
            lambda picked: tf.nest.map_structure(lambda column: tf.gather(column, picked), data),
            num_parallel_calls=tf.data.AUTOTUNE,
        )

    return batches


def _parsing_batches(function: Function) -> Function:
    @functools.wraps(function)
    def batched(*batch: Any) -> Any:
        with _batched_parser():
            result = function(*batch)
        return result  # noqa: RET504 - autograph knows no return inside with

    return batched


@contextlib.contextmanager
@tf.autograph.experimental.do_not_convert
def _batched_parser() -> Iterator[None]:
    single = tf.io.parse_single_example
    tf.io.parse_single_example = tf.io.parse_example
    try:
        yield
    finally:
        tf.io.parse_single_example = single
