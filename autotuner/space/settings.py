"""Every setting a preset may name: the one place where a new kind of decision becomes known to presets."""

from __future__ import annotations

from dataclasses import dataclass

from autotuner.pipeline import AUTOTUNE

_ALWAYS = frozenset({"about", "enabled"})
_NUMBERS = _ALWAYS | {"unit", "low", "high", "log", "special", "values"}


@dataclass(frozen=True)
class Setting:
    """What a preset may say about all decisions of one kind."""

    keys: frozenset[str] = _ALWAYS
    """Allowed in the preset's table."""
    smallest: int = 1
    """The least number that has a meaning; 0 where that switches the thing off."""
    special: tuple[str, ...] = ()
    """Values besides numbers."""

    @property
    def numeric(self) -> bool:
        """The preset gives its numbers; else the decision lists its own choices."""
        return "low" in self.keys


def _number(*special: str, smallest: int = 1) -> Setting:
    return Setting(_NUMBERS, smallest, special)


def _choice(*keys: str) -> Setting:
    return Setting(_ALWAYS | frozenset(keys))


SETTINGS: dict[str, Setting] = {
    "map.num_parallel_calls": _number(AUTOTUNE),
    "map.vectorize": _choice(),
    "map.micro_batch": _choice(),
    "map.after": _choice(),
    "map.fuse": _choice(),
    "shuffle.before": _choice(),
    "repeat.after": _choice(),
    "stage.drop": _choice(),
    "map.jit_compile": _choice(),
    "filter.before": _choice(),
    "interleave.num_parallel_calls": _number(AUTOTUNE),
    "batch.num_parallel_calls": _number(AUTOTUNE),
    "interleave.cycle_length": _number(AUTOTUNE),
    "interleave.block_length": _number(),
    "reader.num_parallel_reads": _number(AUTOTUNE),
    "prefetch.end.buffer_size": _number(AUTOTUNE, smallest=0),
    "prefetch.inner.buffer_size": _number(AUTOTUNE, smallest=0),
    "materialise.after": _choice(),
    "cache.after": _choice("media", "max_share_of_free_memory"),
    "cache.medium": _choice(),
    "options.private_threadpool_size": _number(),
    "options.map_fusion": _choice(),
    "options.filter_fusion": _choice(),
    "options.filter_parallelization": _choice(),
    "options.autotune": _choice(),
    "options.deterministic": _choice(),
}

MEDIA = ("memory", "file")
"""What ``media`` may list."""
UNITS = ("cores",)
"""What ``unit`` may be; without it numbers are plain counts."""
