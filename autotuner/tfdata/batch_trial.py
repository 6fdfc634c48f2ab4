"""Tries one map's function on batches of real rows, in one form after the other.

Each form is traced once: batches of every size come out of one dataset, and so do those for the draws.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from autotuner.pipeline import Derived, FnRef, OpFacts
from autotuner.tfdata.derandomise import UndecidableError, derandomised
from autotuner.tfdata.fingerprint import Fingerprint, difference, equal_neighbours, fingerprint, picked
from autotuner.tfdata.graph import graph_def
from autotuner.tfdata.live import Live
from autotuner.tfdata.small_epoch import in_order
from autotuner.tfdata.trial_rows import TrialRows

_CONSTANTS = (0.23, 0.81)
_SIZES = (4, 1)
"""Of the batches."""
_COMPILED_BATCHES = 3
"""XLA compiles for each size anew, so one of them must do; varied rows can be divided by this."""
_IDENTICAL = 192
_TOLERATED_SHARE = 0.3
"""Difference of two shares of equal neighbours; five standard deviations of 191 pairs with share 0.5 are 0.18."""
_ERROR = re.compile(r"^\w*Error: ")
_MAX_ROWS = 4 * _IDENTICAL


class BatchTrial:
    """One map's function, the rows it is tried on, and what it gives for them one by one."""

    def __init__(self, live: Live, function: FnRef, rows: Any, facts: OpFacts) -> None:
        self._live = live
        self._function = function
        self._rows = TrialRows(rows)
        self._random = facts.random
        self._expected: dict[float, Fingerprint] = {}
        """By constant."""

    def refusal(self, form: str) -> str:
        """Why ``form`` does not do; empty when it does."""
        return self._differs(self._in_form(form), _SIZES)

    def compiled_refusal(self, form: str) -> str:
        """The same for the form under XLA."""
        if self._holds_strings():
            return "XLA has no strings"
        size = -(-self._rows.count // _COMPILED_BATCHES)
        return self._differs(Derived("jit_compile", (self._in_form(form),)), (size,))

    def compiled_alone_refusal(self) -> str:
        """The same for the function as it is, on one element after the other."""
        if self._holds_strings():
            return "XLA has no strings"
        try:
            compiled = self._mapped(Derived("jit_compile", (self._function,)))
            expected, found = (_read(side, _CONSTANTS[0], batched=False) for side in (self._one_by_one, compiled))
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything under XLA
            return told(error)
        return difference(expected, found, ordered=True)

    def _holds_strings(self) -> bool:
        """Somewhere in the function, where XLA would not refuse them but abort the process."""
        graph = graph_def(self._one_by_one)
        nodes = [*graph.node, *(node for function in graph.library.function for node in function.node_def)]
        return any(_mentions_strings(attribute) for node in nodes for attribute in node.attr.values())

    def _in_form(self, form: str) -> FnRef | Derived:
        return self._function if form == "native" else Derived(form, (self._function,))

    def _differs(self, batched: FnRef | Derived, sizes: tuple[int, ...]) -> str:
        picks = _picks(self._rows.count, sizes)
        identical = [np.zeros(_IDENTICAL, dtype=np.int64)] if self._random else []
        try:
            found = self._rows.in_batches([*picks, *identical]).map(self._callable(batched))
            return self._values_differ(found, picks) or self._draws_differ(found.skip(len(picks)))
        except UndecidableError as error:
            return str(error)
        except Exception as error:  # noqa: BLE001 - the user's function may raise anything on a batch
            return told(error)

    def _values_differ(self, found: tf.data.Dataset, picks: Sequence[np.ndarray]) -> str:
        expected = self._one_by_one.batch(1)
        if expected.element_spec != found.element_spec:
            return f"a batch has another element spec: {found.element_spec}"
        for constant in _CONSTANTS if self._random else _CONSTANTS[:1]:
            if constant not in self._expected:
                self._expected[constant] = _read(expected.take(self._rows.count), constant)
            wanted = picked(self._expected[constant], picks)
            if reason := difference(wanted, _read(found.take(len(picks)), constant), ordered=True):
                return f"a batch gives other values: {reason}"
        return ""

    def _draws_differ(self, found: tf.data.Dataset) -> str:
        """``found`` gives one batch of identical rows."""
        expected = self._one_by_one.skip(self._rows.count).batch(_IDENTICAL)
        for kind in self._random:
            shares = []
            for side in (expected, found):
                alone = derandomised(in_order(side), _CONSTANTS[0], keep=frozenset({kind}))
                equal, pairs = equal_neighbours(fingerprint(alone, batched=True, max_rows=_MAX_ROWS))
                shares.append(equal / max(pairs, 1))
            if abs(shares[0] - shares[1]) > _TOLERATED_SHARE:
                return f"{kind} would draw once for a whole batch"
        return ""

    def _callable(self, function: FnRef | Derived) -> Any:
        return self._live.decode_argument("map_func", function, {})

    @functools.cached_property
    def _one_by_one(self) -> tf.data.Dataset:
        """What the function makes of each row and, where there are draws, of the first one many times."""
        return self._mapped(self._function)

    def _mapped(self, function: FnRef | Derived) -> tf.data.Dataset:
        identical = np.zeros(_IDENTICAL if self._random else 0, dtype=np.int64)
        picks = np.concatenate([np.arange(self._rows.count), identical])
        return self._rows.one_by_one(picks).map(self._callable(function))


def told(error: BaseException) -> str:
    """What went wrong, without the lines that only say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    if not lines:
        return type(error).__name__
    named = next((line for line in lines if _ERROR.match(line)), lines[0])
    return _ERROR.sub("", named).rpartition("}} ")[2][:200]


def _picks(count: int, sizes: Sequence[int]) -> list[np.ndarray]:
    """The rows' numbers in batches of each size; the last one of a size may be smaller."""
    return [np.arange(start, min(start + size, count)) for size in sizes for start in range(0, count, size)]


def _read(dataset: tf.data.Dataset, constant: float, *, batched: bool = True) -> Fingerprint:
    return fingerprint(derandomised(in_order(dataset), constant), batched=batched, max_rows=_MAX_ROWS)


def _mentions_strings(attribute: Any) -> bool:
    types = {attribute.type, attribute.tensor.dtype, *attribute.list.type}
    return tf.string.as_datatype_enum in types
