"""What can be said of a pipeline without searching: its ops, what could be decided, what is refused and why."""

from __future__ import annotations

import tempfile
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from autotuner.api.bottleneck import bottleneck, waiting_share
from autotuner.api.targets import Function, check, target
from autotuner.errors import UsageError, UserCodeError
from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Ceiling, Open, Opened, Profiled, Timing
from autotuner.measure.outcome import Measurement
from autotuner.pipeline import OPAQUE, Configuration, Op
from autotuner.pipeline.profile import StageCost, costed
from autotuner.rewrites import Preserves
from autotuner.rewrites.prefetch import END
from autotuner.search.baselines import baseline_configurations
from autotuner.search.conclusion import Prepared
from autotuner.space import SearchSpace, load_preset

_EPOCHS = 10
"""Of the training that rates are projected to, as in a study."""


@dataclass(frozen=True)
class Inspection:
    """The ops of a pipeline and what they cost, the sites on them, and rates where they were measured."""

    prepared: Prepared
    space: SearchSpace
    steps_per_second: dict[str, float | None]
    profiled: Profiled

    @property
    def bottleneck(self) -> str:
        """One sentence on what holds training up."""
        return bottleneck(self.prepared.pipeline, self.profiled.costs, self.steps_per_second)

    def cost(self, path: str) -> StageCost:
        """What one op costs, as far as it is known; its size from sampled elements where there are such."""
        cost, facts = self.profiled.costs.get(path, StageCost()), self.prepared.facts.by_path.get(path)
        if facts is None:
            return cost
        steps = cost.elements_per_step if facts.elements_per_step is None else facts.elements_per_step
        return replace(cost, bytes_per_element=facts.element_bytes, elements_per_step=steps)

    def autotune_chose(self, path: str) -> dict[str, int]:
        """The op's own arguments with what AUTOTUNE made of them."""
        mine = f"{END}." if path == self._last_prefetch else f"{path}."
        chose = self.profiled.autotune_chose
        return {name.removeprefix(mine): value for name, value in chose.items() if name.startswith(mine)}

    @property
    def _last_prefetch(self) -> str | None:
        ops = [op for op in self.prepared.pipeline.trunk() if op.kind != "with_options"]
        return ops[-1].label if ops and ops[-1].kind == "prefetch" else None

    def to_json(self) -> dict[str, Any]:
        """The object ``inspect --json`` prints."""
        facts = self.prepared.facts
        return {
            "schema": 1,
            "ops": [self._op_to_json(path, op) for path, op in self.prepared.pipeline.walk()],
            "decisions": [
                {
                    "name": decision.name,
                    "choices": list(self.space.domains.get(decision.name, decision.choices)),
                    "status_quo": decision.status_quo,
                    "preserves": decision.preserves.value,
                    "searched": decision.name in self.space.domains,
                    "autotune_chose": self.profiled.autotune_chose.get(decision.name),
                }
                for decision in self.prepared.decisions
            ],
            "refused": [{"name": refusal.name, "reason": refusal.reason} for refusal in self.prepared.refusals],
            "opaque": [
                {"label": op.label, "reason": facts[op.label].opaque_reason}
                for op in self.prepared.pipeline.ops
                if op.kind == OPAQUE
            ],
            "steps_per_second": self.steps_per_second,
            "waiting_share_of_step": waiting_share(self.steps_per_second),
            "bottleneck": self.bottleneck,
            "profile_stopped_by": self.profiled.stopped_by,
        }

    def _op_to_json(self, path: str, op: Op) -> dict[str, Any]:
        found = asdict(self.prepared.facts[path.partition("/")[0]])
        del found["element_bytes"]  # it is there by the name it has in a table of costs
        return {
            "label": path,
            "kind": op.kind,
            "file": op.call_site.file if op.call_site else None,
            "line": op.call_site.end_line if op.call_site else None,
            **found,
            **asdict(self.cost(path)),
            "autotune_chose": self.autotune_chose(path),
        }


def inspect_pipeline(
    dataset_fn: Function,
    model_fn: Function | None = None,
    *,
    steps_per_epoch: int | None = None,
    preset: str = "default",
) -> Inspection:
    """Records ``dataset_fn`` in a worker and profiles its stages; with a model, also times it and its ceiling.

    Raises:
        UsageError: a target does not exist.
        UserCodeError: one of the functions fails.
    """
    check(dataset_fn, "dataset_fn")
    if model_fn is not None:
        check(model_fn, "model_fn")
    if steps_per_epoch is not None and steps_per_epoch < 1:
        raise UsageError(f"{steps_per_epoch} steps is not an epoch", "give one step at least")
    machine, chosen = Machine.detect(), load_preset(preset)
    with tempfile.TemporaryDirectory(prefix="autotuner-inspect-") as name:
        folder = Path(name)
        dataset = target(dataset_fn, folder / "dataset")
        model = None if model_fn is None else target(model_fn, folder / "model")
        request = Open(dataset, model, search_path(), epochs=_EPOCHS, steps_per_epoch=steps_per_epoch)
        runner = LocalRunner(request, folder / "worker.log", Limits.of(machine))
        try:
            opened = runner.open()
            prepared = Prepared.of(opened)
            rates = _rates(runner, opened, measured=model is not None)
            profiled = _profiled(runner, prepared, machine)
        finally:
            runner.close()
    prepared = replace(prepared, facts=costed(prepared.facts, profiled.costs))
    space = SearchSpace.of(prepared.decisions, chosen, machine, Preserves.MULTISET)
    return Inspection(prepared, space, rates, profiled)


def _rates(runner: LocalRunner, opened: Opened, *, measured: bool) -> dict[str, float | None]:
    rates: dict[str, float | None] = {
        "as_written": None,
        "input_only": opened.calibrated.steps_per_second,
        "ceiling": None,
    }
    if not measured:
        return rates
    ceiling = runner.ceiling(Timing())
    rates["ceiling"] = ceiling.steps_per_second if isinstance(ceiling, Ceiling) else None
    outcome = runner.measure(Configuration(), Timing())
    if not isinstance(outcome, Measurement):
        raise UserCodeError(f"the pipeline does not train: {outcome.message}", "", outcome.user_traceback)
    rates["as_written"] = outcome.steps_per_second
    return rates


def _profiled(runner: LocalRunner, prepared: Prepared, machine: Machine) -> Profiled:
    """Last of all, because a stage that gives nothing is still at work when its time is over."""
    outcome = runner.profile(baseline_configurations(prepared.decisions, machine.cores)["autotune"])
    return outcome if isinstance(outcome, Profiled) else Profiled({}, {}, outcome.message)
