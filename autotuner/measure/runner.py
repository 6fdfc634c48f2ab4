"""The role that carries out what a study asks for; the local runner does it in real processes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from autotuner.measure.messages import Ceiling, Checked, CheckModule, CheckSources, Opened, Profiled, Timing, Traced
from autotuner.measure.outcome import Failure, Outcome
from autotuner.pipeline import Configuration


class FreshRunner(Protocol):
    """Measures where nothing was measured before: what a confirmation asks for."""

    def measure_fresh(self, configurations: Sequence[Configuration], timing: Timing) -> list[Outcome]:
        """Times each in a process of its own, so that they can be compared with each other."""
        ...


class Runner(FreshRunner, Protocol):
    """Opens a pipeline once, then measures configurations of it."""

    @property
    def timed_seconds(self) -> float:
        """Inside timed windows, of all that was asked so far: warm, fresh and of the ceiling."""
        ...

    def open(self) -> Opened:
        """Records the pipeline and builds the model.

        Raises:
            UserCodeError: the user's functions fail, or do not fit each other.
        """
        ...

    def ceiling(self, timing: Timing) -> Ceiling | Failure:
        """Times the model on one batch for ever."""
        ...

    def profile(self, autotune: Configuration) -> Profiled | Failure:
        """What each stage costs, and what AUTOTUNE chooses where ``autotune`` leaves it to."""
        ...

    def measure(self, configuration: Configuration, timing: Timing) -> Outcome:
        """Verifies and times in the warm worker; never raises for what the configuration does."""
        ...

    @property
    def takes_turns(self) -> bool:
        """What is compared can run at the same time, in turns, so that it meets the same machine."""
        ...

    def measure_beside(
        self, configuration: Configuration, other: Configuration, timing: Timing
    ) -> tuple[Outcome, Outcome]:
        """Verifies and times one configuration as :meth:`measure` does, while another takes turns with it.

        The two can be compared with each other better than with any others. Without turns, one follows the other.
        Where one fails, the other's outcome tells nothing.
        """
        ...

    def trace(self) -> Traced | Failure:
        """Finds the arguments of the user's function in the pipeline, in a process of its own."""
        ...

    def check(self, request: CheckModule | CheckSources) -> Checked | Failure:
        """Runs emitted code in a process of its own and compares."""
        ...

    def close(self) -> None:
        """Ends every process this runner started."""
        ...
