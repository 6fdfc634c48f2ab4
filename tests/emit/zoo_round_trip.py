"""A program: the catalogue rewritten, written as code, run and compared; one JSON object at the end.

It is a process of its own because it forgets and imports again the modules that the tests themselves are made of.
"""

from __future__ import annotations

import functools
import importlib
import importlib.util
import itertools
import json
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from autotuner.emit.attribution import decided
from autotuner.emit.module import EmittedModule, emit_module
from autotuner.emit.patch import EmittedPatch, emit_patch
from autotuner.emit.shim import emit_shim
from autotuner.emit.statements import Changed
from autotuner.measure.messages import Origin
from autotuner.pipeline import Configuration, DecisionValue, Facts, Pipeline
from autotuner.rewrites import Decision, apply, find_sites
from autotuner.rewrites.cache import MEDIUM
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.build import build
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.seeds import SeedState
from autotuner.worker.sources import replaced_sources
from tests.emit.emitting import REPRODUCED
from tests.tfdata.zoo import ZOO
from tests.tfdata.zoo_entry import Entry
from tests.tfdata.zoo_files import make_files

_RANDOM = 2
_SHIM_EVERY = 6
"""Besides those that get no other code, so many get a shim as a test of it."""
_OTHER_ATTRIBUTES = "other attributes"
_NUMBERS = itertools.count()
_TARGETS = "zoo_targets"
"""A module with every entry as a function that needs no arguments: what a user would name."""


def main(folder: Path) -> None:
    """Prints what became of every configuration of every entry."""
    make_files(folder)
    (folder / f"{_TARGETS}.py").write_text(_targets(folder), "utf-8")
    rng, unset = random.Random(0), SeedState.current()  # noqa: S311 - a choice of configurations, not a secret
    told: list[dict[str, Any]] = []
    for entry in ZOO:
        recorded = checked(record(entry.at(folder)))
        unset.restore()
        facts = with_batching(recorded, analyse(recorded))
        for configuration in _configurations(recorded.pipeline, facts, rng):
            rewritten = apply(recorded.pipeline, facts, configuration)
            if rewritten == recorded.pipeline:
                continue
            case = _Case(entry, folder, recorded, rewritten, configuration)
            case.digest  # noqa: B018 - built now, while autograph finds the modules where they were
            patch, module = _patch(case), _module(case)
            wanted = len(told) % _SHIM_EVERY == 0 or not REPRODUCED & {patch, module}
            shim = _shim(case) if wanted else "refused: not asked for"
            roles = {"patch": patch, "module": module, "shim": shim}
            told.append({"entry": entry.name, "configuration": dict(configuration), **roles})
            unset.restore()
    sys.stdout.write("\n" + json.dumps(told) + "\n")


def _targets(folder: Path) -> str:
    imports = "from pathlib import Path\n\nfrom tests.tfdata.zoo import BY_NAME\n"
    call = "    return BY_NAME[{!r}].function(Path({!r}))\n"
    return "\n\n".join([imports, *(f"def {entry.name}():\n{call.format(entry.name, str(folder))}" for entry in ZOO)])


def _configurations(pipeline: Pipeline, facts: Facts, rng: random.Random) -> Iterator[Configuration]:
    """All numbers together, and some of everything at random."""
    decisions = [item for item in find_sites(pipeline, facts)[0] if item.name != MEDIUM]
    yield Configuration({item.name: 2 for item in decisions if not item.choices})
    for _ in range(_RANDOM):
        yield Configuration({item.name: _any(item, rng) for item in decisions if rng.random() < 1 / 2})


def _any(decision: Decision, rng: random.Random) -> DecisionValue:
    return rng.choice(decision.choices or ((2, 3, "AUTOTUNE") if decision.autotune else (2, 3)))


@dataclass(frozen=True)
class _Case:
    """A configuration of one entry, and what it makes of the recorded pipeline."""

    entry: Entry
    folder: Path
    recorded: Recorded
    rewritten: Pipeline
    configuration: Configuration

    @functools.cached_property
    def digest(self) -> str:
        """Of the graph that code has to build."""
        return CanonicalGraph.of(build(self.recorded, self.rewritten)).digest

    @functools.cached_property
    def changed(self) -> Changed:
        return decided(self.recorded.pipeline, self.rewritten, self.configuration)


def _patch(case: _Case) -> str:
    made = emit_patch(
        case.recorded.pipeline,
        case.rewritten,
        configuration=case.configuration,
        effects={},
        read=lambda path: Path(path).read_bytes(),
    )
    if not isinstance(made, EmittedPatch):
        return f"refused: {'; '.join(made.reasons)}"
    with replaced_sources(made.files):

        def find() -> Callable[[], Any]:
            module = importlib.import_module(case.entry.function.__module__)
            return functools.partial(getattr(module, case.entry.name), case.folder)

        told = _compared(case, find)
        return f"refused: {told}" if told == _OTHER_ATTRIBUTES else told  # as the check of a study does


def _module(case: _Case) -> str:
    recorded = case.recorded
    made = emit_module(
        case.rewritten,
        function_name="dataset_fn",
        signature="",
        header=(),
        effects={},
        changed=case.changed,
        folder=case.folder,
        attributes={name: recorded.live.encode_attribute(value) for name, value in recorded.attributes.items()},
    )
    if not isinstance(made, EmittedModule):
        return f"refused: {'; '.join(made.reasons)}"
    return _compared(case, _from_file(made, case.folder))


def _shim(case: _Case) -> str:
    made = emit_shim(
        case.recorded.pipeline,
        case.rewritten,
        origin=Origin(_TARGETS, case.entry.name, str(case.folder)),
        signature="",
        header=(),
        effects={},
        changed=case.changed,
        folder=case.folder,
    )
    if not isinstance(made, EmittedModule):
        return f"refused: {'; '.join(made.reasons)}"
    with replaced_sources({}):  # what the patch was tried on is forgotten
        return _compared(case, _from_file(made, case.folder))


def _from_file(made: EmittedModule, folder: Path) -> Callable[[], Callable[[], Any]]:
    path = folder / f"tuned_{next(_NUMBERS)}.py"
    path.write_text(made.text, "utf-8")

    def find() -> Callable[[], Any]:
        spec = importlib.util.spec_from_file_location(path.stem, path)
        if spec is None or spec.loader is None:
            raise ImportError(str(path))
        module = importlib.util.module_from_spec(spec)
        sys.modules[path.stem] = module
        spec.loader.exec_module(module)
        function: Callable[[], Any] = module.dataset_fn
        return function

    return find


def _compared(case: _Case, find: Callable[[], Callable[[], Any]]) -> str:
    """``same``, or how what the code builds differs from the rewritten pipeline."""
    recorded = case.recorded
    try:
        made = recorded.origin.again(find())
        if made.attributes != recorded.attributes:
            return _OTHER_ATTRIBUTES
        found = CanonicalGraph.of(made.datasets[made.pipeline.output.label]).digest
        if found == case.digest:
            return "same"
        again = recorded.origin.again()
        mine = CanonicalGraph.of(again.datasets[again.pipeline.output.label]).digest
        was = CanonicalGraph.of(recorded.datasets[recorded.pipeline.output.label]).digest
    except Exception as error:  # noqa: BLE001 - whatever it is, the code does not run
        return f"fails: {type(error).__name__}: {error}"[:300]
    return "different" if mine == was else "never repeats"


if __name__ == "__main__":
    main(Path(sys.argv[1]))
