"""The files the catalogue reads, made in a folder of the test's own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf

RECORDS_PER_FILE = 6
LINES_PER_FILE = 50


def make_files(folder: Path) -> Path:
    """Writes every kind of file the catalogue reads."""
    random = np.random.default_rng(7)
    _records(folder / "records", random)
    _images(folder / "images", random)
    _texts(folder)
    _arrays(folder / "arrays", random)
    (folder / "fixed.bin").write_bytes(bytes(range(64)))
    return folder


def _records(folder: Path, random: np.random.Generator) -> None:
    folder.mkdir()
    for index in range(3):
        with tf.io.TFRecordWriter(str(folder / f"part-{index}.tfrecord")) as writer:
            for row in range(RECORDS_PER_FILE):
                writer.write(_example(index * RECORDS_PER_FILE + row, random.random(4)))


def _example(label: int, values: np.ndarray) -> bytes:
    feature = {
        "x": tf.train.Feature(float_list=tf.train.FloatList(value=values)),
        "y": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString()


def _images(folder: Path, random: np.random.Generator) -> None:
    for name in ("cat", "dog"):
        (folder / name).mkdir(parents=True)
        for index in range(6):
            pixels = random.integers(0, 255, (12, 10, 3), dtype=np.uint8)
            (folder / name / f"{index}.jpg").write_bytes(tf.io.encode_jpeg(pixels).numpy())
            (folder / name / f"{index}.png").write_bytes(tf.io.encode_png(pixels).numpy())


def _texts(folder: Path) -> None:
    (folder / "lines.txt").write_text("\n".join(f"line {index} of text" for index in range(12)))
    (folder / "more.txt").write_text("one\ntwo\nthree\nfour\n")
    for index in range(3):
        lines = "".join(f"line {line} of {index}\n" for line in range(LINES_PER_FILE))
        (folder / f"long-{index}.txt").write_text(lines)
    rows = "".join(f"{index},{index * 0.5},name{index % 3}\n" for index in range(14))
    (folder / "rows.csv").write_text("a,b,c\n" + rows)
    for name in ("bad", "good"):
        (folder / "texts" / name).mkdir(parents=True)
        for index in range(4):
            (folder / "texts" / name / f"{index}.txt").write_text(f"{name} text number {index}")


def _arrays(folder: Path, random: np.random.Generator) -> None:
    folder.mkdir()
    for index in range(3):
        np.savez(folder / f"{index}.npz", x=random.random((5, 3)).astype(np.float32), y=np.arange(5) + 5 * index)
