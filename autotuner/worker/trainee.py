"""What is trained again and again: a compiled Keras model of any backend, or the user's own training step."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

import keras
import tensorflow as tf

from autotuner.errors import UserCodeError
from autotuner.tfdata.function_digest import digest_of
from autotuner.worker.model_fingerprint import function_fingerprint, model_fingerprint

_ENDLESS_EPOCHS = 1_000_000


class Watching(Protocol):
    """Is told of every epoch and step, and says when to stop."""

    def epoch_began(self) -> bool:
        """An epoch begins; true to end the training instead."""
        ...

    def step_ended(self, batch: int, wait: Callable[[], None]) -> bool:
        """Batch ``batch`` of the epoch is done; true to end the training.

        On an accelerator it may only be on its way: ``wait`` returns when it is done.
        """
        ...

    def epoch_ended(self, *, complete: bool) -> bool:
        """An epoch ended, by itself where it is ``complete``; true to end the training."""
        ...


class Trainee(Protocol):
    """Trains on one dataset after the other, in the same process, with what was compiled once."""

    def fingerprint(self, model_fn: Callable[..., object]) -> str:
        """Hash of what is trained, as ``model_fn`` made it; of its weights only the shapes count."""
        ...

    def warm_up(self, dataset: tf.data.Dataset, batches: Sequence[object]) -> None:
        """Trains on each batch shape: compiling for it must not lie in a timed window.

        ``dataset`` is the user's; it gives the element spec for which Keras traces the training step.
        """
        ...

    def fit(self, dataset: tf.data.Dataset, watching: Watching, *, steps: int | None = None) -> None:
        """Trains until ``watching`` ends it; ``steps`` bounds the epochs of an endless dataset."""
        ...


def trainee(model_fn: Callable[[], object]) -> Trainee:
    """What ``model_fn`` returns: a compiled Keras model, or a function ``train_step(batch)``.

    Raises:
        UserCodeError: it returned neither, or a model that is not compiled.
    """
    made = model_fn()
    name = getattr(model_fn, "__name__", "model_fn")
    if isinstance(made, keras.Model):
        if not getattr(made, "compiled", False):
            raise UserCodeError(
                f"{name} returned a model that is not compiled", "call model.compile(...) before returning it"
            )
        return KerasModel(made)
    if callable(made):
        return TrainStep(made)
    raise UserCodeError(
        f"{name} returned {type(made).__name__}, not a Keras model",
        "return the compiled model itself, or a function train_step(batch) that carries out one training step",
    )


class KerasModel:
    """See :class:`Trainee`; every trial is a real ``fit``."""

    def __init__(self, model: keras.Model) -> None:
        self._model = model

    def fingerprint(self, model_fn: Callable[..., object]) -> str:
        """Of the configuration and of the code behind it."""
        return model_fingerprint(self._model, model_fn)

    def warm_up(self, dataset: tf.data.Dataset, batches: Sequence[object]) -> None:
        """One ``fit`` over a batch of each shape, twice."""
        shapes = dataset.take(0)
        for batch in batches:
            shapes = shapes.concatenate(tf.data.Dataset.from_tensors(batch))
        self._model.fit(shapes, epochs=2, verbose=0)

    def fit(self, dataset: tf.data.Dataset, watching: Watching, *, steps: int | None = None) -> None:
        """``model.fit`` as the user would call it, with one callback more."""
        callback = _Callback(watching)
        self._model.fit(dataset, epochs=_ENDLESS_EPOCHS, steps_per_epoch=steps, callbacks=[callback], verbose=0)


class _Callback(keras.callbacks.Callback):
    """Passes on what Keras tells."""

    def __init__(self, watching: Watching) -> None:
        super().__init__()
        self._watching = watching

    def on_epoch_begin(self, epoch: int, logs: object = None) -> None:
        """Passed on."""
        del epoch, logs
        if self._watching.epoch_began():
            self.model.stop_training = True

    def on_train_batch_end(self, batch: int, logs: dict[str, object] | None = None) -> None:
        """Passed on; the loss is there when the step is done."""
        if self._watching.step_ended(batch, lambda: _wait_for(logs)):
            self.model.stop_training = True

    def on_epoch_end(self, epoch: int, logs: object = None) -> None:
        """Passed on."""
        del epoch, logs
        if self._watching.epoch_ended(complete=not self.model.stop_training):
            self.model.stop_training = True


class TrainStep:
    """See :class:`Trainee`; ``train_step`` is called with each element as iterating the dataset gives it."""

    def __init__(self, train_step: Callable[[Any], object]) -> None:
        self._train_step = train_step

    def fingerprint(self, model_fn: Callable[..., object]) -> str:
        """Of the code of both functions."""
        return digest_of(function_fingerprint(model_fn), function_fingerprint(self._train_step))

    def warm_up(self, dataset: tf.data.Dataset, batches: Sequence[object]) -> None:
        """Two steps with a batch of each shape."""
        del dataset
        for batch in batches:
            for _ in range(2):
                _wait_for(self._train_step(batch))

    def fit(self, dataset: tf.data.Dataset, watching: Watching, *, steps: int | None = None) -> None:
        """The plain loop over epochs and batches."""
        endless = None if steps is None else iter(dataset)
        while not watching.epoch_began():
            batches = iter(dataset) if endless is None else itertools.islice(endless, steps)
            for number, batch in enumerate(batches):
                done = self._train_step(batch)
                if watching.step_ended(number, partial(_wait_for, done)):
                    watching.epoch_ended(complete=False)
                    return
            if watching.epoch_ended(complete=True):
                return


def _wait_for(result: object) -> None:
    """Reads the first value of a step's result, which is there when the step is done, on any device."""
    for value in tf.nest.flatten(result):
        for method in ("block_until_ready", "numpy", "item"):
            if hasattr(value, method):
                getattr(value.detach() if hasattr(value, "detach") else value, method)()
                return
