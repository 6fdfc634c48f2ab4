from __future__ import annotations

import io
from dataclasses import dataclass, replace

import pytest
from rich.console import Console

from autotuner.cli.progress import Progress
from autotuner.measure.outcome import FailureKind
from tests.track.made_up import failed, measured, study_info, study_result

BASELINES = [measured(0, 75.2, "as_written", {}), measured(1, 78.0, "autotune", {}), measured(2, 60.0, "cores", {})]


@dataclass
class Clock:
    now: float = 1000.0

    def __call__(self) -> float:
        return self.now


def watching(*, terminal: bool = False, timeout: float | None = 600.0, width: int = 100) -> tuple[Progress, Clock]:
    console = Console(file=io.StringIO(), force_terminal=terminal, width=width, highlight=False, color_system=None)
    clock = Clock()
    return Progress(console, timeout, clock), clock


def printed(progress: Progress) -> list[str]:
    file = progress._console.file
    assert isinstance(file, io.StringIO)
    return file.getvalue().splitlines()


def up_to_the_search(progress: Progress) -> None:
    progress.phase_started("prepare")
    progress.study_started(study_info(), ())
    progress.phase_started("baselines")
    progress.ceiling_measured(228.0)
    for trial in BASELINES:
        progress.trial_finished(trial)
    progress.phase_started("search")


def test_a_log_has_one_line_for_each_event() -> None:
    progress, _ = watching()
    up_to_the_search(progress)
    progress.trial_finished(measured(3, 156.0, "guess", {"cache.after": "map[decode]"}))
    progress.trial_finished(failed(4, FailureKind.TIMEOUT, "no end within 60 s\nmore"))
    progress.message("something to know")
    assert printed(progress) == [
        "recording the pipeline and building the model",
        "7 decisions to search, 300 steps per epoch",
        "measuring the ceiling and the baselines",
        "    ceiling       228.0 steps/s  the model alone, on one batch",
        "  0 as_written     75.2 steps/s",
        "  1 autotune       78.0 steps/s",
        "  2 cores          60.0 steps/s",
        "best baseline: autotune, 34 % of the ceiling; other trials are compared with it",
        "searching",
        "  3 guess         156.0 steps/s   2.00x  cache.after=map[decode]",
        "  4 search     TIMEOUT: no end within 60 s",
        "note: something to know",
    ]


def test_the_live_line_says_phase_trial_best_ceiling_and_time_left() -> None:
    progress, clock = watching()
    up_to_the_search(progress)
    clock.now += 65
    progress.trial_finished(measured(3, 156.0))
    assert progress.line() == (
        "1:05 · searching · trial 4 · best 2.00x the best baseline · 68 % of the ceiling · 8:55 left"
    )


def test_nothing_is_compared_before_all_baselines_are_measured() -> None:
    progress, _ = watching()
    progress.phase_started("baselines")
    progress.ceiling_measured(228.0)
    for trial in BASELINES:
        progress.trial_finished(trial)
        assert "best" not in progress.line()
    assert not any("x  " in line for line in printed(progress))


@pytest.mark.parametrize(
    ("timeout", "passed", "left"),
    [(7200.0, 10.0, "1:59:50 left"), (60.0, 59.0, "0:01 left"), (60.0, 61.0, "time is up, finishing")],
)
def test_time_left(timeout: float, passed: float, left: str) -> None:
    progress, clock = watching(timeout=timeout)
    clock.now += passed
    assert progress.line().endswith(left)


def test_without_a_timeout_no_time_is_promised() -> None:
    progress, _ = watching(timeout=None)
    assert progress.line() == "0:00 · recording the pipeline and building the model"


def test_a_continued_study_counts_what_it_has() -> None:
    progress, _ = watching(timeout=600.0)
    progress.phase_started("prepare")
    earlier = [*BASELINES, measured(3, 156.0)]
    progress.study_started(study_info(), tuple(earlier))
    progress.phase_started("baselines")
    progress.phase_started("search")
    assert "continuing: 4 trials are already there" in printed(progress)
    assert "best baseline: autotune; other trials are compared with it" in printed(progress)
    assert progress.line().endswith("best 2.00x the best baseline · 9:46 left")


def test_the_confirmation_is_counted_once_each() -> None:
    progress, _ = watching()
    progress.phase_started("confirm")
    for done, planned in [(1, 4), (2, 4), (3, 4), (4, 4), (4, 4), (4, 4)]:
        progress.confirmation_round_finished(done, planned)
    assert printed(progress)[1:] == ["    1 of 4 measurements", "    4 of 4 measurements"]
    assert "4 of 4 measurements" in progress.line()


def test_on_a_terminal_a_trial_is_one_line() -> None:
    progress, _ = watching(terminal=True, width=50)
    up_to_the_search(progress)
    progress.trial_finished(measured(3, 156.0, "guess", dict.fromkeys(["a" * 30, "b" * 30], 1)))
    assert len(printed(progress)[-1].rstrip()) <= 50
    assert printed(progress)[-1].rstrip().endswith("…")


def test_a_failed_first_baseline_leaves_nothing_to_compare() -> None:
    progress, _ = watching()
    progress.phase_started("baselines")
    progress.trial_finished(replace(failed(0), role="as_written"))
    progress.close()
    assert printed(progress)[-1] == "  0 as_written ERROR: ValueError: no such file"


def test_the_result_passes_unchanged() -> None:
    result = study_result()
    assert watching()[0].study_finished(result) is result
