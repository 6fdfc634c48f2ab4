"""What one worker keeps between requests: the recorded pipeline, its facts, the compiled model."""

from __future__ import annotations

import functools
import shutil
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import tensorflow as tf

from autotuner.errors import IllegalConfigurationError, UserCodeError
from autotuner.machine import available_memory_bytes
from autotuner.measure.messages import Ceiling, Measure, Open, Opened, Profile, Profiled, Timing
from autotuner.measure.outcome import Failure, FailureKind, Measurement, Outcome
from autotuner.measure.turn_clock import Clock, TurnClock
from autotuner.pipeline import INFINITE, Configuration, Facts, Pipeline, to_json
from autotuner.pipeline.counts import rescaled
from autotuner.pipeline.structure import structure
from autotuner.rewrites import apply
from autotuner.rewrites.cache import CACHE_FILE, in_memory
from autotuner.tfdata.build import build
from autotuner.tfdata.counting import counted_steps
from autotuner.tfdata.examine import examine
from autotuner.tfdata.files import evict, files_read
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.profile import profile
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier
from autotuner.worker.calibrate import Calibration, calibrate, last_batch_rows
from autotuner.worker.chosen import chosen
from autotuner.worker.load import load, origin, parameters
from autotuner.worker.spans import NotEnoughStepsError, Rates
from autotuner.worker.timed_fit import Training, timed_fit
from autotuner.worker.trainee import Trainee, trainee
from autotuner.worker.twin import cache_bytes, caches, twin

_GLANCE = Timing(window_seconds=0.2, longest_seconds=0.2)
_LEAST_FILL_STEPS = 8


class Session:
    """Everything after a successful ``open``."""

    def __init__(self, request: Open) -> None:
        dataset_fn = load(request.dataset)
        self.parameters = parameters(dataset_fn)
        self.recorded: Recorded = checked(record(dataset_fn))
        self.facts: Facts = _facts(self.recorded, request)
        self._request = request
        self._calibration: Calibration = calibrate(
            build(self.recorded),
            request.steps_per_epoch,
            request.calibrated,
            last_batch_rows(self.recorded.pipeline, self.facts),
            functools.partial(counted_steps, self.recorded),
        )
        self._verifier = Verifier(self.recorded)
        self._cold = _cold_files(self.recorded) if request.cold else ()
        self._trainee: Trainee | None = None
        self._model_fingerprint = ""
        if request.model is not None:
            model_fn: Callable[[], object] = load(request.model)
            parameters(model_fn)
            self._trainee = trainee(model_fn)
            self._trainee.warm_up(build(self.recorded), self._calibration.batches)
            self._model_fingerprint = self._trainee.fingerprint(model_fn)
            if self._calibration.found.model_steps_per_second is None:
                self._calibration = self._calibration.with_model(self.ceiling(_GLANCE).steps_per_second)

    def new_folder(self) -> Path:
        """An empty folder for one trial's files."""
        return Path(tempfile.mkdtemp(prefix="autotuner-trial-", dir=self._request.scratch))

    def verify_emitted(self, emitted: Recorded, *, same_graph: bool) -> str:
        """Why the data of an emitted module is not the user's; empty when it is."""
        return self._verifier.check_other(emitted, same_graph=same_graph)

    def opened(self) -> Opened:
        """The answer to ``open``."""
        return Opened(
            pipeline=self.recorded.pipeline.to_json(),
            facts=self.facts.to_json(),
            calibrated=self._calibration.found,
            parameters=self.parameters,
            origin=origin(self._request.dataset),
            model_fingerprint=self._model_fingerprint,
            attributes={
                name: to_json(self.recorded.live.encode_attribute(value))
                for name, value in self.recorded.attributes.items()
            },
        )

    def ceiling(self, timing: Timing) -> Ceiling:
        """The training's rate where every batch is the same one, at hand: in epochs like the user's, as they cost too.

        A dataset that never ends is read by one iterator through all epochs, another by a new one in each.
        """
        steps = self._calibration.found.steps_per_epoch
        batch = tf.data.Dataset.from_tensors(self._calibration.batches[0])
        dataset, bound = (batch.repeat(), steps) if self._endless() else (batch.repeat(steps), None)
        rates = timed_fit(self._fitted(), dataset, timing, self._training, Clock(), steps=bound, fills=False)
        projected = rates.projected_seconds(self._request.epochs, steps)
        return Ceiling(self._request.epochs * steps / max(projected, 1e-9), rates.timed_seconds)

    @property
    def _training(self) -> Training:
        return Training(self._request.epochs, self._calibration.found.steps_per_epoch)

    def _endless(self) -> bool:
        return self._request.steps_per_epoch is not None or int(build(self.recorded).cardinality()) == INFINITE

    def profile(self, request: Profile) -> Profiled:
        """What each stage costs; with a model, what AUTOTUNE chooses under a fit."""
        found: dict[str, int] = {}
        if self._trainee is not None:
            steps = self._calibration.found.steps_per_epoch
            pipeline = apply(self.recorded.pipeline, self.facts, Configuration(request.autotune))
            found = chosen(self._trainee, self.recorded, pipeline, steps=steps, limit_seconds=request.limit_seconds)
        folder = self.new_folder()
        try:
            seen = profile(self.recorded, self.facts, folder, request.limit_seconds)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return Profiled(seen.costs, found, seen.stopped_by)

    def measure(self, request: Measure) -> Outcome:
        """Applies, verifies, builds and fits one configuration."""
        started = time.perf_counter()
        try:
            pipeline = apply(self.recorded.pipeline, self.facts, Configuration(request.configuration))
        except (IllegalConfigurationError, ValueError) as error:
            return Failure(FailureKind.ILLEGAL, str(error))
        shape = structure(pipeline)
        if reason := self._too_large(pipeline):
            return Failure(FailureKind.ILLEGAL, reason, structure=shape)
        folder = self.new_folder()
        try:
            # A file holds what memory holds; what differs is only where, and that is not worth another comparison.
            if request.verify and (reason := self._verifier.check(in_memory(pipeline))):
                return Failure(FailureKind.NOT_EQUIVALENT, reason, structure=shape)
            self.recorded.live.put(CACHE_FILE, str(folder / "trial"))
            evict(self._cold)
            rates = self._fit(pipeline, request.timing, _clock(request))
        except NotEnoughStepsError as error:
            return Failure(FailureKind.ERROR, str(error), structure=shape)
        finally:
            shutil.rmtree(folder, ignore_errors=True)
        return self._measurement(rates, shape, time.perf_counter() - started)

    def _fit(self, pipeline: Pipeline, timing: Timing, clock: Clock) -> Rates:
        whole = self._calibration.found.steps_per_epoch
        fills = bool(caches(pipeline))
        affordable = max(_LEAST_FILL_STEPS, round(self._calibration.found.affordable_steps(timing.fill_seconds)))
        steps = whole
        if fills and affordable < whole:
            shorter = twin(pipeline, rescaled(self.facts, pipeline), steps=affordable, steps_per_epoch=whole)
            pipeline, steps = (pipeline, whole) if shorter is None else (shorter, affordable)
        dataset = build(self.recorded, pipeline)
        if int(dataset.cardinality()) == INFINITE:
            return timed_fit(self._fitted(), dataset, timing, self._training, clock, steps=steps, fills=fills)
        if self._request.steps_per_epoch is not None:
            # The user's epoch need not be the dataset's.
            return timed_fit(self._fitted(), dataset.repeat(), timing, self._training, clock, steps=steps, fills=fills)
        return timed_fit(self._fitted(), dataset, timing, self._training, clock, steps=None, fills=fills)

    def _too_large(self, pipeline: Pipeline) -> str:
        memory, disk = cache_bytes(pipeline, rescaled(self.facts, pipeline), self._calibration.found.steps_per_epoch)
        free = {
            "memory": self._free_memory_bytes(),
            "disk": shutil.disk_usage(self._request.scratch or tempfile.gettempdir()).free,
        }
        for where, needed in (("memory", memory), ("disk", disk)):
            allowed = free[where] * self._request.max_share_of_free_memory
            if needed > allowed:
                return (
                    f"the cache would take {needed / 1e9:.1f} GB of {where}; {allowed / 1e9:.1f} GB may be used for it"
                )
        return ""

    def _free_memory_bytes(self) -> int:
        free, limit = available_memory_bytes(), self._request.memory_limit_bytes
        return free if limit is None else max(0, min(free, limit - psutil.Process().memory_info().rss))

    def _fitted(self) -> Trainee:
        if self._trainee is None:
            raise UserCodeError("there is no model to fit", "give a model function as well")
        return self._trainee

    def _measurement(self, rates: Rates, shape: str, wall_seconds: float) -> Measurement:
        epochs, steps = self._request.epochs, self._calibration.found.steps_per_epoch
        projected = rates.projected_seconds(epochs, steps)
        return Measurement(
            projected_seconds=projected,
            steps_per_second=steps * epochs / max(projected, 1e-9),
            time_to_first_batch_seconds=rates.time_to_first_batch_seconds(steps),
            first_epoch_steps_per_second=rates.first.rate,
            later_epoch_steps_per_second=rates.later.rate,
            epoch_start_seconds=rates.epoch_start_seconds,
            timed_steps=rates.first.steps + (rates.later.steps if rates.later is not rates.first else 0),
            timed_seconds=rates.timed_seconds,
            stalls=rates.stalls,
            peak_rss_bytes=0,
            cpu_seconds_per_step=rates.later.cpu_seconds / max(rates.later.steps, 1),
            wall_seconds=wall_seconds,
            structure=shape,
            pruned=rates.pruned,
        )


def _clock(request: Measure) -> Clock:
    return Clock() if request.clock is None else TurnClock(Path(request.clock))


def _cold_files(recorded: Recorded) -> tuple[Path, ...]:
    files = files_read(recorded)
    if not files:
        raise UserCodeError(
            "cold reads were asked for, but no stage of the pipeline names a file",
            "files that only Python code opens are not seen; measure without --cold",
        )
    return files


def _facts(recorded: Recorded, request: Open) -> Facts:
    """Those of the first worker, as far as this one recorded the same pipeline."""
    known = Facts.from_json(request.facts or {})
    same = known.by_path.keys() == {op.label for op in recorded.pipeline.ops}
    return known if same else examine(recorded, request.keep)
