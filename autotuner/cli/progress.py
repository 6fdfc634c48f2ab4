"""Shows a running study: a live line on a terminal, plain lines elsewhere. Always on standard error."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping

from rich.console import Console
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from autotuner.measure.outcome import Failure, Measurement
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult
from autotuner.pipeline import DecisionValue

_PHASES = {
    "prepare": "recording the pipeline and building the model",
    "baselines": "measuring the ceiling and the baselines",
    "search": "searching",
    "ablate": "undoing each change of the best trial, to keep what pays",
    "confirm": "confirming in fresh processes",
    "emit": "writing and checking the code",
}
_BASELINES = {"as_written", "autotune", "cores"}


@contextlib.contextmanager
def progress(timeout_seconds: float | None = None) -> Iterator[Progress]:
    """A progress display that is cleared away when the study ends, however it ends."""
    console = Console(stderr=True, highlight=False)
    shown = Progress(console, timeout_seconds)
    if not console.is_terminal:
        yield shown
        return
    with Live(shown, console=console, refresh_per_second=4, transient=True):
        yield shown


class Progress:
    """An observer that can be rendered: phase, trial, best so far, share of the ceiling, time left.

    Args:
        console: where lines go.
        timeout_seconds: of the whole study, earlier runs of it included; ``None`` where it has none.
        clock: seconds that only grow.
    """

    def __init__(
        self, console: Console, timeout_seconds: float | None = None, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._console = console
        self._timeout_seconds = timeout_seconds
        self._clock = clock
        self._started = clock()
        self._earlier_seconds = 0.0
        self._phase = "prepare"
        self._trials = 0
        self._detail = ""
        self._baselines: dict[str, Measurement] = {}
        self._best: Measurement | None = None
        self._ceiling: float | None = None
        self._spinner = Spinner("dots")

    def __rich__(self) -> Table:
        table = Table.grid(padding=(0, 1))
        table.add_row(self._spinner, Text(self.line(), overflow="ellipsis", no_wrap=True))
        return table

    def line(self) -> str:
        """The live line, without its spinner."""
        parts = [_minutes(self._clock() - self._started), _PHASES[self._phase]]
        if self._phase == "search":
            parts.append(f"trial {self._trials}")
        if self._detail:
            parts.append(self._detail)
        best_baseline = self._best_baseline_seconds()
        if self._best is not None and best_baseline is not None and self._phase != "baselines":
            parts.append(f"best {best_baseline / self._best.projected_seconds:.2f}x the best baseline")
            if self._ceiling:
                parts.append(f"{100 * self._best.steps_per_second / self._ceiling:.0f} % of the ceiling")
        if left := self._time_left():
            parts.append(left)
        return " · ".join(parts)

    def phase_started(self, phase: str) -> None:
        """Says what begins."""
        if self._phase == "baselines":
            self._say_best_baseline()
        self._phase, self._detail = phase, ""
        self._print(_PHASES[phase])

    def study_started(self, study: StudyInfo, finished: tuple[TrialRecord, ...]) -> None:
        """Says what is searched, and what is already known from before."""
        self._print(f"{len(study.decisions)} decisions to search, {study.steps_per_epoch} steps per epoch")
        if finished:
            count = f"{len(finished)} trials are" if len(finished) > 1 else "1 trial is"
            self._print(f"continuing: {count} already there")
        for trial in finished:
            self._take_in(trial)
            self._earlier_seconds += trial.finished_at_seconds - trial.started_at_seconds

    def ceiling_measured(self, steps_per_second: float) -> None:
        """Says how fast the model is alone."""
        self._ceiling = steps_per_second
        self._print(f"    ceiling    {steps_per_second:8.1f} steps/s  the model alone, on one batch")

    def trial_finished(self, trial: TrialRecord) -> None:
        """One line for each trial; those of baselines are compared when all are there."""
        self._take_in(trial)
        outcome = trial.outcome
        line = f"{trial.number:3d} {trial.role:<10} "
        if isinstance(outcome, Failure):
            self._print_cut(f"{line}{outcome.kind.value}: {outcome.message.partition(chr(10))[0]}")
            return
        line += f"{outcome.steps_per_second:8.1f} steps/s"
        best_baseline = self._best_baseline_seconds()
        if trial.role not in _BASELINES and best_baseline is not None:
            line += f"  {best_baseline / outcome.projected_seconds:5.2f}x  {_changes(trial.configuration)}"
        self._print_cut(line)

    def confirmation_round_finished(self, done: int, planned: int) -> None:
        """Counts the measurements in fresh processes."""
        detail = f"{done} of {planned} measurements"
        told = detail == self._detail or self._console.is_terminal
        self._detail = detail
        if done in {1, planned} and not told:
            self._print(f"    {detail}")

    def message(self, text: str) -> None:
        """Something the user should know."""
        self._print(f"note: {text}")

    def study_finished(self, result: StudyResult) -> StudyResult:
        """The verdict is told by the command."""
        return result

    def close(self) -> None:
        """Nothing to put away."""

    def _take_in(self, trial: TrialRecord) -> None:
        self._trials = max(self._trials, trial.number + 1)
        measured = trial.measurement
        if measured is None:
            return
        if trial.role in _BASELINES:
            self._baselines[trial.role] = measured
        if self._best is None or measured.projected_seconds < self._best.projected_seconds:
            self._best = measured

    def _best_baseline_seconds(self) -> float | None:
        return min((item.projected_seconds for item in self._baselines.values()), default=None)

    def _say_best_baseline(self) -> None:
        if not self._baselines:
            return
        name, best = min(self._baselines.items(), key=lambda item: item[1].projected_seconds)
        share = f", {100 * best.steps_per_second / self._ceiling:.0f} % of the ceiling" if self._ceiling else ""
        self._print(f"best baseline: {name}{share}; other trials are compared with it")

    def _time_left(self) -> str:
        if self._timeout_seconds is None:
            return ""
        left = self._timeout_seconds - self._earlier_seconds - (self._clock() - self._started)
        return f"{_minutes(left)} left" if left > 0 else "time is up, finishing"

    def _print(self, text: str) -> None:
        self._console.print(text, markup=False, soft_wrap=True)

    def _print_cut(self, text: str) -> None:
        """On a terminal one line each, so that the columns can be read; whole in a log."""
        if self._console.is_terminal:
            self._console.print(Text(text), no_wrap=True, overflow="ellipsis")
        else:
            self._print(text)


def _minutes(seconds: float) -> str:
    minutes, rest = divmod(int(max(seconds, 0)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _changes(configuration: Mapping[str, DecisionValue]) -> str:
    return ", ".join(f"{name}={value}" for name, value in configuration.items()) or "as written"
