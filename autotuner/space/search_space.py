"""The search space: the decisions of one pipeline, as far as the preset goes, on one machine."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from autotuner.machine import Machine
from autotuner.pipeline import Configuration, DecisionValue
from autotuner.rewrites.base import Decision, Preserves
from autotuner.space.domain import allowed_values, is_number, same
from autotuner.space.preset import Preset


class Trial(Protocol):
    """What suggests values: ``optuna.Trial``, ``optuna.trial.FixedTrial`` or a test's own."""

    def suggest_categorical(self, name: str, choices: Sequence[DecisionValue], /) -> DecisionValue:
        """One of ``choices``."""
        ...


@dataclass(frozen=True)
class SearchSpace:
    """Decisions and the values each may take; build it with :meth:`of`.

    A decision that another one governs comes after it: one that requires it is active only while that one is active
    and not ``None``, one that yields to it only while that one is not ``True``.
    """

    decisions: tuple[Decision, ...]
    """Those that are searched."""
    domains: Mapping[str, tuple[DecisionValue, ...]]
    """Values by decision name, in the order of :attr:`decisions`."""
    left_out: Mapping[str, str]
    """Decisions that stay at the status quo, and why."""
    notes: tuple[str, ...]
    """What the preset asks for and the pipeline has no place for."""
    _offered: tuple[Decision, ...]
    """All decisions, searched or not, each after the one that governs it."""

    @staticmethod
    def of(decisions: Sequence[Decision], preset: Preset, machine: Machine, preserve: Preserves) -> SearchSpace:
        """The space of what keeps at least ``preserve`` and the preset wants searched."""
        offered = _governing_first(decisions)
        status_quo = _active(offered, lambda decision: decision.status_quo)
        domains: dict[str, tuple[DecisionValue, ...]] = {}
        left_out: dict[str, str] = {}
        by_name = {decision.name: decision for decision in offered}
        for decision in offered:
            if reason := _unwanted(decision, preset, preserve) or _unreachable(decision, by_name, domains):
                left_out[decision.name] = reason
                continue
            extent = preset.extents[decision.setting]
            values = allowed_values(decision, extent, machine, active_at_status_quo=decision.name in status_quo)
            if len(values) == 1 and same(values[0], decision.status_quo):
                left_out[decision.name] = f"the preset {preset.name} allows only its present value here"
            else:
                domains[decision.name] = values
        searched = tuple(decision for decision in offered if decision.name in domains)
        return SearchSpace(searched, domains, left_out, _notes(preset, decisions), offered)

    @property
    def size(self) -> int:
        """Number of different configurations."""
        names = {decision.name for decision in self._offered}
        free = (decision for decision in self._offered if decision.governed_by not in names)
        return math.prod(self._combinations(one, active=_is_active(one, None)) for one in free)

    def suggest(self, trial: Trial) -> Configuration:
        """Asks ``trial`` for every active decision; keeps what differs from the status quo."""

        def ask(decision: Decision) -> DecisionValue:
            domain = self.domains.get(decision.name)
            return decision.status_quo if domain is None else trial.suggest_categorical(decision.name, domain)

        return self._configuration(_active(self._offered, ask))

    def parameters(self, configuration: Configuration) -> dict[str, DecisionValue]:
        """Every active decision with its value: what an Optuna trial of ``configuration`` would hold."""
        active = _active(self._offered, lambda decision: configuration.get(decision.name, decision.status_quo))
        return {name: active[name] for name in self.domains if name in active}

    def contains(self, configuration: Configuration) -> bool:
        """:meth:`suggest` could return a configuration with this effect, naming no inactive decision."""
        parameters = self.parameters(configuration)
        return configuration.keys() <= parameters.keys() and all(
            any(same(value, allowed) for allowed in self.domains[name]) for name, value in parameters.items()
        )

    def nearest(self, name: str, wanted: DecisionValue) -> DecisionValue:
        """The allowed value closest to ``wanted``: numbers by their ratio, others only exactly.

        ``None`` where nothing fits or the decision is not searched.
        """
        domain = self.domains.get(name, ())
        if not is_number(wanted):
            return next((value for value in domain if same(value, wanted)), None)
        numbers = [value for value in domain if is_number(value)]
        return min(numbers, key=lambda number: abs(_log(number) - _log(wanted)), default=None)

    def _configuration(self, values: Mapping[str, DecisionValue]) -> Configuration:
        changed = {
            decision.name: values[decision.name]
            for decision in self.decisions
            if decision.name in values and not same(values[decision.name], decision.status_quo)
        }
        return Configuration(changed)

    def _combinations(self, decision: Decision, *, active: bool) -> int:
        """How many ways there are for the decision and all that it governs."""
        values = self.domains.get(decision.name, (decision.status_quo,)) if active else (None,)
        governed = [other for other in self._offered if other.governed_by == decision.name]
        return sum(
            math.prod(self._combinations(other, active=_is_active(other, value)) for other in governed)
            for value in values
        )


def _governing_first(decisions: Sequence[Decision]) -> tuple[Decision, ...]:
    waiting = list(decisions)
    names = {decision.name for decision in waiting}
    if len(names) < len(waiting):
        raise ValueError("two decisions have the same name")
    ordered: list[Decision] = []
    while waiting:
        placed = {decision.name for decision in ordered}
        ready = [one for one in waiting if one.governed_by in placed or one.governed_by not in names]
        if not ready:
            raise ValueError(f"{waiting[0].name} is governed, in the end, by itself")
        ordered.append(ready[0])
        waiting.remove(ready[0])
    return tuple(ordered)


def _active(offered: Sequence[Decision], choose: Callable[[Decision], DecisionValue]) -> dict[str, DecisionValue]:
    """Values of all active decisions."""
    values: dict[str, DecisionValue] = {}
    for decision in offered:
        if _is_active(decision, values.get(decision.governed_by or "")):
            values[decision.name] = choose(decision)
    return values


def _is_active(decision: Decision, governing: DecisionValue) -> bool:
    return decision.governed_by is None or decision.active_beside(governing)


def _unwanted(decision: Decision, preset: Preset, preserve: Preserves) -> str:
    extent = preset.extents.get(decision.setting)
    if extent is None or not extent.enabled:
        return f"the preset {preset.name} does not search {decision.setting}"
    if not decision.preserves.at_least(preserve):
        return f"it keeps only {decision.preserves}, and {preserve} is asked for"
    return ""


def _unreachable(
    decision: Decision, offered: Mapping[str, Decision], domains: Mapping[str, Sequence[DecisionValue]]
) -> str:
    """Why the decision can never be active, if so."""
    governing = decision.governed_by
    if governing is None or governing in domains:
        return ""
    other = offered.get(governing)
    deeper = "" if other is None else _unreachable(other, offered, domains)
    if decision.active_beside(None if other is None or deeper else other.status_quo):
        return ""
    if decision.yields_to:
        return f"it has no effect beside {governing}, which stays as it is"
    return deeper or f"it has an effect only with {governing}, which is not searched"


def _notes(preset: Preset, decisions: Sequence[Decision]) -> tuple[str, ...]:
    present = {decision.setting for decision in decisions}
    wanted = (setting for setting, extent in preset.extents.items() if extent.enabled)
    return tuple(f"{setting}: this pipeline has no place for it" for setting in wanted if setting not in present)


def _log(number: float) -> float:
    # 0 switches a thing off, which is far from every count, however small.
    return math.log2(number) if number > 0 else -4096.0
