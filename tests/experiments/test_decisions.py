"""Every choice that is offered on a workload, alone, and what an expert would guess: the data stay, and it runs."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from autotuner.machine import Machine
from autotuner.pipeline import Configuration, Facts
from autotuner.rewrites import Decision, apply, find_sites, natural_preserve
from autotuner.rewrites.cache import CACHE_FILE, MEDIUM, in_memory
from autotuner.search.baselines import baseline_configurations, expert_guesses
from autotuner.space import SearchSpace, load_preset
from autotuner.tfdata.build import build
from autotuner.tfdata.examine import examine
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier
from experiments.workload import NAMES
from tests.experiments.small import small

CORES = 2
MACHINE = Machine(cores=CORES, memory_bytes=16 << 30)
NUMBER = 3


def alone(decisions: tuple[Decision, ...]) -> Iterator[Configuration]:
    """All numbers together, for none of them changes a structure; then every choice by itself."""
    yield Configuration({decision.name: NUMBER for decision in decisions if not decision.choices})
    for decision in decisions:
        for value in decision.choices:
            if value != decision.status_quo and decision.name != MEDIUM:
                yield Configuration({decision.name: value})


def tried(recorded: Recorded, facts: Facts) -> Iterator[Configuration]:
    decisions, _ = find_sites(recorded.pipeline, facts)
    space = SearchSpace.of(decisions, load_preset("default"), MACHINE, natural_preserve(recorded.pipeline))
    yield from baseline_configurations(decisions, CORES).values()
    yield from expert_guesses(space, decisions, facts, CORES)
    yield from alone(decisions)


def rows(dataset: tf.data.Dataset) -> int:
    """Examples of one epoch."""
    return sum(len(np.asarray(tf.nest.flatten(batch)[-1])) for batch in dataset)


@pytest.mark.parametrize("name", NAMES)
def test_whatever_is_decided_the_data_stay_and_an_epoch_can_be_read(name: str, tmp_path: Path) -> None:
    recorded = checked(record(functools.partial(small, name, "dataset_fn")))
    facts, verifier = examine(recorded), Verifier(recorded)
    expected, known = rows(build(recorded)), {recorded.pipeline.signature()}
    for number, configuration in enumerate(tried(recorded, facts)):
        pipeline = apply(recorded.pipeline, facts, configuration)
        if pipeline.signature() in known:
            continue
        known.add(pipeline.signature())
        assert verifier.check(in_memory(pipeline)) == "", configuration
        recorded.live.put(CACHE_FILE, str(tmp_path / f"cache{number}"))
        assert rows(build(recorded, pipeline)) == expected, configuration
