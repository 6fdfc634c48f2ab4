"""What a trial gives: a measurement, or a failure that says of which kind. Never a sentinel number."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal, TypeAlias


class FailureKind(StrEnum):
    """Why a trial gave no number."""

    ILLEGAL = "ILLEGAL"
    """The configuration cannot be applied to this pipeline."""
    ERROR = "ERROR"
    """The user's code, the data or TensorFlow raised."""
    TIMEOUT = "TIMEOUT"
    """The trial's wall limit passed; the worker was killed."""
    OUT_OF_MEMORY = "OUT_OF_MEMORY"
    """The worker's process tree exceeded its memory limit, or the system killed it for memory."""
    CRASH = "CRASH"
    """The worker died: a signal, or an exit it did not announce."""
    NOT_EQUIVALENT = "NOT_EQUIVALENT"
    """The rewritten pipeline does not yield the same data; it was not timed."""


@dataclass(frozen=True)
class Measurement:
    """Timing of one real ``fit``, projected to the user's whole training of E epochs of S steps."""

    projected_seconds: float
    """Time to first batch, plus the first epoch, plus E-1 later epochs with their start-up."""
    steps_per_second: float
    """S × E / projected_seconds."""
    time_to_first_batch_seconds: float
    first_epoch_steps_per_second: float
    later_epoch_steps_per_second: float
    """After the epoch's first batch; the steady rate once caches are filled."""
    epoch_start_seconds: float
    """Time from the start of a later epoch to the end of its first step."""
    timed_steps: int
    timed_seconds: float
    stalls: int
    """Pauses of ``fit`` with an idle CPU that were left out of the window."""
    peak_rss_bytes: int
    cpu_seconds_per_step: float
    wall_seconds: float
    """The whole trial, building and verification included."""
    structure: str
    """Hash of the rewritten pipeline's shape, performance arguments aside."""
    pruned: bool = False
    """Ended early, when it could not be the fastest any more: its numbers are less certain than others'."""
    type: Literal["measurement"] = "measurement"


@dataclass(frozen=True)
class Failure:
    """A trial without a number; ``user_traceback`` is whole where the user's code raised."""

    kind: FailureKind
    message: str
    user_traceback: str = ""
    wall_seconds: float = 0.0
    peak_rss_bytes: int = 0
    structure: str = ""
    type: Literal["failure"] = "failure"


Outcome: TypeAlias = Measurement | Failure
