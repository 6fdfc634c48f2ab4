"""What the benchmark knows of a workload: the functions of its file, by name, and what its module says of itself."""

from __future__ import annotations

import importlib
from dataclasses import dataclass
from pathlib import Path

from autotuner.measure.target import Target

NAMES = tuple(sorted(path.stem for path in (Path(__file__).parent / "workloads").glob("*.py")))


@dataclass(frozen=True)
class Workload:
    """One file of ``experiments/workloads``."""

    name: str
    about: str
    epochs: int
    is_control: bool
    """Nothing is to be gained: the right verdict is KEEP_BASELINE."""

    @staticmethod
    def of(name: str) -> Workload:
        """Reads ``EPOCHS``, ``CONTROL`` and the docstring of the workload's module."""
        module = importlib.import_module(f"experiments.workloads.{name}")
        about = (module.__doc__ or "").partition("\n")[0]
        return Workload(name, about, module.EPOCHS, getattr(module, "CONTROL", False))

    def target(self, function: str) -> Target:
        """One of its functions, as worker processes find it."""
        return Target("module", f"experiments.workloads.{self.name}", function)
