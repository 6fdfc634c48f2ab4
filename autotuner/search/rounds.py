"""The confirmation's measurements, stored as they come, so that an interrupted confirmation goes on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from autotuner.measure.messages import outcome_from_json, outcome_to_json
from autotuner.measure.outcome import Measurement
from autotuner.search.confirmation import Contestant
from autotuner.search.store import StudyStore

_KEY = "confirmation"


class StoredRounds:
    """Rounds of one set of contestants; another set starts anew."""

    def __init__(self, store: StudyStore, contestants: Sequence[Contestant]) -> None:
        self._store = store
        self._of = {item.name: item.configuration.digest() for item in contestants}

    def load(self) -> list[dict[str, Measurement]]:
        """Finished rounds, and perhaps one begun."""
        stored: dict[str, Any] = self._store.recall(_KEY) or {}
        if stored.get("of") != self._of:
            return []
        return [{name: _measurement(data) for name, data in row.items()} for row in stored["rounds"]]

    def save(self, rounds: Sequence[Mapping[str, Measurement]]) -> None:
        """Replaces what is stored."""
        plain = [{name: outcome_to_json(item) for name, item in row.items()} for row in rounds]
        self._store.remember(_KEY, {"of": self._of, "rounds": plain})


def _measurement(data: dict[str, Any]) -> Measurement:
    outcome = outcome_from_json(data)
    if not isinstance(outcome, Measurement):
        raise TypeError("a stored round holds measurements only")
    return outcome
