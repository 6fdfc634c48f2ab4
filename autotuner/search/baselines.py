"""The three pipelines every result is compared with, and the guesses an expert would try first."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from autotuner.pipeline import AUTOTUNE, Configuration, DecisionValue, Facts
from autotuner.rewrites import Decision, effective
from autotuner.rewrites.cache import AFTER
from autotuner.rewrites.materialise import AFTER as MATERIALISE
from autotuner.rewrites.prefetch import END
from autotuner.space import SearchSpace

BASELINES = ("as_written", "autotune", "cores")
_END = f"{END}.buffer_size"
_VECTORIZE, _MICRO_BATCH = ".vectorize", ".micro_batch"
_PARALLEL = (".num_parallel_calls", ".num_parallel_reads")
_MOVES = (".before",)
"""Filters and shuffles as early as they may stand."""
_SHAPES = (_VECTORIZE, _MICRO_BATCH, *_MOVES)
_XLA = (".jit_compile",)
_POOL = "options.private_threadpool_size"


def baseline_configurations(decisions: Sequence[Decision], cores: int) -> dict[str, Configuration]:
    """``as_written``; ``autotune``: every knob AUTOTUNE; ``cores``: every parallelism the cores, prefetch 2."""
    return {
        "as_written": Configuration(),
        "autotune": _uniform(decisions, AUTOTUNE, AUTOTUNE),
        "cores": _uniform(decisions, cores, 2),
    }


def expert_guesses(
    space: SearchSpace, decisions: Sequence[Decision], facts: Facts, cores: int
) -> Iterator[Configuration]:
    """Configurations that pay often, made of what the space allows, those that pay most often first.

    They differ in shape before they differ in numbers: everything on whole batches, out of kept tensors whose rows were
    made on micro-batches where they can be; as written behind a cache, because a random map can lose on batches; only
    deterministic maps on batches. Then a pool, calls and cycles wide enough for storage that answers slowly, free
    order, XLA, and no more threads than cores.
    """
    autotune = dict(_uniform(decisions, AUTOTUNE, AUTOTUNE))
    cached = _last(space, AFTER)
    materialised = _last(space, MATERIALISE)
    kept = materialised | _repeated_late(space) if materialised else cached
    batched, moved = _all_on(space, _SHAPES), _all_on(space, _MOVES)
    rows = {name: value for name, value in batched.items() if _draws(facts, name) or not _kept_as_rows(name, batched)}
    steady = {name: value for name, value in batched.items() if not _draws(facts, name)}
    wide = _wide(space, min(64, 16 * cores))
    tried: list[Configuration] = []
    for wanted in (
        autotune | rows | kept,
        autotune | moved | cached,
        autotune | steady | cached,
        autotune | batched,
        dict(_uniform(decisions, cores, 2)) | steady | cached,
        autotune | batched | wide,
        autotune | rows | kept | wide,
        autotune | rows | kept | _all_on(space, _XLA),
        autotune | batched | kept,
        autotune | rows | kept | {_POOL: cores},
    ):
        guess = _allowed(space, wanted)
        if guess not in tried:
            tried.append(guess)
            yield guess


def _last(space: SearchSpace, name: str) -> dict[str, DecisionValue]:
    """The latest place a decision offers; nothing where it is not searched."""
    return {name: space.domains[name][-1]} if name in space.domains else {}


def _repeated_late(space: SearchSpace) -> dict[str, DecisionValue]:
    """Repeats out of the way of what is materialised."""
    late = (decision.name for decision in space.decisions if decision.setting == "repeat.after")
    return {name: space.domains[name][-1] for name in late if name in space.domains}


def _all_on(space: SearchSpace, ends: tuple[str, ...]) -> dict[str, DecisionValue]:
    """Decisions with these ends, each at its last value."""
    return {name: domain[-1] for name, domain in space.domains.items() if name.endswith(ends)}


def _wide(space: SearchSpace, many: int) -> dict[str, DecisionValue]:
    """``many`` requests at the same time, in whatever order they are answered."""
    names = (name for name in space.domains if name.endswith((*_PARALLEL, ".cycle_length")) or name == _POOL)
    return {**dict.fromkeys(names, many), "options.deterministic": False}


def _kept_as_rows(name: str, batched: Mapping[str, DecisionValue]) -> bool:
    """The decision moves a map behind the batch that could as well work on micro-batches, ahead of what is kept."""
    label, _, what = name.rpartition(".")
    return f".{what}" == _VECTORIZE and label + _MICRO_BATCH in batched


def _draws(facts: Facts, name: str) -> bool:
    """The decision is about a stage that draws at random."""
    return bool(facts[name.rpartition(".")[0]].random)


def _uniform(decisions: Sequence[Decision], parallelism: DecisionValue, buffer: DecisionValue) -> Configuration:
    values: dict[str, DecisionValue] = {}
    for decision in decisions:
        if decision.name.endswith(_PARALLEL) and decision.setting != "reader.num_parallel_reads":
            values[decision.name] = parallelism
        elif decision.name == _END:
            values[decision.name] = buffer
    by_name = {decision.name: decision for decision in decisions}
    return Configuration({name: value for name, value in values.items() if value != by_name[name].status_quo})


def _allowed(space: SearchSpace, wanted: Mapping[str, DecisionValue]) -> Configuration:
    """The nearest configuration of the space; what is not searched stays at the status quo."""
    status_quo = {decision.name: decision.status_quo for decision in space.decisions}
    found = {name: space.nearest(name, value) for name, value in wanted.items() if name in space.domains}
    changed = {name: value for name, value in found.items() if value is not None and value != status_quo[name]}
    return effective(Configuration(changed), space.decisions)
