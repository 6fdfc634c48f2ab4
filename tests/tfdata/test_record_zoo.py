"""Every pipeline of the catalogue is recorded, rebuilt equal, and is the same pipeline in every process."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from autotuner.pipeline import OPAQUE, Captured, Pipeline
from autotuner.tfdata.build import build
from autotuner.tfdata.fingerprint import difference, fingerprint
from autotuner.tfdata.graph import CanonicalGraph
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from tests.tfdata.conftest import Recording
from tests.tfdata.zoo import BY_NAME, ZOO
from tests.tfdata.zoo_entry import Entry

ROOT = Path(__file__).parents[2]
MOST_ROWS = 200
PROGRAM = """
import json, sys
from pathlib import Path
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.tfdata.seeds import SeedState
from tests.tfdata.zoo import ZOO
folder = Path(sys.argv[1])
signatures = {}
unset = SeedState.current()
for entry in ZOO:
    signatures[entry.name] = checked(record(entry.at(folder))).pipeline.signature()
    unset.restore()
print(json.dumps(signatures))
"""
every_entry = pytest.mark.parametrize("entry", ZOO, ids=lambda entry: entry.name)


def test_the_catalogue_is_large() -> None:
    assert len(BY_NAME) == len(ZOO) >= 90


@every_entry
def test_what_was_recorded_rebuilds_to_an_equal_graph(entry: Entry, recording: Recording) -> None:
    recorded = recording(entry)
    original = recorded.datasets[recorded.pipeline.output.label]
    assert CanonicalGraph.of(build(recorded)).digest == CanonicalGraph.of(original).digest
    assert build(recorded).element_spec == original.element_spec


@every_entry
def test_only_what_tensorflow_hides_is_opaque(entry: Entry, recording: Recording) -> None:
    leaves = {op.label: op.argument("dataset") for op in recording(entry).pipeline.ops if op.kind == OPAQUE}
    assert leaves.keys() == entry.opaque.keys()
    for label, part in entry.opaque.items():
        leaf = leaves[label]
        assert isinstance(leaf, Captured)
        assert part in leaf.summary


@every_entry
def test_the_pipeline_survives_json(entry: Entry, recording: Recording) -> None:
    pipeline = recording(entry).pipeline
    assert Pipeline.from_json(json.loads(json.dumps(pipeline.to_json()))) == pipeline


@every_entry
def test_the_rebuilt_data_are_the_original_ones(entry: Entry, recording: Recording) -> None:
    recorded = recording(entry)
    if not entry.repeatable:
        assert next(iter(build(recorded))) is not None
        return
    original, rebuilt = (
        fingerprint(dataset, batched=False, max_rows=MOST_ROWS)
        for dataset in (recorded.datasets[recorded.pipeline.output.label], build(recorded))
    )
    assert original.count > 0
    assert not difference(original, rebuilt, ordered=True)


@every_entry
def test_recorded_again_it_is_the_same_pipeline(entry: Entry, recording: Recording, files: Path) -> None:
    again = checked(record(entry.at(files))).pipeline.signature()
    assert (again == recording(entry).pipeline.signature()) == entry.same_signature


def test_another_process_records_the_same_pipelines(recording: Recording, files: Path) -> None:
    result = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(files)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "PYTHONHASHSEED": "77"},
        capture_output=True,
        text=True,
        check=True,
    )
    there = json.loads(result.stdout.splitlines()[-1])
    here = {entry.name: recording(entry).pipeline.signature() for entry in ZOO}
    different = {name for name in here if here[name] != there[name]}
    assert different == {entry.name for entry in ZOO if not entry.same_signature}


def test_class_names_are_hung_on_what_is_built(recording: Recording) -> None:
    assert build(recording(BY_NAME["attributes_on_the_result"])).class_names == ["a", "b"]
    assert build(recording(BY_NAME["image_folder_as_given"])).class_names == ["cat", "dog"]


def test_late_bound_closures_keep_what_they_were(recording: Recording) -> None:
    first = next(iter(build(recording(BY_NAME["closures_of_a_loop"]))))
    np.testing.assert_allclose(np.asarray(first)[:2], [12.0, 1012.0])


def test_a_seed_set_by_the_function_is_not_left_by_a_build(recording: Recording) -> None:
    from tensorflow.python.eager import context

    recorded = recording(BY_NAME["set_seed_in_between"])
    context.context()._set_global_seed(None)
    build(recorded)
    assert context.global_seed() is None
    assert isinstance(build(recorded), tf.data.Dataset)
