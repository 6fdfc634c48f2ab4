"""What TensorFlow demands of an interleave's ``cycle_length`` and ``num_parallel_calls`` together."""

from __future__ import annotations

from autotuner.pipeline import AUTOTUNE, Op


def fitting(op: Op) -> Op:
    """``op`` with both numbers legal: TensorFlow raises for more parallel calls than inputs are open.

    An explicit ``cycle_length`` wins. Without one TensorFlow opens as many inputs as calls, but no more than it finds
    cores, and then raises; saying the number gives the same order where that is legal, and makes it legal elsewhere.
    """
    cycle, calls = op.argument("cycle_length"), op.argument("num_parallel_calls")
    if op.kind != "interleave" or not isinstance(calls, int):
        return op
    if cycle is None or cycle == AUTOTUNE:
        return op.with_argument("cycle_length", calls)
    if isinstance(cycle, int) and calls > cycle:
        return op.with_argument("num_parallel_calls", cycle)
    return op
