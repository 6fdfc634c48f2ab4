"""Made-up studies, trials and results, as realistic as names and numbers get without TensorFlow."""

from __future__ import annotations

import random

from autotuner.measure.outcome import Failure, FailureKind, Measurement
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import AblationEntry, Interval, StudyResult, TrialCounts, Verdict
from autotuner.pipeline import Configuration, DecisionValue

START = 1_790_000_000.0
DECISIONS: dict[str, DecisionValue] = {
    "map[decode].num_parallel_calls": None,
    "map[decode#2].num_parallel_calls": 4,
    "interleave[0].cycle_length": "AUTOTUNE",
    "cache.after": None,
    "prefetch[end].buffer_size": None,
    "options.private_threadpool_size": 0,
    "map[normalize].vectorize": False,
}
MACHINE = {"cores": 2, "memory_bytes": 25_769_803_776, "gpu": None, "tensorflow": "2.21.0", "fingerprint": "f00dfeed"}


def study_info(name: str = "jpeg-study", folder: str = "/data/tuned", signature: str = "abc123") -> StudyInfo:
    return StudyInfo(
        name=name,
        folder=folder,
        dataset_target="pipeline.py:dataset_fn",
        model_target="pipeline.py:model_fn",
        preset="default",
        epochs=10,
        steps_per_epoch=300,
        decisions=DECISIONS,
        machine=MACHINE,
        pipeline_signature=signature,
    )


def measured(
    number: int, rate: float = 100.0, role: str = "search", parameters: dict[str, DecisionValue] | None = None
) -> TrialRecord:
    measurement = Measurement(
        projected_seconds=3_000 / rate,
        steps_per_second=rate,
        time_to_first_batch_seconds=0.3,
        first_epoch_steps_per_second=rate * 0.8,
        later_epoch_steps_per_second=rate * 1.05,
        epoch_start_seconds=0.1,
        timed_steps=250,
        timed_seconds=2.5,
        stalls=1,
        peak_rss_bytes=900_000_000,
        cpu_seconds_per_step=0.011,
        wall_seconds=3.4,
        structure="5tructure",
    )
    chosen: dict[str, DecisionValue] = (
        {"map[decode#2].num_parallel_calls": 8, "cache.after": None} if parameters is None else parameters
    )
    return TrialRecord(
        number=number,
        role=role,
        configuration=Configuration(chosen),
        parameters=chosen,
        outcome=measurement,
        started_at_seconds=START + 5 * number,
        finished_at_seconds=START + 5 * number + 3.4,
        ratio_to_best_baseline=rate / 78.0,
        ratio_to_ceiling=rate * 1.05 / 228.0,
    )


def failed(
    number: int, kind: FailureKind = FailureKind.ERROR, message: str = "ValueError: no such file"
) -> TrialRecord:
    return TrialRecord(
        number=number,
        role="search",
        configuration=Configuration({"cache.after": "map[decode]"}),
        parameters={"cache.after": "map[decode]"},
        outcome=Failure(kind, message, "Traceback (most recent call last):\n  boom\nValueError: no such file", 1.5),
        started_at_seconds=START + 5 * number,
        finished_at_seconds=START + 5 * number + 1.5,
    )


def study_trials(count: int, seed: int = 7) -> list[TrialRecord]:
    """A whole study: baselines, slow improvement with noise, now and then a failure."""
    luck = random.Random(seed)  # noqa: S311 - the same trials every time, nothing secret
    trials = [measured(0, 75.2, "as_written", {}), measured(1, 78.0, "autotune", {}), measured(2, 77.1, "cores", {})]
    for number in range(3, count):
        if luck.random() < 0.08:
            kind = luck.choice([FailureKind.TIMEOUT, FailureKind.NOT_EQUIVALENT, FailureKind.ERROR])
            trials.append(failed(number, kind, f"{kind}: the worker gave no number"))
        else:
            reached = 70 + 110 * (1 - 0.97**number)
            trials.append(measured(number, reached * luck.uniform(0.45, 1.02)))
    return trials


def study_result(study: str = "jpeg-study", verdict: Verdict = Verdict.IMPROVED) -> StudyResult:
    return StudyResult(
        study=study,
        verdict=verdict,
        reason="Five rounds in fresh processes agree: the tuned pipeline beats the best baseline.",
        speedup=Interval(2.12, 2.31, 2.52) if verdict is Verdict.IMPROVED else None,
        speedup_baseline="autotune",
        speedup_over={
            "as_written": Interval(2.2, 2.4, 2.61),
            "autotune": Interval(2.12, 2.31, 2.52),
            "cores": Interval(2.15, 2.34, 2.55),
        },
        steps_per_second={"as_written": 75.2, "autotune": 78.0, "cores": 77.1, "tuned": 180.3, "ceiling": 228.0},
        epochs=10,
        projected_seconds={"as_written": 410.0, "autotune": 395.0, "cores": 399.0, "tuned": 190.5},
        trials=TrialCounts(84, 20, 3, 1),
        wall_seconds=598.2,
        timed_seconds=431.0,
        configuration={"cache.after": "map[decode]", "prefetch[end].buffer_size": 4, "map[normalize].vectorize": True},
        machine=MACHINE,
        ablation=(
            AblationEntry("cache.after", 0.49, kept=True),
            AblationEntry("map[normalize].vectorize", 0.83, kept=True),
            AblationEntry("interleave[0].cycle_length", 1.0, kept=False),
        ),
        notes=("TensorFlow repeats every epoch's augmentation because the global seed is set.",),
    )
