"""Right rewrites pass: every decision that is offered on every pipeline of the catalogue."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotuner.pipeline import Configuration, DecisionValue, Facts
from autotuner.pipeline.structure import order_changes, structure
from autotuner.rewrites import Decision, apply, find_sites
from autotuner.rewrites.cache import CACHE_FILE, MEDIUM
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.build import build
from autotuner.tfdata.examine import examine
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier
from tests.tfdata.conftest import Recording
from tests.tfdata.zoo import BY_NAME, ZOO
from tests.tfdata.zoo_entry import Entry

NUMBER = 2


def values(decision: Decision) -> Iterator[DecisionValue]:
    for value in decision.choices or (NUMBER,):
        if value != decision.status_quo:
            yield value


def configurations(recorded: Recorded, facts: Facts) -> Iterator[Configuration]:
    """Every decision alone, one of each structure and order; a medium only with a cache to keep."""
    decisions, _ = find_sites(recorded.pipeline, facts)
    seen: set[tuple[object, ...]] = {(structure(recorded.pipeline),)}
    for decision in decisions:
        if decision.name == MEDIUM:
            continue
        for value in values(decision):
            configuration = Configuration({decision.name: value})
            changed = apply(recorded.pipeline, facts, configuration)
            shape = structure(changed), *order_changes(changed, recorded.pipeline)
            if shape not in seen:
                seen.add(shape)
                yield configuration


@pytest.fixture(scope="module")
def examined(recording: Recording) -> Callable[[str], Facts]:
    """Everything known of an entry by its name, found out once."""
    return functools.cache(lambda name: examine(recording(BY_NAME[name])))


every_entry = pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)


@every_entry
def test_no_offered_decision_is_refused_on_the_elements(
    entry: Entry, recording: Recording, examined: Callable[[str], Facts]
) -> None:
    recorded, facts = recording(entry), examined(entry.name)
    verifier = Verifier(recorded)
    for configuration in configurations(recorded, facts):
        reason = verifier.check(apply(recorded.pipeline, facts, configuration))
        assert not reason, configuration
        assert verifier.rows_compared() > 0


@every_entry
def test_every_offered_number_builds(entry: Entry, recording: Recording, examined: Callable[[str], Facts]) -> None:
    recorded, facts = recording(entry), examined(entry.name)
    decisions, _ = find_sites(recorded.pipeline, facts)
    numbers = Configuration({decision.name: NUMBER for decision in decisions if not decision.choices})
    rewritten = apply(recorded.pipeline, facts, numbers)
    assert build(recorded, rewritten).element_spec == build(recorded).element_spec


def test_a_cache_in_a_file_passes_as_one_in_memory_does(recording: Recording, tmp_path: Path) -> None:
    [entry] = [entry for entry in ZOO if entry.name == "listed_files"]
    recorded = recording(entry)
    facts = analyse(recorded)
    recorded.live.put(CACHE_FILE, str(tmp_path / "cache"))

    in_file = apply(recorded.pipeline, facts, Configuration({"cache.after": "map[_decode]", MEDIUM: "file"}))

    assert not Verifier(recorded).check(in_file)


def test_code_that_was_run_again_is_compared_with_the_recording(files: Path) -> None:

    [entry] = [entry for entry in ZOO if entry.name == "photographs"]
    [other] = [entry for entry in ZOO if entry.name == "listed_files"]
    verifier = Verifier(checked(record(entry.at(files))))

    assert not verifier.check_other(record(entry.at(files)), same_graph=False)
    assert verifier.check_other(record(other.at(files)), same_graph=False)
