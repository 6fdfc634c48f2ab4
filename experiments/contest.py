"""One workload's contest: the tuner and its rivals search, then all are measured in alternation."""

from __future__ import annotations

import datetime as dt
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotuner.machine import Machine
from autotuner.measure.local_runner import LocalRunner
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from autotuner.search.baselines import baseline_configurations
from autotuner.search.conclusion import Prepared
from experiments.alternation import Compared, Side, alternate, opened_runners
from experiments.rivals import optuna_flat, random_search
from experiments.tuning import Tuned, tune
from experiments.workload import Workload

_SEED = 1


@dataclass(frozen=True)
class Contest:
    """How a contest is held."""

    timeout_seconds: float
    rounds: int
    with_searchers: bool = True
    """Let ``optuna_flat`` and ``random`` take part; each takes as long as the tuner's search."""

    def hold(self, workload: Workload) -> dict[str, Any]:
        """Everything that is reported of one workload, as JSON data."""
        with tempfile.TemporaryDirectory(prefix="autotuner-experiment-") as scratch:
            folder = Path(scratch)
            tuned = tune(workload, self.timeout_seconds, folder / "tuned")
            own, guide, expert = (
                workload.target(name) for name in ("dataset_fn", "guide_dataset_fn", "expert_dataset_fn")
            )
            with opened_runners((own, guide, expert), workload.target("model_fn"), workload.epochs, folder) as (
                runners,
                unopened,
            ):
                sides = [
                    *self._sides(own, runners[own], tuned),
                    *(Side(name, target, Configuration()) for name, target in (("guide", guide), ("expert", expert))),
                ]
                compared = alternate([side for side in sides if side.dataset in runners], runners, self.rounds)
        failures = {side.name: unopened[side.dataset] for side in sides if side.dataset in unopened}
        return self._report(workload, tuned, sides, compared, failures)

    def _sides(self, own: Target, runner: LocalRunner, tuned: Tuned) -> list[Side]:
        """What is applied to the user's own function."""
        opened = runner.open()
        machine = Machine.detect()
        configurations = baseline_configurations(Prepared.of(opened).decisions, machine.cores)
        if self.with_searchers:
            for name, search in (("optuna_flat", optuna_flat), ("random", random_search)):
                configurations[name] = search(runner, opened, tuned.search_seconds, _SEED)
        configurations["tuned"] = tuned.configuration
        return [Side(name, own, configuration) for name, configuration in configurations.items()]

    def _report(
        self,
        workload: Workload,
        tuned: Tuned,
        sides: Sequence[Side],
        compared: Compared,
        failures: dict[str, str],
    ) -> dict[str, Any]:
        result = tuned.result
        return {
            "schema": 1,
            "workload": workload.name,
            "about": workload.about,
            "control": workload.is_control,
            "date": dt.datetime.now(dt.UTC).date().isoformat(),
            "machine": Machine.detect().to_json(),
            "timeout_seconds": self.timeout_seconds,
            "rounds": self.rounds,
            "epochs": workload.epochs,
            "verdict": result.verdict.value,
            "reason": result.reason,
            "tuner_seconds": result.wall_seconds,
            "search": {
                "seconds": tuned.search_seconds,
                "trials": tuned.trials,
                "trials_to_90_percent": tuned.trials_to_most,
                "seconds_to_90_percent": tuned.seconds_to_most,
            },
            "ceiling_steps_per_second": compared.ceiling_steps_per_second,
            "contestants": {side.name: _contestant(side, compared) for side in sides if side.name in compared.measured},
            "failures": failures | dict(compared.failures),
        }


def _contestant(side: Side, compared: Compared) -> dict[str, Any]:
    later = [item.later_epoch_steps_per_second for item in compared.measured[side.name]]
    entry: dict[str, Any] = {
        "steps_per_second": asdict(compared.steps_per_second(side.name)),
        "later_epoch_steps_per_second": sorted(later)[len(later) // 2],
        "configuration": dict(side.configuration),
    }
    if "tuned" in compared.measured and side.name != "tuned":
        entry["tuned_over_this"] = asdict(compared.ratio("tuned", side.name))
    return entry
