"""Finds out how a map's function works on whole batches, by trying each form on real rows.

A form passes when batches of different sizes, orders and scales, with duplicates and of one row, all give what the
function gives row by row, when random draws are the same constants on both sides, and when each kind of draw is still
made for every row: neighbours that hold the same example are as often equal as they are row by row.
"""

from __future__ import annotations

import dataclasses

import tensorflow as tf

from autotuner.pipeline import Facts, FnRef, Op, OpFacts
from autotuner.pipeline.adjustments import adjustments_in
from autotuner.pipeline.batched import is_given_batches
from autotuner.tfdata.batch_trial import BatchTrial, told
from autotuner.tfdata.record import Recorded
from autotuner.tfdata.sampled_rows import SampledRows, UnfitError
from autotuner.tfdata.trial_rows import variations

FORMS = ("native", "parse_example", "vectorized_map", "vectorized_adjust")
"""In the order in which they are tried: the cheapest first."""
_RANDOM_FORMS = ("vectorized_map", "vectorized_adjust")
"""On a batch as it is, one of several draws could be shared by all rows without any two rows becoming equal."""


def with_batching(recorded: Recorded, facts: Facts) -> Facts:
    """``facts`` with ``vectorizes``, ``vectorize_refusal`` and ``jit_compiles`` found for every map."""
    found = dict(facts.by_path)
    sampled = SampledRows(recorded)
    for op in recorded.pipeline.ops:
        if op.kind == "map" and op.receiver is not None and not facts[op.label].pinned:
            found[op.label] = _tried(recorded, op, facts[op.label], sampled)
    return Facts(found)


def _tried(recorded: Recorded, op: Op, known: OpFacts, sampled: SampledRows) -> OpFacts:
    try:
        _refuse_unfit(known)
        rows = sampled.of(op)
    except (UnfitError, tf.errors.OpError, ValueError) as error:
        return dataclasses.replace(known, vectorize_refusal=told(error))
    function = op.argument("map_func")
    if not isinstance(function, FnRef):
        return dataclasses.replace(known, vectorize_refusal="its function is not known")
    if is_given_batches(recorded.pipeline, op):
        compiles = not known.random and not BatchTrial(recorded.live, function, rows, known).compiled_alone_refusal()
        return dataclasses.replace(known, vectorize_refusal="it is given batches already", jit_compiles=compiles)
    trial = BatchTrial(recorded.live, function, variations(rows), known)
    refusals: list[str] = []
    for form in _forms(function, known):
        if reason := trial.refusal(form):
            refusals.append(f"{form}: {reason}")
        elif known.seeded:
            refusals.append(f"{form}: batches would get other draws of its seed ({', '.join(known.seeded)})")
        else:
            compiles = not known.random and not trial.compiled_refusal(form)
            return dataclasses.replace(known, vectorizes=form, jit_compiles=compiles)
    return dataclasses.replace(known, vectorize_refusal=refusals[-1], jit_compiles=False)


def _forms(function: FnRef, known: OpFacts) -> tuple[str, ...]:
    forms = _RANDOM_FORMS if known.random else FORMS
    return forms if adjustments_in(function.source) else tuple(form for form in forms if form != "vectorized_adjust")


def _refuse_unfit(known: OpFacts) -> None:
    for reason, types in (("calls Python", known.python + known.stated), ("has side effects", known.stateful)):
        if types:
            raise UnfitError(f"it {reason} ({', '.join(types)})")
    if known.opaque_reason:
        raise UnfitError(known.opaque_reason)
