"""Audio: WAV files of different lengths, a log-mel spectrogram of each, padded batches.

Typical: commands and bird song. The spectrogram is the cost and is the same in every epoch; lengths differ, so rows
cannot simply be stacked.
"""

from __future__ import annotations

import wave
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from experiments.data import data_folder
from experiments.rows import all_rows, gathered

EPOCHS = 20
SIZE = 600
BATCH_SIZE = 16
RATE, FRAME, STEP, MELS, LONGEST = 16_000, 512, 256, 40, 62
Example = tuple[tf.Tensor, tf.Tensor]


def write(folder: Path, size: int) -> None:
    """Chirps in noise, half a second to a second long; a folder for each direction of the chirp."""
    random = np.random.default_rng(5)
    for index in range(size):
        name = ("down", "up")[index % 2]
        (folder / name).mkdir(exist_ok=True)
        seconds = np.arange(random.integers(RATE // 2, RATE)) / RATE
        turn = 1 if name == "up" else -1
        sound = np.sin(2 * np.pi * (1_500 + turn * 800 * seconds) * seconds) + random.normal(0, 0.3, len(seconds))
        with wave.open(str(folder / name / f"{index:05d}.wav"), "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes((sound * 8_000).astype("<i2").tobytes())


def pattern(size: int) -> str:
    """Matches the sounds."""
    return str(data_folder("audio", size, write) / "*" / "*.wav")


def decode(path: tf.Tensor) -> Example:
    """One sound, and its label from the name of its folder."""
    sound, _ = tf.audio.decode_wav(tf.io.read_file(path), desired_channels=1)
    return sound[:, 0], tf.cast(tf.strings.split(path, "/")[-2] == "up", tf.int32)


def spectrogram(sound: tf.Tensor, label: tf.Tensor) -> Example:
    """Log-mel energies of each frame."""
    spectrum = tf.abs(tf.signal.stft(sound, FRAME, STEP))
    mels = tf.signal.linear_to_mel_weight_matrix(MELS, FRAME // 2 + 1, RATE)
    return tf.math.log(tf.matmul(spectrum, mels) + 1e-6), label


def padded(dataset: tf.data.Dataset) -> tf.data.Dataset:
    """Batches of the longest possible length, so that the model sees one shape."""
    return dataset.padded_batch(BATCH_SIZE, ([LONGEST, MELS], []))


def dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """As most people write it."""
    dataset = tf.data.Dataset.list_files(pattern(size))
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    dataset = dataset.map(spectrogram, num_parallel_calls=tf.data.AUTOTUNE)
    return padded(dataset).prefetch(tf.data.AUTOTUNE)


def _spectrograms(size: int) -> tf.data.Dataset:
    dataset = tf.data.Dataset.list_files(pattern(size), shuffle=False)
    dataset = dataset.map(decode, num_parallel_calls=tf.data.AUTOTUNE)
    return dataset.map(spectrogram, num_parallel_calls=tf.data.AUTOTUNE)


def guide_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """The performance guide, step by step: parallel maps, cache behind them, prefetch."""
    return padded(_spectrograms(size).cache().shuffle(size)).prefetch(tf.data.AUTOTUNE)


def expert_dataset_fn(size: int = SIZE) -> tf.data.Dataset:
    """Padded before it is kept: spectrograms of one shape are one tensor, and a batch is one gather."""

    def pad(energies: tf.Tensor, label: tf.Tensor) -> Example:
        return tf.ensure_shape(tf.pad(energies, [[0, LONGEST - tf.shape(energies)[0]], [0, 0]]), [LONGEST, MELS]), label

    return gathered(all_rows(_spectrograms(size).map(pad)), BATCH_SIZE)


def model_fn() -> keras.Model:
    """Convolutions over time, compiled."""
    model = keras.Sequential(
        [
            keras.Input((LONGEST, MELS)),
            keras.layers.Conv1D(16, 5, strides=2, activation="relu"),
            keras.layers.GlobalAveragePooling1D(),
            keras.layers.Dense(1),
        ]
    )
    model.compile(optimizer="adam", loss=keras.losses.BinaryCrossentropy(from_logits=True))
    return model
