"""What was found out about each op by building and tracing it: the ground on which legality stands."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

INFINITE = -1
UNKNOWN = -2


@dataclass(frozen=True)
class OpFacts:
    """Facts about one op; the defaults are the safe reading of "nothing is known"."""

    random: tuple[str, ...] = ()
    """Types of random graph ops in the op's functions, e.g. ``("RandomUniform",)``."""
    seeded: tuple[str, ...] = ()
    """Those of them whose draws may be the same in every run: which draw an element gets is then no chance."""
    python: tuple[str, ...] = ()
    """Types of ops that call back into Python (``EagerPyFunc``, …): their determinism cannot be proven."""
    stated: tuple[str, ...] = ()
    """The same types where the user states that they repeat, see :func:`autotuner.deterministic`: never in both."""
    stateful: tuple[str, ...] = ()
    """Types of other stateful ops that are not known to be harmless (writes, prints, mutable tables)."""
    cardinality: int = UNKNOWN
    """Elements per epoch; :data:`INFINITE` or :data:`UNKNOWN`."""
    element_bytes: float | None = None
    """Mean size of one element, from sampled elements or from a fully defined ``element_spec``."""
    elements_per_step: float | None = None
    """Elements of this op that one training step consumes."""
    seconds_per_element: float | None = None
    """Self time of one element in a serial build."""
    element_spec: str = ""
    opaque_reason: str = ""
    vectorizes: str = ""
    """How the op's function works on whole batches: ``native``, or a form of :class:`Derived`."""
    vectorize_refusal: str = ""
    """Why it does not, where it does not."""
    jit_compiles: bool = False
    """The function, batched where it vectorises, gives the same values under XLA."""
    unaffected_by: tuple[str, ...] = ()
    """For a filter: maps above it on whose input its predicate is the same function as on their output."""
    fuses_with: str = ""
    """For a map: the map right behind it, where both computed the same when traced as one."""
    pads_nothing: bool = False
    """A ``padded_batch`` whose elements all have the one shape it pads to."""
    pinned: bool = False
    """The user wants this stage, and what surrounds it, left in its place."""

    @property
    def deterministic(self) -> bool:
        """The op's functions give the same output for the same input, every time, as far as can be proven."""
        return not (self.random or self.python or self.stateful or self.opaque_reason)

    @property
    def fixed_shape(self) -> bool:
        """Every element has the dense, fully known shapes of ``element_spec``."""
        spec = self.element_spec.replace("name=None", "")
        return not any(word in spec for word in ("None", "unknown", "Ragged", "Sparse", "Dataset", "Optional"))


@dataclass(frozen=True)
class Facts:
    """Facts by op path (see ``Pipeline.walk``)."""

    by_path: Mapping[str, OpFacts] = field(default_factory=dict)

    def __getitem__(self, path: str) -> OpFacts:
        return self.by_path.get(path, OpFacts(opaque_reason="not analysed"))

    def to_json(self) -> dict[str, Any]:
        """Plain JSON data."""
        return {path: asdict(facts) for path, facts in self.by_path.items()}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Facts:
        """The facts that :meth:`to_json` wrote."""
        return Facts({path: OpFacts(**_tuples(item)) for path, item in data.items()})


def _tuples(item: Mapping[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in item.items()}
