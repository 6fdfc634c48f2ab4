"""A made-up machine on which a study takes milliseconds: a pipeline, and how fast each configuration is."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from autotuner.machine import Machine
from autotuner.measure.messages import Calibrated, Ceiling, Opened
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.replay_runner import ReplayRunner
from autotuner.measure.result import StudyResult
from autotuner.pipeline import AUTOTUNE, Configuration, Facts, Op, OpFacts, Pipeline
from autotuner.search.budget import Budget
from autotuner.search.conclusion import Conclusion, StudyPlan
from autotuner.search.store import StudyStore
from autotuner.search.study import Study
from autotuner.space import load_preset

EPOCHS, STEPS = 10, 100
CEILING = 300.0
PIPELINE = Pipeline(
    (
        Op("from_tensor_slices[0]", "from_tensor_slices"),
        Op("map[decode]", "map", "from_tensor_slices[0]"),
        Op("shuffle[0]", "shuffle", "map[decode]", (("buffer_size", 100),)),
        Op("map[augment]", "map", "shuffle[0]"),
        Op("batch[0]", "batch", "map[augment]", (("batch_size", 32),)),
    )
)
FACTS = Facts(
    {
        op.label: OpFacts(
            cardinality=3200, element_bytes=1000.0, random=("RandomUniform",) * (op.label == "map[augment]")
        )
        for op in PIPELINE.ops
    }
)
OPENED = Opened(PIPELINE.to_json(), FACTS.to_json(), Calibrated(STEPS, 100.0, [32]), "")
MACHINE = Machine(cores=2, memory_bytes=16 << 30)

Speed = Callable[[Configuration], float | Failure]


def measurement(rate: float) -> Measurement:
    return Measurement(
        projected_seconds=STEPS * EPOCHS / rate,
        steps_per_second=rate,
        time_to_first_batch_seconds=0.1,
        first_epoch_steps_per_second=rate,
        later_epoch_steps_per_second=rate,
        epoch_start_seconds=0.05,
        timed_steps=100,
        timed_seconds=2.0,
        stalls=0,
        peak_rss_bytes=10**9,
        cpu_seconds_per_step=0.01,
        wall_seconds=2.5,
        structure="shape",
    )


def real_gain(configuration: Configuration) -> float:
    """50 steps/s as written; parallel decoding gives 1.4x, a cache behind it 2x."""
    rate = 50.0
    if configuration.get("cache.after") == "map[decode]":
        rate *= 2.0
    elif configuration.get("map[decode].num_parallel_calls") in {2, 4, 8, 16, AUTOTUNE}:
        rate *= 1.4
    return rate


def no_gain(configuration: Configuration) -> float:
    del configuration
    return 50.0


@dataclass
class Heard:
    """An observer that remembers."""

    phases: list[str] = field(default_factory=list)
    trials: list[TrialRecord] = field(default_factory=list)
    earlier: list[tuple[TrialRecord, ...]] = field(default_factory=list)
    rounds: list[tuple[int, int]] = field(default_factory=list)

    def phase_started(self, phase: str) -> None:
        self.phases.append(phase)

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        del study
        self.earlier.append(finished)

    def ceiling_measured(self, steps_per_second: float) -> None:
        pass

    def trial_finished(self, trial: TrialRecord) -> None:
        self.trials.append(trial)

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        self.rounds.append((done, planned))

    def message(self, text: str) -> None:
        pass

    def study_finished(self, result: StudyResult) -> StudyResult:
        return result

    def close(self) -> None:
        pass


@dataclass
class World:
    """One folder, one speed law; every :meth:`study` is one call of the user's command."""

    folder: Path
    speed: Speed = real_gain
    noise: float = 0.0
    ceiling: float = CEILING
    trials: int | None = 20
    preset: str = "default"
    machine: Machine = MACHINE
    opened: Opened = OPENED
    heard: Heard = field(default_factory=Heard)
    seed: int = 1

    def runner(self) -> ReplayRunner:
        rng = random.Random(self.seed)  # noqa: S311 - noise, not secrets

        def outcome(configuration: Configuration) -> Outcome:
            rate = self.speed(configuration)
            return rate if isinstance(rate, Failure) else measurement(rate * rng.lognormvariate(0.0, self.noise))

        return ReplayRunner(self.opened, outcome, ceiling=Ceiling(self.ceiling, 2.0))

    def store(self) -> StudyStore:
        return StudyStore(f"sqlite:///{self.folder / 'study.db'}", "made-up", seed=self.seed)

    def study(self, runner: ReplayRunner | None = None) -> Conclusion:
        plan = StudyPlan(
            name="made-up",
            folder=str(self.folder),
            dataset_target="data.py:dataset_fn",
            model_target="data.py:model_fn",
            epochs=EPOCHS,
            preserve=None,
            preset=load_preset(self.preset),
            machine=self.machine,
        )
        budget = Budget(timeout_seconds=None, trials=self.trials)
        return Study(runner or self.runner(), self.store(), plan, budget, self.heard).run()


def failure(kind: FailureKind = FailureKind.ERROR) -> Failure:
    return Failure(kind, "it broke", "Traceback: …")
