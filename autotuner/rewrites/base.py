"""The role every rewrite plays: find sites, offer decisions, apply values, declare what is kept."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, TypeAlias

from autotuner.pipeline import AUTOTUNE, CallSite, DecisionValue, Facts, Op, Pipeline


class Preserves(StrEnum):
    """What a decision keeps of the elements of one epoch, strongest first."""

    SEQUENCE = "SEQUENCE"
    """The same elements in the same order."""
    MULTISET = "MULTISET"
    """The same elements, in another order."""
    DISTRIBUTION = "DISTRIBUTION"
    """Other draws from the same random choices."""

    def at_least(self, wanted: Preserves) -> bool:
        """This guarantee includes ``wanted``."""
        ranks = list(Preserves)
        return ranks.index(self) <= ranks.index(wanted)


@dataclass(frozen=True)
class Decision:
    """One thing that can be chosen about a pipeline.

    ``setting`` names the preset table that governs it. Structural decisions list their ``choices``; for numeric
    ones ``choices`` is empty and the preset gives the numbers. ``status_quo`` is always allowed.
    """

    name: str
    setting: str
    status_quo: DecisionValue
    preserves: Preserves
    choices: tuple[DecisionValue, ...] = ()
    requires: str | None = None
    """Has an effect only while the decision of this name is not ``None``."""
    yields_to: str | None = None
    """Has no effect while the decision of this name is ``True``; never together with ``requires``."""
    site: CallSite | None = None
    least: int = 1
    """Smallest number of a numeric decision."""
    autotune: bool = True
    """A numeric decision takes ``AUTOTUNE`` as well."""
    optional: bool = False
    """A numeric decision takes ``None`` as well: the argument is left out."""

    @property
    def governed_by(self) -> str | None:
        """Name of the decision that tells whether this one has an effect; it need not be offered."""
        return self.requires or self.yields_to

    def active_beside(self, governing: DecisionValue) -> bool:
        """Has an effect while the decision that governs it has this value; ``None`` where that one is inactive."""
        return governing is not None if self.requires else governing is not True

    def allows(self, value: DecisionValue) -> bool:
        """``value`` can be applied; ``True`` is not taken for 1."""
        if _same(value, self.status_quo):
            return True
        if self.choices:
            return any(_same(value, choice) for choice in self.choices)
        if value is None:
            return self.optional
        return (self.autotune and value == AUTOTUNE) or (type(value) is int and value >= self.least)


def _same(left: DecisionValue, right: DecisionValue) -> bool:
    return type(left) is type(right) and left == right


def switch(name: str, setting: str, op: Op) -> Decision:
    """A decision about ``op`` that is off as the user wrote it and keeps the sequence when it is on."""
    return Decision(
        name=name,
        setting=setting,
        status_quo=False,
        preserves=Preserves.SEQUENCE,
        choices=(False, True),
        site=op.call_site,
    )


@dataclass(frozen=True)
class Refusal:
    """A decision that is not offered, and why."""

    name: str
    reason: str
    site: CallSite | None = None


Site: TypeAlias = Decision | Refusal


class Rewrite(Protocol):
    """One kind of change."""

    @property
    def name(self) -> str:
        """The word for this kind of change."""
        ...

    def sites(self, pipeline: Pipeline, facts: Facts) -> Iterator[Site]:
        """Every decision this rewrite offers on ``pipeline`` as recorded, and every one it refuses."""
        ...

    def apply(self, pipeline: Pipeline, facts: Facts, values: Mapping[str, DecisionValue]) -> Pipeline:
        """``pipeline`` with this rewrite's own decisions applied.

        ``values`` holds only decisions this rewrite offered, without those at the status quo. Values that cannot
        hold together are repaired to the nearest legal ones, the same way every time.
        """
        ...
