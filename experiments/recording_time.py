"""How long it takes from a ``dataset_fn`` to its decisions, and to verify one changed structure.

Writes made JPEGs into TFRecord files, records a realistic pipeline of twelve ops over them, and prints a table over
repeats in which the parts alternate: the median of the wall time, its spread, and the median of the processor time,
which other work on the machine disturbs less.

    python experiments/recording_time.py [--repeats 7]
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import tensorflow as tf

from autotuner.pipeline import Configuration, Facts
from autotuner.rewrites import apply, find_sites
from autotuner.tfdata.analyse import analyse
from autotuner.tfdata.batching import with_batching
from autotuner.tfdata.composing import with_composition
from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.verify import Verifier

_FILES, _RECORDS, _SIDE = 8, 64, 96
_FEATURES = {"image": tf.io.FixedLenFeature([], tf.string), "label": tf.io.FixedLenFeature([], tf.int64)}
_STRUCTURES: dict[str, Configuration] = {
    "cache.after": Configuration({"cache.after": "map[decode]"}),
    "filter.before": Configuration({"filter[known].before": "map[decode]"}),
    "materialise.after": Configuration({"materialise.after": "map[resize]", "map[augment].vectorize": True}),
    "cycle_length": Configuration({"interleave[TFRecordDataset].cycle_length": 8}),
}


def write_records(folder: Path) -> None:
    """Writes the TFRecord files."""
    random = np.random.default_rng(0)
    for number in range(_FILES):
        with tf.io.TFRecordWriter(str(folder / f"train-{number}.tfrecord")) as writer:
            for label in range(_RECORDS):
                pixels = random.integers(0, 255, (_SIDE, _SIDE, 3), dtype=np.uint8)
                writer.write(_example(tf.io.encode_jpeg(pixels).numpy(), label % 10))


def _example(image: bytes, label: int) -> bytes:
    feature = {
        "image": tf.train.Feature(bytes_list=tf.train.BytesList(value=[image])),
        "label": tf.train.Feature(int64_list=tf.train.Int64List(value=[label])),
    }
    return bytes(tf.train.Example(features=tf.train.Features(feature=feature)).SerializeToString())


def parse(record_bytes: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The two features of a record."""
    features = tf.io.parse_single_example(record_bytes, _FEATURES)
    return features["image"], features["label"]


def decode(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The pixels."""
    return tf.io.decode_jpeg(image, channels=3), label


def known(image: tf.Tensor, label: tf.Tensor) -> tf.Tensor:
    """The label is one the model knows."""
    del image
    return label < 9  # noqa: PLR2004 - one class of ten is left out


def resize(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The image in the size of the model."""
    return tf.image.resize(image, [64, 64]), label


def normalise(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Values of mean zero."""
    return tf.image.per_image_standardization(image), label


def augment(image: tf.Tensor, label: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """A random flip and a random brightness."""
    return tf.image.random_brightness(tf.image.random_flip_left_right(image), 0.2), label


def dataset_of(folder: Path) -> tf.data.Dataset:
    """Twelve ops, as they are written for training on photographs."""
    files = tf.data.Dataset.list_files(str(folder / "*.tfrecord"))
    records = files.interleave(tf.data.TFRecordDataset, cycle_length=4, num_parallel_calls=tf.data.AUTOTUNE)
    examples = records.map(parse, num_parallel_calls=tf.data.AUTOTUNE).map(decode).filter(known)
    images = examples.map(resize).map(normalise).shuffle(256).map(augment, num_parallel_calls=4)
    return images.batch(32, drop_remainder=True).map(lambda x, y: (x, tf.one_hot(y, 10))).prefetch(tf.data.AUTOTUNE)


class Times:
    """Seconds of each part, over the repeats."""

    def __init__(self) -> None:
        self._seconds: defaultdict[str, list[tuple[float, float]]] = defaultdict(list)

    @contextmanager
    def of(self, part: str) -> Iterator[None]:
        """Adds the time of the block to ``part``."""
        started, busy = time.perf_counter(), time.process_time()
        yield
        self._seconds[part].append((time.perf_counter() - started, time.process_time() - busy))

    def table(self) -> str:
        """One line for each part, in seconds."""
        lines = [f"{'part, in seconds':<34}{'median':>8}{'least':>8}{'most':>8}{'cpu':>8}"]
        for part, seconds in self._seconds.items():
            wall, busy = zip(*seconds, strict=True)
            figures = (statistics.median(wall), min(wall), max(wall), statistics.median(busy))
            lines.append(f"{part:<34}" + "".join(f"{figure:>8.2f}" for figure in figures))
        return "\n".join(lines)


def repeat(folder: Path, times: Times) -> None:
    """Goes through every part once."""
    with times.of("record to decisions"):
        recorded, facts = _analysed(folder, times)
    verifier = Verifier(recorded)
    with times.of("the user's own data read"):
        verifier.prepare()
    offered = {decision.name for decision in find_sites(recorded.pipeline, facts)[0]}
    for name, configuration in _STRUCTURES.items():
        if not offered.issuperset(configuration):
            sys.stderr.write(f"not offered: {name}\n")
            continue
        with times.of(f"verify {name}"):
            reason = verifier.check(apply(recorded.pipeline, facts, configuration))
        if reason:
            raise AssertionError(f"{name}: {reason}")


def _analysed(folder: Path, times: Times) -> tuple[Recorded, Facts]:
    with times.of("  record"):
        made = record(lambda: dataset_of(folder))
    with times.of("  rebuild and compare"):
        recorded = checked(made)
    with times.of("  facts"):
        found = analyse(recorded)
    with times.of("  neighbours tried"):
        composed = with_composition(recorded, found)
    with times.of("  batched forms tried"):
        facts = with_batching(recorded, composed)
    with times.of("  legality"):
        find_sites(recorded.pipeline, facts)
    return recorded, facts


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    arguments = parser.parse_args()
    times = Times()
    with tempfile.TemporaryDirectory() as folder:
        write_records(Path(folder))
        for _ in range(arguments.repeats):
            repeat(Path(folder), times)
    sys.stdout.write(times.table() + "\n")


if __name__ == "__main__":
    main()
