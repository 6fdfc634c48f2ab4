"""One whole training in a process of its own, timed from the call of ``fit`` to its end.

The waits for tf.data's AUTOTUNE thread at the ends of epochs, which a projection leaves out, are noted beside it.

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
from autotuner.worker.iterators import iterators_released_aside
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


@dataclass(frozen=True)
class Whole:
    """What a training took."""

    seconds: float
    waited_seconds: float
    """Spent beside it in letting go of iterators, for which a training would have stood still."""


def whole(training: Training, folder: Path) -> Whole:
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
    return Whole(**json.loads(result.read_text("utf-8")))


def train(training: Training, folder: Path) -> Whole:
    """Compiles first, as the projection leaves compiling out; then one call of ``fit`` with all epochs."""
    recorded = checked(record(load(training.dataset)))
    recorded.live.put(CACHE_FILE, str(folder / "cache"))
    facts = Facts.from_json(training.facts)
    dataset = build(recorded, apply(recorded.pipeline, facts, Configuration(training.configuration)))
    model = load(training.model)()
    batches = calibrate(build(recorded), None, None, last_batch_rows(recorded.pipeline, facts)).batches
    KerasModel(model).warm_up(build(recorded), batches)
    with iterators_released_aside() as waits:
        started = time.perf_counter()
        model.fit(dataset, epochs=training.epochs, verbose=0)
        seconds = time.perf_counter() - started
    return Whole(seconds, waits.total_seconds())


def _read(path: Path) -> Training:
    data = json.loads(path.read_text("utf-8"))
    return Training(**data | {name: Target(**data[name]) for name in ("dataset", "model")})


if __name__ == "__main__":
    trained = train(_read(Path(sys.argv[1])), Path(sys.argv[1]).parent)
    Path(sys.argv[2]).write_text(json.dumps(asdict(trained)), "utf-8")
