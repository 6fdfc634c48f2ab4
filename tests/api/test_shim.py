"""Where no file can be edited nor the pipeline be written out, the function runs and its calls are repeated."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from autotuner.api.emission import Wanted, write_code, write_configuration
from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import StoredRun
from autotuner.cli.main import run
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Open
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from autotuner.search.conclusion import Prepared
from tests.emit.emitting import ruff

PIPE = """import numpy as np
import tensorflow as tf


def dataset_fn(batch_size=4, noise=None):
    rows = np.random.default_rng(0).normal(size=(40, 8))
    ds = tf.data.Dataset.from_tensor_slices(rows)
    for k in range(2):
        ds = ds.map(lambda x: x * (k + 2))
    ds = ds.batch(batch_size)
    ds.class_names = ["a", "b"]
    return ds
"""
CHOSEN = {
    "map[0].num_parallel_calls": 2,
    "map[1].num_parallel_calls": 3,
    "cache.after": "map[0]",
    "prefetch[end].buffer_size": 2,
}
COMPARE = """
import json, sys
sys.path[:0] = sys.argv[1:]
from tuned_dataset_fn import dataset_fn
import numpy as np, pipe, tensorflow as tf
methods = dict(vars(tf.data.Dataset))
told = []
for given in ({}, {"batch_size": 7}):
    tuned, own = dataset_fn(**given), pipe.dataset_fn(**given)
    pairs = list(zip(tuned, own, strict=True))
    told.append([tuned.class_names, len(pairs), all(np.array_equal(*pair) for pair in pairs)])
print(json.dumps([told, methods == dict(vars(tf.data.Dataset)), [name for name in sys.modules if "autotuner" in name]]))
"""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run's folder with a shim in it."""
    project = tmp_path_factory.mktemp("project")
    (project / "pipe.py").write_text(PIPE)
    target = Target("file", str(project / "pipe.py"), "dataset_fn")
    request = Open(target, None, [str(project), *search_path()], epochs=2)
    tuned = RunFolder.at(project / "tuned")
    with closing(LocalRunner(request, project / "worker.log", Limits())) as runner:
        configuration = Configuration(CHOSEN)  # type: ignore[arg-type]
        wanted = Wanted(Prepared.of(runner.open()), configuration, "pipe.py:dataset_fn", (), {"cache.after": "2.1x"})
        code = write_code(wanted, runner, tuned)
    assert (code.module, code.diff) == ("", "")
    assert code.shim == tuned.shim.read_text()
    assert code.notes[-1] == "tuned_dataset_fn.py runs your own function and makes its calls again as they were tuned"
    write_configuration(wanted.configuration, code, tuned)
    StoredRun.of(replace(request, model=target), "s", "").save(tuned)
    return tuned.path


def test_it_reads_like_the_change_that_it_is(folder: Path) -> None:
    text = (folder / "tuned_dataset_fn.py").read_text()
    body = text.partition('    """Build the tuned dataset."""\n')[2]
    assert body.splitlines() == [
        "    was = stages_of(original, batch_size=batch_size)",
        '    ds = was["from_tensor_slices[0]"].dataset',
        '    ds = was["map[0]"].again(ds, num_parallel_calls=2)  # map[0].num_parallel_calls',
        "    ds = ds.cache()  # cache.after: 2.1x",
        '    ds = was["map[1]"].again(ds, num_parallel_calls=3)  # map[1].num_parallel_calls',
        '    ds = was["batch[0]"].again(ds)',
        "    ds = ds.prefetch(2)  # prefetch[end].buffer_size",
        '    return like(was["batch[0]"], ds)',
    ]
    assert "def dataset_fn(batch_size=4) -> tf.data.Dataset:" in text
    assert "The parameter noise is fixed as it was: it decides which stages there are." in text
    assert ruff("check", "--select", "E,F,I,B,UP007,SIM", text=text).strip() == "All checks passed!"


def test_it_needs_tensorflow_and_the_users_own_module_only(folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPARE, str(folder), str(folder.parent)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"CUDA_VISIBLE_DEVICES": "", "TF_CPP_MIN_LOG_LEVEL": "3"},
    )
    assert done.returncode == 0, done.stderr[-4000:]
    told, restored, ours = json.loads(done.stdout.splitlines()[-1])
    assert told == [[["a", "b"], 10, True], [["a", "b"], 6, True]]
    assert restored
    assert ours == []


def test_it_is_checked_as_other_code_is(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["check", str(folder), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["what"], found["passed"]) == ("tuned_dataset_fn.py", True)
    pipe = folder.parent / "pipe.py"
    pipe.write_text(PIPE.replace("range(2)", "range(1)"))
    try:
        assert run(["check", str(folder)]) == 1
    finally:
        pipe.write_text(PIPE)


def test_it_is_written_again_on_demand(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    written = (folder / "tuned_dataset_fn.py").read_text()
    assert run(["emit", str(folder)]) == 0
    printed = capsys.readouterr()
    assert printed.out.split() == [str(folder / "tuned_dataset_fn.py")]
    assert "note: no patch could be written: " in printed.err
    again = (folder / "tuned_dataset_fn.py").read_text()
    assert (
        again.partition("import contextlib")[2].replace("  # cache.after", "  # cache.after: 2.1x")
        == (written.partition("import contextlib")[2])
    )
