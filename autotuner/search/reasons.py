"""What a study says of its verdict, in one sentence."""

from __future__ import annotations

from autotuner.measure.result import Verdict
from autotuner.search.confirmation import LEAST_RATIO, Decided

BOTTLENECK = "the model is the bottleneck: the best baseline is within 3 % of the ceiling"


def reason_of(decided: Decided) -> str:
    """Why the verdict is what it is."""
    speedup, over = decided.speedup, decided.over
    if speedup is None:
        return "the finalists could not be measured in fresh processes"
    match decided.verdict:
        case Verdict.IMPROVED:
            return f"{speedup} the speed of the best baseline ({over}), confirmed in fresh processes"
        case Verdict.KEEP_BASELINE:
            return f"the best candidate reached {speedup} the speed of the best baseline ({over}): nothing to gain"
        case Verdict.INCONCLUSIVE:
            return (
                f"the best candidate reached {speedup} the speed of the best baseline ({over}): "
                f"the interval does not lie above {LEAST_RATIO}, so nothing is claimed"
            )
