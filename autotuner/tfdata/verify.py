"""Proves on real elements that a rewritten pipeline yields the user's data, before anything is timed.

In this order: element spec and cardinality; what order, counts and caches say by themselves; a whole small epoch
compared with every random draw replaced by a constant (two constants: one alone can hide a flip) and shuffles taken
out; that what changes between epochs still changes; that what is drawn per example still is.

Where the user's own data differ from one reading to the next (Python's randomness), the stages that both pipelines
end with are cut off and what is below them is compared.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property, partial

import tensorflow as tf

from autotuner.pipeline import UNKNOWN, Facts, Pipeline
from autotuner.pipeline.structure import order_changes, structure
from autotuner.rewrites.materialise import spelled_out
from autotuner.tfdata.analyse import facts_of
from autotuner.tfdata.compare import Comparison, Side
from autotuner.tfdata.derandomise import UndecidableError
from autotuner.tfdata.live import Live
from autotuner.tfdata.order_laws import endless, keeps, newly_frozen, shuffle_difference
from autotuner.tfdata.per_example import draws_differ, draws_to_test, equal_shares, needs_test
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.reordered import reorder_difference
from autotuner.tfdata.shared_parts import SharedParts
from autotuner.tfdata.small_epoch import settled


@dataclass(frozen=True)
class _Candidate:
    """A pipeline of a recording, built once for everything but reading it."""

    pipeline: Pipeline
    parts: SharedParts

    @property
    def output(self) -> tf.data.Dataset:
        return self._datasets[self.pipeline.output.label]

    @cached_property
    def facts(self) -> Facts:
        return facts_of(self.pipeline, self._datasets, self.live)

    @property
    def live(self) -> Live:
        return self.parts.recorded.live

    def spelled_out(self) -> _Candidate:
        pipeline = spelled_out(self.pipeline)
        return self if pipeline is self.pipeline else _Candidate(pipeline, self.parts)

    def equal_shares(self, draws: Mapping[str, tuple[str, ...]]) -> dict[str, float]:
        return equal_shares(self.pipeline, self.facts, draws, self.parts.build_all)

    @cached_property
    def _datasets(self) -> dict[str, tf.data.Dataset]:
        return self.parts.build_all(self.pipeline)


class Verifier:
    """Compares rewritten pipelines with the recorded one; every structure once, and every order that may change."""

    def __init__(self, recorded: Recorded) -> None:
        self.recorded = recorded
        self._known: dict[str, str] = {structure(recorded.pipeline): ""}
        self._orders: dict[tuple[str, str], str] = {}
        self._comparisons: dict[str, Comparison] = {}
        self._parts = SharedParts(recorded)
        self._mine = _Candidate(recorded.pipeline, self._parts)
        self._shares: dict[str, dict[str, float]] = {}
        """Of the recorded pipeline, by the draws that were looked at."""

    def prepare(self) -> None:
        """Reads the user's own pipeline now instead of at the first check."""
        self._comparison(self.recorded.pipeline).prepare()

    def rows_compared(self) -> int:
        """Rows of the user's pipeline that each structure is held to."""
        return self._comparison(self.recorded.pipeline).rows_compared

    def check(self, pipeline: Pipeline) -> str:
        """Why ``pipeline`` is not equivalent to the recorded one; empty when it is."""
        key = structure(pipeline)
        if key not in self._known:
            self._known[key] = self._verdict(pipeline, self._parts.fork())
        return self._known[key] or self._reordered(pipeline)

    def check_other(self, other: Recorded, *, same_graph: bool) -> str:
        """Why what ``other`` recorded is not equivalent; for code that was written and run again.

        With ``same_graph`` its graph is known to be that of a pipeline that was checked: only its data are compared.
        """
        return self._verdict(other.pipeline, SharedParts(other), declared=not same_graph)

    def _verdict(self, pipeline: Pipeline, parts: SharedParts, *, declared: bool = True) -> str:
        def verdict() -> str:
            candidate = _Candidate(pipeline, parts)
            found = self._declared(candidate) if declared else ""
            return found or self._read(candidate)

        return _decided(verdict)

    def _reordered(self, pipeline: Pipeline) -> str:
        for change in order_changes(pipeline, self.recorded.pipeline):
            key = (change.path, change.argument)
            if key not in self._orders:
                parts = self._parts.fork()
                self._orders[key] = _decided(partial(reorder_difference, parts, change, self._comparison))
            if self._orders[key]:
                return self._orders[key]
        return ""

    def _declared(self, theirs: _Candidate) -> str:
        """What differs without reading an element."""
        mine = self._mine
        if mine.output.element_spec != theirs.output.element_spec:
            return f"the element spec becomes {theirs.output.element_spec}, it was {mine.output.element_spec}"
        if endless(mine.pipeline) != endless(theirs.pipeline):
            return "one of them repeats for ever and the other does not"
        sizes = (int(mine.output.cardinality()), int(theirs.output.cardinality()))
        if sizes[0] != sizes[1] and sizes[0] != UNKNOWN:
            became = "of unknown length" if sizes[1] == UNKNOWN else f"{sizes[1]} elements long"
            return f"the dataset becomes {became}, it was {sizes[0]}"
        spelled = theirs.spelled_out()
        found = shuffle_difference(mine.pipeline, mine.live, spelled.pipeline, spelled.live)
        if found or not keeps(spelled.pipeline):
            return found
        return newly_frozen(mine.pipeline, mine.facts, spelled.pipeline, spelled.facts)

    def _read(self, candidate: _Candidate) -> str:
        mine = self.recorded.pipeline
        theirs = settled(candidate.pipeline, mine)
        comparison = self._comparison(mine)
        if not comparison.repeatable:
            mine, theirs = _without_common_end(mine, theirs)
            comparison = self._comparison(mine)
            if not comparison.repeatable:
                raise UndecidableError(self._differing())
        return comparison.difference(Side(candidate.parts, theirs)) or self._per_example(candidate)

    def _differing(self) -> str:
        differ = "two readings of the user's own pipeline differ, with every known draw fixed"
        stated = [label for label, known in self._mine.facts.by_path.items() if known.stated]
        return f"{differ}, though @deterministic is stated of {', '.join(stated)}" if stated else differ

    def _per_example(self, theirs: _Candidate) -> str:
        mine = self._mine
        if not needs_test(mine.pipeline, theirs.pipeline, mine.facts):
            return ""
        draws = draws_to_test(mine.pipeline, mine.facts, theirs.pipeline, theirs.facts)
        key = repr(sorted(draws.items()))
        if key not in self._shares:
            self._shares[key] = mine.equal_shares(draws)
        return draws_differ(self._shares[key], theirs.equal_shares(draws))

    def _comparison(self, pipeline: Pipeline) -> Comparison:
        key = structure(pipeline)
        if key not in self._comparisons:
            self._comparisons[key] = Comparison(Side(self._parts, settled(pipeline, pipeline)))
        return self._comparisons[key]


def _decided(verdict: Callable[[], str]) -> str:
    """The verdict, or why there is none."""
    try:
        return verdict()
    except UndecidableError as error:
        return f"cannot be decided: {error}"
    except (tf.errors.OpError, ValueError, TypeError) as error:
        first = (str(error).splitlines() or [""])[0]
        return f"building or reading it fails: {type(error).__name__}: {first}"


def _without_common_end(mine: Pipeline, theirs: Pipeline) -> tuple[Pipeline, Pipeline]:
    """Both without the trunk's last stages, as far as they are the same: equal below is equal above."""
    mine = settled(mine, mine)
    left, right = list(mine.trunk()), list(theirs.trunk())
    while len(left) > 1 and len(right) > 1:
        if (left[-1].kind, left[-1].arguments) != (right[-1].kind, right[-1].arguments):
            break
        left.pop()
        right.pop()
    return Pipeline(mine.upstream(left[-1].label)), Pipeline(theirs.upstream(right[-1].label))
