"""What measuring may take of a machine."""

from __future__ import annotations

from dataclasses import dataclass

from autotuner.machine import Machine

_MEMORY_SHARE = 0.8


@dataclass(frozen=True)
class Limits:
    """What one request may take before its worker is killed."""

    trial_seconds: float = 60.0
    open_seconds: float = 300.0
    memory_bytes: int = 8 << 30
    """Resident memory of the worker's whole process tree."""
    growth_bytes: int = 1 << 30
    """A warm worker that has grown by this much is replaced between trials."""
    together: bool = True
    """Several workers may have their data and their model in memory at the same time."""

    @staticmethod
    def of(machine: Machine) -> Limits:
        """Four fifths of the machine's memory; the rest is for the system and for this process.

        TensorFlow takes a GPU's whole memory, and what a GPU has been given goes on while its process is stopped.
        """
        return Limits(memory_bytes=int(machine.memory_bytes * _MEMORY_SHARE), together=machine.gpu is None)
