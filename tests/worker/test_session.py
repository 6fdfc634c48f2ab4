"""A session in this very process: what a trial times, for the kinds of datasets and models that users have."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cloudpickle
import keras
import numpy as np
import psutil
import pytest
import tensorflow as tf

from autotuner.errors import UserCodeError
from autotuner.measure.messages import Measure, Open, Profile, Timing
from autotuner.measure.outcome import Failure, FailureKind, Measurement
from autotuner.measure.target import Target
from autotuner.measure.turn_clock import Clock
from autotuner.pipeline import DecisionValue
from autotuner.worker.session import Session
from autotuner.worker.timed_fit import Training, timed_fit
from autotuner.worker.trainee import KerasModel

SHORT = Timing(window_seconds=0.2, longest_seconds=0.4, fill_seconds=0.2)
X = np.random.default_rng(0).normal(size=(100, 8)).astype("float32")
Y = X.sum(axis=1, keepdims=True)
EPOCHS = 3


def slices(batch: int = 16) -> tf.data.Dataset:
    return tf.data.Dataset.from_tensor_slices((X, Y)).batch(batch)


def dense(**options: Any) -> keras.Model:
    model = keras.Sequential([keras.Input((8,)), keras.layers.Dense(1)])
    model.compile(optimizer="sgd", loss="mse", **options)
    return model


def session(
    folder: Path,
    dataset_fn: Callable[[], Any],
    model_fn: Callable[[], Any] = dense,
    steps: int | None = None,
    memory_limit_bytes: int | None = None,
) -> Session:
    def target(name: str, function: Callable[[], Any]) -> Target:
        file = folder / f"{name}.pickle"
        file.write_bytes(cloudpickle.dumps(function))
        return Target("pickle", str(file), name)

    targets = target("dataset_fn", dataset_fn), target("model_fn", model_fn)
    return Session(Open(*targets, [], EPOCHS, steps, scratch=str(folder), memory_limit_bytes=memory_limit_bytes))


def measured(of: Session, **configuration: Any) -> Measurement:
    outcome = of.measure(Measure(configuration, SHORT))
    assert isinstance(outcome, Measurement), outcome
    assert all(math.isfinite(value) for value in vars(outcome).values() if isinstance(value, float))
    steps = of.opened().calibrated.steps_per_epoch
    assert outcome.projected_seconds == pytest.approx(steps * EPOCHS / outcome.steps_per_second)
    return outcome


@pytest.mark.parametrize("rows", [1, 2, 5, 40])
def test_datasets_shorter_than_a_trial_needs_are_measured_over_several_epochs(tmp_path: Path, rows: int) -> None:
    outcome = measured(session(tmp_path, lambda: slices(1).take(rows)))
    assert outcome.timed_steps >= 3
    assert outcome.timed_seconds >= SHORT.window_seconds


def test_an_endless_dataset_has_epochs_of_the_steps_that_are_given(tmp_path: Path) -> None:
    made = session(tmp_path, lambda: slices().repeat(), steps=5)
    assert made.opened().calibrated.steps_per_epoch == 5
    measured(made)


def test_an_endless_dataset_without_given_steps_says_what_is_assumed(tmp_path: Path) -> None:
    made = session(tmp_path, lambda: slices().repeat())
    [warning] = made.opened().calibrated.warnings
    assert "endless" in warning
    assert "steps_per_epoch" in warning
    measured(made)


def test_epochs_of_given_steps_need_not_be_the_datasets(tmp_path: Path) -> None:
    made = session(tmp_path, slices, steps=50)
    assert made.opened().calibrated.steps_per_epoch == 50
    measured(made)


def test_the_length_is_counted_where_tensorflow_does_not_know_it(tmp_path: Path) -> None:
    made = session(tmp_path, lambda: slices(1).filter(lambda x, _: tf.reduce_sum(x) > 0))
    assert made.opened().calibrated.steps_per_epoch == int((X.sum(axis=1) > 0).sum())
    measured(made)


def test_several_steps_per_execution(tmp_path: Path) -> None:
    outcome = measured(session(tmp_path, lambda: slices(4), lambda: dense(steps_per_execution=10)))
    assert outcome.timed_steps > 3


def test_sample_weights(tmp_path: Path) -> None:
    measured(session(tmp_path, lambda: slices().map(lambda x, y: (x, y, tf.ones(tf.shape(x)[0])))))


def two_in_two_out() -> keras.Model:
    left, right = keras.Input((4,), name="left"), keras.Input((4,), name="right")
    both = keras.layers.Concatenate()([left, right])
    outputs = {name: keras.layers.Dense(1, name=name)(both) for name in ("sum", "mean")}
    model = keras.Model({"left": left, "right": right}, outputs)
    model.compile(optimizer="sgd", loss={"sum": "mse", "mean": "mse"})
    return model


def test_dict_inputs_and_several_outputs(tmp_path: Path) -> None:
    def dataset_fn() -> Any:
        return slices().map(lambda x, y: ({"left": x[:, :4], "right": x[:, 4:]}, {"sum": y, "mean": y / 8}))

    assert session(tmp_path, dataset_fn, two_in_two_out).opened().calibrated.batch_rows == [16, 4]
    measured(session(tmp_path, dataset_fn, two_in_two_out), **{"prefetch[end].buffer_size": 1})


def test_elements_that_do_not_fit_the_model_fail_at_opening(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="incompatible"):
        session(tmp_path, lambda: slices().map(lambda x, y: (x[:, :3], y)))


def test_an_empty_dataset_is_said_to_be_empty(tmp_path: Path) -> None:
    with pytest.raises(UserCodeError, match="empty"):
        session(tmp_path, lambda: slices().take(0))


def slow(x: Any, y: Any) -> Any:
    wait = tf.reduce_sum(tf.sin(tf.random.stateless_uniform([3_000_000], seed=(1, 2))))
    return x + 0.0 * wait, y


def test_a_cache_that_would_fill_too_long_is_filled_in_part(tmp_path: Path) -> None:
    made = session(tmp_path, lambda: tf.data.Dataset.from_tensor_slices((X, Y)).map(slow).batch(1))
    outcome = measured(made, **{"cache.after": "map[slow]"})
    # 100 elements take far longer than fill_seconds; what was cached is then read much faster than made.
    assert outcome.later_epoch_steps_per_second > 1.5 * outcome.first_epoch_steps_per_second


def wide() -> keras.Model:
    layers = [keras.layers.Dense(32, activation="relu") for _ in range(8)]
    model = keras.Sequential([keras.Input((8,)), *layers, keras.layers.Dense(1)])
    model.compile(optimizer="adam", loss="mse", jit_compile=True)
    return model


def test_every_shape_is_compiled_before_it_is_timed() -> None:
    model = wide()
    batches = (X[:16], Y[:16]), (X[:4], Y[:4])
    trainee = KerasModel(model)
    trainee.warm_up(slices(), [tf.nest.map_structure(tf.constant, batch) for batch in batches])
    model.make_train_function()

    def first_fit(rows: int) -> float:
        dataset = tf.data.Dataset.from_tensors((X[:rows], Y[:rows]))
        started = time.perf_counter()
        model.fit(dataset, verbose=0)
        return time.perf_counter() - started

    seen, unseen = first_fit(4), first_fit(7)
    assert seen < unseen / 2
    rates = timed_fit(trainee, slices(), SHORT, Training(10, 7), Clock(), steps=None, fills=False)
    assert rates.later.seconds / rates.later.steps < unseen / 4


def test_the_last_small_batch_is_known_even_where_the_epoch_is_too_long_to_see(tmp_path: Path) -> None:
    def dataset_fn() -> Any:
        return slices(16).map(lambda x, y: (x, y)).prefetch(1)

    made = session(tmp_path, dataset_fn, steps=2)  # two steps are looked at; the third would be smaller
    assert made.opened().calibrated.batch_rows == [16, 4]


def test_a_trial_that_is_refused_changes_nothing(tmp_path: Path) -> None:
    made = session(tmp_path, slices)
    first = measured(made)
    made.measure(Measure({"nobody": 1}, SHORT))
    assert measured(made).structure == first.structure


def test_verification_lies_outside_of_the_timing(tmp_path: Path) -> None:
    made = session(tmp_path, lambda: slices().map(lambda x, y: (x, y)))
    seconds = 0.7
    check = made._verifier.check

    def slow_check(pipeline: Any) -> str:
        time.sleep(seconds)
        return check(pipeline)

    made._verifier.check = slow_check  # type: ignore[method-assign]
    outcome = measured(made)
    assert outcome.wall_seconds > seconds + SHORT.window_seconds
    assert outcome.timed_seconds < outcome.wall_seconds - seconds


def test_what_autotune_chose_is_told_by_the_names_of_the_decisions(tmp_path: Path) -> None:
    def parts(number: Any) -> tf.data.Dataset:
        return tf.data.Dataset.from_tensor_slices((X, Y)).map(lambda x, y: (x + tf.cast(number, tf.float32), y))

    def dataset_fn() -> tf.data.Dataset:
        return tf.data.Dataset.range(8).interleave(parts, num_parallel_calls=2).shuffle(10).batch(16).prefetch(1)

    knobs: dict[str, DecisionValue] = {
        "interleave[parts].num_parallel_calls": "AUTOTUNE",
        "interleave[parts]/map[0].num_parallel_calls": "AUTOTUNE",
        "batch[0].num_parallel_calls": "AUTOTUNE",
        "prefetch[end].buffer_size": "AUTOTUNE",
    }
    profiled = session(tmp_path, dataset_fn).profile(Profile(knobs, limit_seconds=1.0))
    assert profiled.autotune_chose.keys() == {*knobs, "interleave[parts].cycle_length"}
    assert all(value >= 0 for value in profiled.autotune_chose.values())
    assert {"range[0]", "interleave[parts]/map[0]", "prefetch[0]"} <= profiled.costs.keys()
    assert list(tmp_path.glob("autotuner-trial-*")) == []


def test_only_what_is_left_to_autotune_was_chosen_by_it(tmp_path: Path) -> None:
    made = session(tmp_path, lambda: slices().map(lambda x, y: (x, y), num_parallel_calls=2).prefetch(1))
    assert made.profile(Profile({}, limit_seconds=0.5)).autotune_chose == {}


def test_fitting_for_the_profile_leaves_datasets_as_they_were(tmp_path: Path) -> None:
    iterate = tf.data.Dataset.__iter__
    endless = session(tmp_path, lambda: slices().repeat(), steps=5)
    endless.profile(Profile({"prefetch[end].buffer_size": "AUTOTUNE"}, limit_seconds=0.5))
    assert tf.data.Dataset.__iter__ is iterate
    measured(endless)


@pytest.mark.parametrize(("room_bytes", "refused"), [(200_000, True), (2_000_000_000, False)])
def test_a_cache_that_the_workers_limit_has_no_room_for_is_refused(
    tmp_path: Path,
    room_bytes: int,
    refused: bool,  # noqa: FBT001 - a parameter of the test
) -> None:
    def wide() -> tf.data.Dataset:
        return (
            slices()
            .unbatch()
            .map(lambda x, y: (tf.tile(x, [1_000])[:8], tf.tile(y, [1]), tf.zeros([8_000])))
            .map(lambda x, y, _: (x, y))
            .batch(16)
        )

    limit = psutil.Process().memory_info().rss + room_bytes
    made = session(tmp_path, wide, memory_limit_bytes=limit)
    outcome = made.measure(Measure({"cache.after": "map[0]"}, SHORT))
    assert isinstance(outcome, Failure) == refused, outcome
    if isinstance(outcome, Failure):
        assert (outcome.kind, "the cache would take" in outcome.message) == (FailureKind.ILLEGAL, True)
