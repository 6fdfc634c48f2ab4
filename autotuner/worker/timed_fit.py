"""Times a real training by its batch boundaries, for as long as it takes to know."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import tensorflow as tf

from autotuner.measure.messages import Timing
from autotuner.measure.turn_clock import Clock
from autotuner.worker.iterators import iterators_released_aside
from autotuner.worker.spans import Epoch, NotEnoughStepsError, Rates, Reading, rates_of, span_of, starts_of
from autotuner.worker.stalls import is_suspect
from autotuner.worker.trainee import Trainee

_ENOUGH_READINGS = 8
_MOST_WINDOWS = 6.0
"""A window is kept open this many times its length for a pipeline that gives fewer than ``_ENOUGH_READINGS``."""
_LOOK_SHARE = 0.25
"""Of a window, between two looks at what was seen so far."""
_LEAST_LOOK_SECONDS = 0.25
_SURE = 0.995
"""Confidence with which a fit that is ended early could not come in under the time it had to beat."""
_LEAST_TO_PRUNE_SECONDS = 1.0
"""``AUTOTUNE`` needs about as long to find its pace."""


@dataclass(frozen=True)
class Training:
    """The training that a fit is timed for."""

    epochs: int
    steps_per_epoch: int


class Timer:
    """Notes batch boundaries; ends the fit when enough is known, or when it cannot be fast enough any more.

    See :class:`autotuner.worker.trainee.Watching`. A step that may be on its way still is waited for only when the
    clock is to be believed: at an epoch's first step and at each look.
    """

    def __init__(self, timing: Timing, training: Training, clock: Clock, *, fills: bool, steps: int | None) -> None:
        self._timing = timing
        self._training = training
        self._clock = clock
        self._fills = fills
        self._steps = steps
        self.epochs: list[Epoch] = []
        self.pruned = False
        self._window_from = 0.0
        self._next_look = 0.0
        self._looking_seconds = 0.0
        self._enough = False

    def epoch_began(self) -> bool:
        """Opens an epoch; the window lies in later ones, if there are any."""
        now = self._now()
        if len(self.epochs) == 1:
            self._open_window(now)
        self.epochs.append(Epoch(now, time.process_time()))
        return False

    def step_ended(self, batch: int, wait: Callable[[], None]) -> bool:
        """Notes the step; ends the fit when enough was seen."""
        readings = self.epochs[-1].readings
        if not readings or self._now() >= self._next_look:
            wait()
        # Keras counts the last execution of several steps as whole, even if the epoch ended in it.
        done = min(batch + 1, self._steps or batch + 1)
        reading = Reading(self._now(), done, time.process_time())
        readings.append(reading)
        if len(self.epochs) == 1 and len(readings) == 1:
            self._open_window(reading.at_seconds)
        return reading.at_seconds >= self._next_look and self._is_done(reading.at_seconds - self._window_from)

    def epoch_ended(self, *, complete: bool) -> bool:
        """Closes an epoch; a dataset that can be read only once would be empty for ever."""
        self.epochs[-1].complete = complete
        return not self.epochs[-1].readings

    def _now(self) -> float:
        """Looking takes time, which is not the pipeline's."""
        return self._clock.now() - self._looking_seconds

    def _open_window(self, now: float) -> None:
        self._window_from = now
        self._enough = False
        self._next_look = now + self._look_seconds()

    def _look_seconds(self) -> float:
        return max(_LEAST_LOOK_SECONDS, _LOOK_SHARE * self._timing.window_seconds)

    def _is_done(self, since: float) -> bool:
        started = self._clock.now()
        if not self._enough and (len(self.epochs) > 1 or not self._fills):
            self._enough = self._knows_enough(self.epochs, since)
        self._next_look += self._look_seconds()
        self._looking_seconds += self._clock.now() - started
        return self._clock.ends(enough=self._enough)

    def _knows_enough(self, epochs: list[Epoch], since: float) -> bool:
        if since >= self._timing.window_seconds * _MOST_WINDOWS:
            return True
        try:
            rates = rates_of(epochs, fills=self._fills)
        except NotEnoughStepsError:
            return False
        self.pruned = since >= _LEAST_TO_PRUNE_SECONDS and self._is_hopeless(rates)
        return self.pruned or self._is_precise(epochs, rates, since)

    def _is_hopeless(self, rates: Rates) -> bool:
        beat = self._timing.beat_seconds
        if beat is None:
            return False
        return rates.least_seconds(self._training.epochs, self._training.steps_per_epoch, _SURE) > beat

    def _is_precise(self, epochs: list[Epoch], rates: Rates, since: float) -> bool:
        starts = starts_of(epochs)
        if len(starts) == 1 and is_suspect(starts[0]):
            return False
        if len(epochs) > 1:
            span = rates.later
            useful = since - math.fsum(span.stalled) - math.fsum(rates.stalled_starts)
        else:
            span = span_of(epochs, warm=True)
            useful = span.seconds
        if useful < self._timing.window_seconds or len(span.gaps) < _ENOUGH_READINGS:
            return False
        return useful >= self._timing.longest_seconds or span.relative_error <= self._timing.relative_error


def timed_fit(
    trainee: Trainee,
    dataset: tf.data.Dataset,
    timing: Timing,
    training: Training,
    clock: Clock,
    *,
    steps: int | None,
    fills: bool,
) -> Rates:
    """Fits ``trainee`` on ``dataset`` until enough is known of its rates.

    ``steps`` bounds the epochs of an endless dataset. With ``fills`` the first epoch fills a cache: it is timed
    whole, and the window lies in the epochs after it.

    Raises:
        NotEnoughStepsError: fewer than three steps came.
    """
    length = int(dataset.cardinality())
    timer = Timer(timing, training, clock, fills=fills, steps=steps or (length if length > 0 else None))
    clock.begin()
    started = clock.now()
    with iterators_released_aside():
        trainee.fit(dataset, timer, steps=steps)
    seconds = clock.now() - started
    return replace(rates_of(timer.epochs, fills=fills), timed_seconds=seconds, pruned=timer.pruned)


__all__ = ["NotEnoughStepsError", "Rates", "Timer", "Training", "timed_fit"]
