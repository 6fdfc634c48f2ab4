"""A patch is right for every value of the user's parameters, not only for those it was tuned with."""

from __future__ import annotations

from pathlib import Path

from autotuner.measure.messages import Checked, CheckSources
from autotuner.measure.target import Target
from tests.api.test_emission import applies, opened, written

PIPE = """import tensorflow as tf


def scaled(x):
    return tf.cast(x, tf.float32) * 3.0


def dataset_fn(batch_size=4):
    ds = tf.data.Dataset.range(24).map(scaled)
    return ds.shuffle(24).batch(batch_size)
"""
CHOSEN = {"materialise.after": "map[scaled]"}


def test_batches_of_kept_rows_have_the_size_that_is_asked_for(tmp_path: Path) -> None:
    file = tmp_path / "pipe.py"
    file.write_text(PIPE)
    with opened(tmp_path, Target("file", str(file), "dataset_fn")) as (runner, prepared):
        code = written(runner, prepared, tmp_path, CHOSEN)
        fixed = {path: text.replace("(rows, batch_size)", "(rows, 4)") for path, text in code.files.items()}
        found_out = runner.check(CheckSources(fixed, CHOSEN, {"batch_size": 5}))  # type: ignore[arg-type]
    assert code.notes == ()
    assert "lambda rows: batches_of_rows(rows, batch_size)" in code.diff
    assert fixed != dict(code.files)
    assert found_out == Checked("", ["batch_size"])
    assert "The parameter batch_size is fixed as it was" in code.module
    applies(tmp_path, code)
