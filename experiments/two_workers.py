"""Two workers on loopback read one epoch of a tuned pipeline under ``MultiWorkerMirroredStrategy``.

Run as a program it is one of the workers: ``python -m experiments.two_workers JOB RESULT``.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tensorflow as tf

from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Open
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration, Facts
from autotuner.rewrites import apply, natural_preserve
from autotuner.search.baselines import expert_guesses
from autotuner.search.conclusion import Prepared
from autotuner.space import SearchSpace, load_preset
from autotuner.tfdata.build import build
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from experiments.workloads import tabular_tfrecords

SIZE = 4_000
_WORKERS = 2
_SECONDS = 240.0


@dataclass(frozen=True)
class Found:
    """What two workers together got of an epoch."""

    examples: int
    missing: int
    doubled: int
    configuration: str

    def __str__(self) -> str:
        return f"{self.examples} examples, {self.missing} missing, {self.doubled} doubled, with {self.configuration}"


def dataset_fn() -> tf.data.Dataset:
    """A small epoch of the tabular records."""
    return tabular_tfrecords.dataset_fn(SIZE)


def tuned_rows_of_two_workers() -> Found:
    """Applies the tuner's most far-reaching guess, shards it, and counts."""
    with tempfile.TemporaryDirectory(prefix="autotuner-workers-") as scratch:
        folder = Path(scratch)
        job, configuration = _job(folder)
        path = folder / "job.json"
        path.write_text(json.dumps(job), "utf-8")
        expected = Counter(_rows(tf.nest.map_structure(tf.convert_to_tensor, batch) for batch in dataset_fn()))
        got = Counter(row for rows in _run(path, folder) for row in rows)
    return Found(
        examples=expected.total(),
        missing=(expected - got).total(),
        doubled=(got - expected).total(),
        configuration=", ".join(f"{name} = {value}" for name, value in configuration.items()),
    )


def _job(folder: Path) -> tuple[dict[str, Any], Configuration]:
    target = Target("module", "experiments.two_workers", "dataset_fn")
    request = Open(dataset=target, model=None, sys_path=search_path(), epochs=1)
    with closing(LocalRunner(request, folder / "worker.log", Limits())) as runner:
        opened = runner.open()
    prepared, machine = Prepared.of(opened), Machine.detect()
    preserve = natural_preserve(prepared.pipeline)
    space = SearchSpace.of(prepared.decisions, load_preset("default"), machine, preserve)
    configuration = next(expert_guesses(space, prepared.decisions, prepared.facts, machine.cores))
    return {"facts": opened.facts, "configuration": dict(configuration)}, configuration


def _run(job: Path, folder: Path) -> list[list[str]]:
    """One process for each worker."""
    addresses = [f"127.0.0.1:{port}" for port in _free_ports()]
    results = [folder / f"rows-{index}.json" for index in range(_WORKERS)]
    children = []
    for index, result in enumerate(results):
        role = json.dumps({"cluster": {"worker": addresses}, "task": {"type": "worker", "index": index}})
        environment = os.environ | {"TF_CONFIG": role, "PYTHONPATH": os.pathsep.join(search_path())}
        command = [sys.executable, "-m", "experiments.two_workers", str(job), str(result)]
        children.append(subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL))
    try:
        codes = [child.wait(_SECONDS) for child in children]
    finally:
        for child in children:
            child.kill()
    if any(codes):
        raise ChildProcessError(f"the workers ended with exit codes {codes}")
    return [json.loads(result.read_text("utf-8")) for result in results]


def _free_ports() -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(_WORKERS)]
    ports = [int(server.getsockname()[1]) for server in sockets]
    for server in sockets:
        server.close()
    return ports


def work(job: dict[str, Any]) -> list[str]:
    """One worker's share of an epoch."""
    strategy = tf.distribute.MultiWorkerMirroredStrategy()
    recorded = checked(record(dataset_fn))
    facts = Facts.from_json(job["facts"])
    tuned = build(recorded, apply(recorded.pipeline, facts, Configuration(job["configuration"])))
    shared = strategy.experimental_distribute_dataset(tuned)
    return _rows(tuple(strategy.experimental_local_results(column)[0] for column in batch) for batch in shared)


def _rows(batches: Iterable[tuple[tf.Tensor, tf.Tensor]]) -> list[str]:
    """The features that parsing only copies, so that they are equal to the last bit however they were read."""
    return [row.tobytes().hex() for x, _ in batches for row in x.numpy()[:, : tabular_tfrecords.FLOATS]]


if __name__ == "__main__":
    rows = work(json.loads(Path(sys.argv[1]).read_text("utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(rows), "utf-8")
