"""One whole training in a process of its own, timed from the call of ``fit`` to its end.

Run as a program it trains: ``python -m experiments.whole_training JOB RESULT``.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from autotuner.measure.local_runner import search_path
from autotuner.measure.messages import Opened
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration, Facts
from autotuner.rewrites import apply
from autotuner.rewrites.cache import CACHE_FILE
from autotuner.tfdata.build import build
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from autotuner.worker.calibrate import calibrate, last_batch_rows
from autotuner.worker.load import load
from autotuner.worker.trainee import KerasModel

_MOST_SECONDS = 3_600.0


@dataclass(frozen=True)
class Training:
    """A pipeline with its decisions, the model it feeds, and for how many epochs."""

    dataset: Target
    model: Target
    facts: dict[str, Any]
    configuration: dict[str, Any]
    epochs: int

    @staticmethod
    def of(opened: Opened, dataset: Target, model: Target, configuration: Configuration, epochs: int) -> Training:
        """A training of what a runner opened."""
        return Training(dataset, model, opened.facts, dict(configuration), epochs)


def whole_seconds(training: Training, folder: Path) -> float:
    """Trains in a fresh process; what it leaves in ``folder`` is the caller's to remove.

    Raises:
        ChildProcessError: it failed; its output is in ``training.log``.
    """
    job, result, log = (folder / name for name in ("job.json", "seconds.json", "training.log"))
    job.write_text(json.dumps(asdict(training)), "utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join(search_path())}
    command = [sys.executable, "-m", "experiments.whole_training", str(job), str(result)]
    with log.open("wb") as output:
        code = subprocess.run(
            command, env=environment, stdout=output, stderr=output, timeout=_MOST_SECONDS, check=False
        ).returncode
    if code:
        said = log.read_text("utf-8", "replace")[-2_000:]
        raise ChildProcessError(f"the training ended with exit code {code}: {said}")
    return float(json.loads(result.read_text("utf-8")))


def train(training: Training, folder: Path) -> float:
    """Compiles first, as the projection leaves compiling out; then one call of ``fit`` with all epochs."""
    recorded = checked(record(load(training.dataset)))
    recorded.live.put(CACHE_FILE, str(folder / "cache"))
    facts = Facts.from_json(training.facts)
    dataset = build(recorded, apply(recorded.pipeline, facts, Configuration(training.configuration)))
    model = load(training.model)()
    batches = calibrate(build(recorded), None, None, last_batch_rows(recorded.pipeline, facts)).batches
    KerasModel(model).warm_up(build(recorded), batches)
    started = time.perf_counter()
    model.fit(dataset, epochs=training.epochs, verbose=0)
    return time.perf_counter() - started


def _read(path: Path) -> Training:
    data = json.loads(path.read_text("utf-8"))
    return Training(**data | {name: Target(**data[name]) for name in ("dataset", "model")})


if __name__ == "__main__":
    Path(sys.argv[2]).write_text(json.dumps(train(_read(Path(sys.argv[1])), Path(sys.argv[1]).parent)), "utf-8")
