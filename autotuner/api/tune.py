"""``autotune``: from two functions to a verdict."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from autotuner.api.emission import Code
from autotuner.api.finish import finish, wanted_of
from autotuner.api.folder import RunFolder
from autotuner.api.held_gpu import refuse_held_gpu
from autotuner.api.reuse import StoredResult, answered, question_of, stored_answer, stored_result, study_name
from autotuner.api.stored_run import StoredRun
from autotuner.api.targets import Function, check, live, target
from autotuner.api.tune_result import TuneResult
from autotuner.errors import UsageError
from autotuner.machine import Machine
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Open
from autotuner.measure.observer import Observer
from autotuner.measure.result import StudyResult
from autotuner.measure.target import Target
from autotuner.rewrites import Preserves
from autotuner.search.budget import Budget, parse_duration
from autotuner.search.conclusion import Prepared, StudyPlan
from autotuner.search.observers import Observers
from autotuner.search.store import StudyStore
from autotuner.search.study import Study
from autotuner.space import Preset, load_preset
from autotuner.track import MlflowObserver

_OUT = "tuned"
_OPEN_SECONDS, _OPEN_TRIALS = 60.0, 4.0
"""Importing, recording and compiling may take so long, and so many times as long as a trial."""


def autotune(  # noqa: PLR0913 - every option is the user's to name
    dataset_fn: Function,
    model_fn: Function,
    *,
    epochs: int = 10,
    steps_per_epoch: int | None = None,
    timeout: str | float | None = "10m",
    trials: int | None = None,
    preset: str | Preset = "default",
    preserve: str = "auto",
    keep: Sequence[str] = (),
    out: str | Path = _OUT,
    study: str | None = None,
    storage: str | None = None,
    seed: int | None = None,
    tracking_uri: str | None = None,
    trial_timeout: str | float = 60.0,
    memory_limit_bytes: int | None = None,
    cold: bool = False,
    reuse: bool = False,
    observers: Sequence[Observer] = (),
) -> TuneResult:
    """Finds the pipeline that trains fastest on this machine and yields the same data.

    Repeating a call with the same functions and ``out`` continues the study stored there.

    Args:
        dataset_fn: makes the ``tf.data.Dataset`` that ``fit`` is given; or ``"file.py:name"``, ``"module:name"``.
        model_fn: makes the compiled Keras model, of any backend, or a function ``train_step(batch)`` that carries out
            one step of a training loop of your own; likewise.
        epochs: epochs of the training to be; a cache pays from the second one on.
        steps_per_epoch: as in ``fit``; needed where the dataset is endless or its length unknown.
        timeout: time for the whole study, e.g. ``"10m"``; ``None`` for no limit but ``trials``.
        trials: how many configurations may be measured, the three baselines included.
        preset: how far to search: a name, a TOML file, or a loaded preset.
        keep: labels of stages to leave as they are, e.g. ``["map[augment]"]``; see :func:`autotuner.barrier`.
        preserve: ``"auto"``, ``"SEQUENCE"``, ``"MULTISET"`` or ``"DISTRIBUTION"``.
        out: the run's folder.
        study: its name; by default made from the dataset function's.
        storage: Optuna RDB URL; a SQLite file in ``out`` by default.
        seed: of the sampler.
        tracking_uri: MLflow's; else ``MLFLOW_TRACKING_URI``, else MLflow's default.
        trial_timeout: wall limit of one trial.
        memory_limit_bytes: for the worker's process tree; four fifths of the usable memory by default.
        cold: evict the files that the pipeline names from the page cache before each trial, so that slow first reads
            are measured as they are. An epoch longer than the window counts as read from storage every time, as
            where the data are larger than the memory.
        reuse: give the result that is stored in ``out`` at once where pipeline, model, machine and options are those it
            was found with, unless it is ``INCONCLUSIVE``; otherwise say what differs, and tune, in a study of its own.
        observers: are told of every phase and trial.

    Raises:
        UsageError: an argument makes no sense.
        UserCodeError: one of the functions fails; the message says where.
        StudyError: ``out`` holds another study, or is in use.
        AutotunerError: ``out`` cannot be written to, TensorFlow is missing, or this process holds the GPU.
    """
    machine = Machine.detect()
    refuse_held_gpu(machine)
    check(dataset_fn, "dataset_fn")
    check(model_fn, "model_fn")
    _check_epochs(epochs, steps_per_epoch)
    chosen, kept = load_preset(preset) if isinstance(preset, str) else preset, _preserve(preserve)
    budget, limits = _budget(timeout, trials), _limits(trial_timeout, memory_limit_bytes, machine)
    watching = Observers(observers)
    tracker = MlflowObserver(notify=watching.message, uri=tracking_uri)
    watching.add(tracker)
    with RunFolder.at(Path(out)) as folder, closing(watching):
        request = Open(
            dataset=target(dataset_fn, folder.function("dataset_fn")),
            model=target(model_fn, folder.function("model_fn")),
            sys_path=search_path(),
            epochs=epochs,
            steps_per_epoch=steps_per_epoch,
            keep=list(keep),
            cold=cold,
            max_share_of_free_memory=chosen.cache_memory_share,
            memory_limit_bytes=limits.memory_bytes,
        )
        plan = StudyPlan(
            name=study or f"{_stem(request.dataset)}-{folder.path.name}",
            folder=str(folder.path),
            dataset_target=str(request.dataset),
            model_target=str(request.model),
            epochs=epochs,
            preserve=kept,
            preset=chosen,
            machine=machine,
            cold=cold,
        )
        with closing(LocalRunner(request, folder.worker_log, limits)) as runner:
            watching.phase_started("prepare")
            prepared = Prepared.of(runner.open())
            question = question_of(prepared, plan, request)
            if reuse:
                found = stored_result(folder, question)
                if isinstance(found, StoredResult):
                    watching.message("the stored result is of the same pipeline, model and machine: it is given again")
                    return _result(found.summary, found.code, prepared, folder, dataset_fn, str(request.dataset))
                watching.message(f"nothing can be reused: {found}")
                plan = plan if study else replace(plan, name=study_name(folder, question, plan.name))
            store = StudyStore(storage or folder.study_url, plan.name, seed)
            run = StoredRun.of(request, plan.name, storage or "")
            replace(run, answer=stored_answer(folder)).save(folder)  # of the result that is there until the study ends
            conclusion = Study(runner, store, plan, budget, watching).run(prepared)
            run.save(folder)
            result, code = finish(conclusion, runner, folder, watching)
            replace(run, answer=answered(question, code)).save(folder)
        tracker.log_artifacts(folder.path)
    return _result(result, code, prepared, folder, dataset_fn, str(request.dataset))


def _result(
    summary: StudyResult, code: Code, prepared: Prepared, folder: RunFolder, dataset_fn: Function, target: str
) -> TuneResult:
    wanted = wanted_of(summary, prepared, target)
    return TuneResult(summary, folder.path, live(dataset_fn), wanted, code)


def _check_epochs(epochs: int, steps_per_epoch: int | None) -> None:
    if epochs < 1:
        raise UsageError(f"{epochs} epochs is not a training", "give one epoch at least")
    if steps_per_epoch is not None and steps_per_epoch < 1:
        raise UsageError(f"{steps_per_epoch} steps is not an epoch", "give one step at least")


def _budget(timeout: str | float | None, trials: int | None) -> Budget:
    if timeout is None and trials is None:
        raise UsageError("the study has no end", "give a timeout, a number of trials, or both")
    return Budget(None if timeout is None else parse_duration(timeout), trials)


def _limits(trial_timeout: str | float, memory_limit_bytes: int | None, machine: Machine) -> Limits:
    if memory_limit_bytes is not None and memory_limit_bytes < 1:
        raise UsageError(f"{memory_limit_bytes} bytes is not a memory limit", "give what the worker may use")
    limits = Limits.of(machine)
    seconds = parse_duration(trial_timeout)
    return replace(
        limits,
        trial_seconds=seconds,
        open_seconds=_OPEN_SECONDS + _OPEN_TRIALS * seconds,
        memory_bytes=limits.memory_bytes if memory_limit_bytes is None else memory_limit_bytes,
    )


def _stem(dataset: Target) -> str:
    return dataset.name if dataset.kind == "pickle" else f"{Path(dataset.location).stem}-{dataset.name}"


def _preserve(text: str) -> Preserves | None:
    if text == "auto":
        return None
    try:
        return Preserves(text)
    except ValueError as error:
        raise UsageError(f"preserve cannot be {text!r}", "auto, SEQUENCE, MULTISET or DISTRIBUTION") from error
