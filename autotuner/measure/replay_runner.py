"""Answers from a recorded study or a made-up function instead of measuring: a whole search in milliseconds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

from autotuner.errors import IllegalConfigurationError
from autotuner.measure.messages import Ceiling, Checked, CheckModule, CheckSources, Opened, Profiled, Timing, Traced
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.pipeline import Configuration, Facts, Pipeline
from autotuner.rewrites import apply, effective, find_sites

Outcomes: TypeAlias = Callable[[Configuration], Outcome] | Mapping[Configuration, Outcome]
"""Of effective configurations: those at the status quo in everything they do not name."""


class ReplayRunner:
    """See :class:`autotuner.measure.runner.Runner`.

    Legality is checked for real, on the recorded pipeline: what a local runner refuses, this one does.
    """

    def __init__(
        self,
        opened: Opened,
        outcomes: Outcomes,
        *,
        ceiling: Ceiling | Failure,
        fresh: Outcomes | None = None,
        takes_turns: bool = True,
        checked: Checked | Failure | None = None,
        profiled: Profiled | Failure | None = None,
    ) -> None:
        self._opened = opened
        self._warm = outcomes
        self._fresh = outcomes if fresh is None else fresh
        self._ceiling = ceiling
        self.takes_turns = takes_turns
        self._checked = checked or Checked("")
        self._profiled = profiled or Profiled({}, {})
        self._pipeline = Pipeline.from_json(opened.pipeline)
        self._facts = Facts.from_json(opened.facts)
        self._decisions, _ = find_sites(self._pipeline, self._facts)
        self.asked: list[tuple[str, Configuration]] = []
        """Every request by the name of its method, with its configuration as it was given."""
        self.closed = False
        self.timed_seconds = 0.0

    def open(self) -> Opened:
        """The recorded answer."""
        self.asked.append(("open", Configuration()))
        return self._opened

    def ceiling(self, timing: Timing) -> Ceiling | Failure:
        """The recorded answer."""
        del timing
        self.asked.append(("ceiling", Configuration()))
        if isinstance(self._ceiling, Ceiling):
            self.timed_seconds += self._ceiling.timed_seconds
        return self._ceiling

    def profile(self, autotune: Configuration) -> Profiled | Failure:
        """The recorded answer."""
        self.asked.append(("profile", autotune))
        return self._profiled

    def measure(self, configuration: Configuration, timing: Timing) -> Outcome:
        """The outcome of the configuration's effect."""
        del timing
        return self._answer("measure", configuration, self._warm)

    def measure_beside(
        self, configuration: Configuration, other: Configuration, timing: Timing
    ) -> tuple[Outcome, Outcome]:
        """The outcomes of both."""
        return self.measure(configuration, timing), self.measure(other, timing)

    def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
        """The same, or what ``fresh`` says."""
        del timing
        return [self._answer("measure_fresh", configuration, self._fresh) for configuration in configurations]

    def trace(self) -> Traced:
        """No parameter is found; nothing runs."""
        return Traced([], {}, {}, {})

    def check(self, request: CheckModule | CheckSources) -> Checked | Failure:
        """The recorded answer; the code is not run."""
        self.asked.append((request.type, Configuration(request.configuration)))
        return self._checked

    def close(self) -> None:
        """Nothing runs that would have to end."""
        self.closed = True

    def _answer(self, method: str, configuration: Configuration, outcomes: Outcomes) -> Outcome:
        self.asked.append((method, configuration))
        try:
            apply(self._pipeline, self._facts, configuration)
        except IllegalConfigurationError as error:
            return Failure(FailureKind.ILLEGAL, str(error))
        outcome = _outcome_of(effective(configuration, self._decisions), outcomes)
        if isinstance(outcome, Measurement):
            self.timed_seconds += outcome.timed_seconds
        return outcome


def _outcome_of(wanted: Configuration, outcomes: Outcomes) -> Outcome:
    if not isinstance(outcomes, Mapping):
        return outcomes(wanted)
    missing = Failure(FailureKind.ERROR, f"no outcome of {dict(wanted)} was recorded")
    return outcomes.get(wanted, missing)
