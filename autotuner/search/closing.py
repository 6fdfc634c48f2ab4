"""How long what follows the search will take."""

from __future__ import annotations

from autotuner.search.ablation import measurements
from autotuner.search.confirmation import ROUNDS
from autotuner.search.finalists import FINALISTS

FRESH_SECONDS = 1.5
"""What a fresh process costs beside its timed fit."""


def closing_seconds(trial_seconds: float, decisions: int) -> float:
    """What screening, ablation and confirmation take, at the least."""
    screening = 2 * FINALISTS * trial_seconds
    ablation = measurements(decisions) * trial_seconds
    return screening + ablation + (FINALISTS + 2) * ROUNDS * (trial_seconds + FRESH_SECONDS)
