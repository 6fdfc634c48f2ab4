"""Every workload on small data: the three pipelines give the same examples, the tuner can see them, the model fits."""

from __future__ import annotations

import functools
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf

from autotuner.tfdata.derandomise import derandomised
from autotuner.tfdata.fingerprint import Fingerprint, difference, fingerprint, same_content, same_order
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import record
from experiments.data import data_folder
from experiments.workload import NAMES
from tests.experiments.small import SMALL, small, workload

RIVALS = ("guide_dataset_fn", "expert_dataset_fn")
BATCHED_AUGMENTATIONS = ("jpeg_files", "in_memory_arrays", "segmentation_pairs", "py_function_map", "keras_layers")


@functools.cache
def reading(name: str, function: str, constant: float) -> Fingerprint:
    dataset = small(name, function)
    return fingerprint(derandomised(dataset, constant), batched=True, max_rows=100_000)


@pytest.mark.parametrize("constant", [0.23, 0.81])
@pytest.mark.parametrize("rival", RIVALS)
@pytest.mark.parametrize("name", NAMES)
def test_an_epoch_of_each_rival_holds_the_same_examples(name: str, rival: str, constant: float) -> None:
    assert difference(reading(name, "dataset_fn", constant), reading(name, rival, constant), ordered=False) == ""


@pytest.mark.parametrize("name", NAMES)
def test_what_changes_between_epochs_changes_in_every_pipeline(name: str) -> None:
    changes = set()
    for function in ("dataset_fn", *RIVALS):
        dataset = small(name, function)
        first, second = (fingerprint(dataset, batched=True, max_rows=100_000) for _ in range(2))
        changes.add((same_content(first, second), same_order(first, second)))
    assert len(changes) == 1


@pytest.mark.parametrize("name", BATCHED_AUGMENTATIONS)
def test_a_batched_augmentation_draws_for_each_example_as_the_single_one_does(name: str) -> None:
    module = workload(name)
    example = next(iter(module.dataset_fn(SMALL).unbatch()))
    if name == "segmentation_pairs":
        example = next(iter(tf.data.Dataset.from_tensor_slices(module.paths(SMALL)).map(module.decode)))
    augment = layers_on_one(module.augmentation()) if name == "keras_layers" else module.augment
    copies = tf.data.Dataset.from_tensors(example).repeat(400)
    single = np.stack([_statistics(x) for x, _ in copies.map(augment)])
    (batch, _), *_ = copies.batch(400).map(module.augment_batch)
    batched = np.stack([_statistics(x) for x in batch])
    error = 5 * np.hypot(single.std(0), batched.std(0)) / np.sqrt(len(single))
    assert np.all(np.abs(single.mean(0) - batched.mean(0)) <= error + 1e-6)
    assert np.allclose(single.std(0), batched.std(0), rtol=0.25, atol=1e-6)
    assert single.std(0).max() > 0


@pytest.mark.parametrize("name", NAMES)
def test_the_tuner_sees_all_of_the_pipeline(name: str) -> None:
    recorded = checked(record(functools.partial(small, name, "dataset_fn")))
    assert [op.label for op in recorded.pipeline.ops if op.kind == "opaque"] == []


@pytest.mark.parametrize("name", NAMES)
def test_the_model_fits_the_data(name: str) -> None:
    history = workload(name).model_fn().fit(small(name, "dataset_fn").take(1), verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_data_are_made_once_and_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))

    def broken(folder: Path, size: int) -> None:
        (folder / "half").write_text("")
        raise OSError(f"no space for {size}")

    with pytest.raises(OSError, match="no space for 3"):
        data_folder("made", 3, broken)
    calls = []
    for _ in range(2):
        folder = data_folder("made", 3, lambda folder, size: calls.append((folder / "one").write_text(f"{size}")))
    assert [path.name for path in folder.iterdir()] == ["one"]
    assert len(calls) == 1


def layers_on_one(layers: Callable[..., tf.Tensor]) -> Callable[..., tuple[tf.Tensor, tf.Tensor]]:
    return lambda image, label: (layers(image[None], training=True)[0], label)


def _statistics(image: tf.Tensor) -> np.ndarray:
    """Mean, spread and a slope that a mirror turns around."""
    pixels = np.asarray(image, np.float64)
    left, right = np.split(pixels, 2, axis=1)
    return np.asarray([pixels.mean(), pixels.std(), left.mean() - right.mean()])
