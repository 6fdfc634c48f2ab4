"""Projects as people have them: what is tuned becomes a patch of their files, run and compared by a real worker."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path

import cloudpickle
import pytest

from autotuner.api.checking import check_code
from autotuner.api.emission import Code, Wanted, patch_for, write_code, write_configuration
from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import StoredRun
from autotuner.api.working_tree import WorkingTree
from autotuner.emit.patch import EmittedPatch
from autotuner.errors import AutotunerError
from autotuner.measure.limits import Limits
from autotuner.measure.local_runner import LocalRunner, search_path
from autotuner.measure.messages import Checked, CheckModule, CheckSources, Open
from autotuner.measure.target import Target
from autotuner.pipeline import Configuration
from autotuner.search.conclusion import Prepared
from tests.emit.sources import changed_lines, project

GIT, PATCH = (shutil.which(name) or "" for name in ("git", "patch"))
PACKAGE = {
    "shop/__init__.py": "",
    "shop/data.py": '''"""Ours."""

from __future__ import annotations

import functools

import tensorflow as tf


def logged(function):
    @functools.wraps(function)
    def inner(*args, **kwargs):
        return function(*args, **kwargs)

    return inner


def decode(x: tf.Tensor) -> tf.Tensor:
    return tf.cast(x, tf.float32) / 255.0  # größer als nötig


@logged
def numbers(count: int, *, batch_size: int = 4) -> tf.data.Dataset:
    """All of them."""
    return (
        tf.data.Dataset.range(count)
        .map(decode)
        # every example once
        .shuffle(count)
        .batch(batch_size, drop_remainder=True)
    )
''',
    "shop/train.py": """from shop.data import numbers


def dataset_fn(count: int = 24):
    dataset = numbers(count, batch_size=6)
    return dataset.prefetch(1)


if __name__ == "__main__":
    raise SystemExit("training")
""",
}
EXPORTED = (
    "#!/usr/bin/env python\r\n# coding: utf-8\r\n\r\n# In[1]:\r\n\r\nimport tensorflow as tf\r\n\r\n\r\n# In[2]:\r\n"
    "def dataset_fn():\r\n\tds = tf.data.Dataset.range(12)\r\n\tds = ds.map(lambda x: x * 2)  # verdoppelt – «ö»\r\n"
    "\tds = ds.batch(4)\r\n\treturn ds\r\n"
)
CHOSEN = {
    "cache.after": "map[decode]",
    "map[decode].num_parallel_calls": 2,
    "prefetch[end].buffer_size": "AUTOTUNE",
    "options.private_threadpool_size": 2,
}


@contextmanager
def opened(folder: Path, target: Target) -> Iterator[tuple[LocalRunner, Prepared]]:
    request = Open(target, None, [str(folder), *search_path()], epochs=2)
    with closing(LocalRunner(request, folder / "worker.log", Limits())) as runner:
        yield runner, Prepared.of(runner.open())


def written(runner: LocalRunner, prepared: Prepared, folder: Path, chosen: Mapping[str, object]) -> Code:
    wanted = Wanted(prepared, Configuration(chosen), "dataset_fn", ("Measured.",), {"cache.after": "2.1x"})  # type: ignore[arg-type]
    return write_code(wanted, runner, RunFolder.at(folder / "tuned"))


def test_a_package_is_patched_in_each_of_its_files(tmp_path: Path) -> None:
    project(tmp_path, PACKAGE)
    with opened(tmp_path, Target("module", "shop.train", "dataset_fn")) as (runner, prepared):
        code = written(runner, prepared, tmp_path, CHOSEN)
    assert code.notes == ()
    assert code.module
    assert changed_lines(PACKAGE["shop/data.py"], code.files[str(tmp_path / "shop/data.py")]) == [
        "-        .map(decode)",
        "+        .map(decode, num_parallel_calls=2)  # in parallel",
        "+        .cache()  # 2.1x: kept from here on, reused in every epoch",
    ]
    assert (
        changed_lines(PACKAGE["shop/train.py"], code.files[str(tmp_path / "shop/train.py")])
        == [
            "-    return dataset.prefetch(1)",
            "+    options = tf.data.Options()",
            "+    options.threading.private_threadpool_size = 2",
            "+    # made ahead of their use; threads of its own",
            "+    return dataset.prefetch(tf.data.AUTOTUNE).with_options(options)",
            "+import tensorflow as tf",
        ]
        or "+import tensorflow as tf" in code.diff
    )
    applies(tmp_path, code)


def test_what_was_applied_is_checked_against_what_it_was_made_from(tmp_path: Path) -> None:
    project(tmp_path, PACKAGE)
    with opened(tmp_path, Target("module", "shop.train", "dataset_fn")) as (runner, prepared):
        code = written(runner, prepared, tmp_path, CHOSEN)
        request = runner._request
    folder = RunFolder(tmp_path / "tuned")
    write_configuration(Configuration(CHOSEN), code, folder)  # type: ignore[arg-type]
    StoredRun.of(replace(request, model=request.dataset), "s", "").save(folder)
    before = check_code(folder.path)
    assert (before.what, before.reason) == ("tuned_pipeline.py", "")
    WorkingTree.of(folder.path).apply()
    after = check_code(folder.path)
    assert (after.what, after.reason) == ("shop/data.py, shop/train.py", "")
    data = tmp_path / "shop" / "data.py"
    data.write_text(data.read_text().replace("/ 255.0", "/ 250.0"))
    assert check_code(folder.path).passed, "both sides of the comparison have the new number"
    data.write_text(data.read_text().replace(".map(decode, num_parallel_calls=2)", ".map(decode)"))
    with pytest.raises(AutotunerError, match="has changed around line"):
        check_code(folder.path)


def test_an_exported_notebook_keeps_its_tabs_and_line_ends(tmp_path: Path) -> None:
    project(tmp_path, {"notebook.py": EXPORTED})
    with opened(tmp_path, Target("file", str(tmp_path / "notebook.py"), "dataset_fn")) as (runner, prepared):
        code = written(runner, prepared, tmp_path, {"prefetch[end].buffer_size": 2, "map[0].num_parallel_calls": 2})
    assert code.notes == ()
    assert code.files[str(tmp_path / "notebook.py")] == EXPORTED.replace(
        "\tds = ds.map(lambda x: x * 2)  # verdoppelt – «ö»\r\n",
        "\t# in parallel\r\n\tds = ds.map(lambda x: x * 2, num_parallel_calls=2)  # verdoppelt – «ö»\r\n",
    ).replace("batch(4)\r\n", "batch(4)\r\n\tds = ds.prefetch(2)  # made ahead of their use\r\n")
    applies(tmp_path, code)


def test_functions_of_a_script_are_patched_without_running_it_again(tmp_path: Path) -> None:
    text = (
        "import tensorflow as tf\n\nSCALE = 3\n\n\ndef scaled(x):\n    return x * SCALE\n\n\ndef dataset_fn():\n"
        "    return tf.data.Dataset.range(12).map(scaled).batch(4)\n\n\nprint('a second run', flush=True)\n"
    )
    project(tmp_path, {"script.py": text})
    space: dict[str, object] = {"__name__": "__main__", "__file__": str(tmp_path / "script.py")}
    exec(compile(text.rpartition("print(")[0], str(tmp_path / "script.py"), "exec"), space)  # noqa: S102
    pickle = tmp_path / "dataset_fn.cloudpickle"
    pickle.write_bytes(cloudpickle.dumps(space["dataset_fn"]))
    with opened(tmp_path, Target("pickle", str(pickle), "dataset_fn")) as (runner, prepared):
        chosen = {"cache.after": "map[scaled]", "cache.medium": "file"}
        code = written(runner, prepared, tmp_path, chosen)
        wrong = runner.check(CheckSources({str(tmp_path / "script.py"): text.replace("* SCALE", "+ SCALE")}, {}))
    assert "import tempfile" in code.diff
    assert ".map(scaled).cache(new_cache_file()).batch(4)" in code.diff
    assert isinstance(wrong, Checked)
    assert wrong.reason == "it builds another graph than the winner"
    assert "a second run" not in (tmp_path / "worker.log").read_text()
    applies(tmp_path, code)


@pytest.mark.parametrize("text", ["batch(5)", "map(lambda x: x * 3)", "batch(4).shuffle(3)"])
def test_a_patch_that_does_something_else_is_found_out(tmp_path: Path, text: str) -> None:
    project(tmp_path, {"notebook.py": EXPORTED})
    file = tmp_path / "notebook.py"
    with opened(tmp_path, Target("file", str(file), "dataset_fn")) as (runner, prepared):
        wanted = Wanted(prepared, Configuration({"prefetch[end].buffer_size": 2}), "dataset_fn", ())
        made = patch_for(wanted)
        assert isinstance(made, EmittedPatch)
        old = "map(lambda x: x * 2)" if "map" in text else "batch(4)"
        other = {str(file): made.files[str(file)].replace(old, text)}
        answer = runner.check(CheckSources(other, dict(wanted.configuration)))
    assert isinstance(answer, Checked)
    assert answer.reason


def applies(folder: Path, code: Code) -> None:
    """``git apply`` and ``patch -p1`` both make of the files what was compared, and take it back."""
    before = {path: Path(path).read_bytes() for path in code.files}
    (folder / "tuned.patch").write_bytes(code.diff.encode())
    for apply, undo in (
        ([GIT, "apply", "tuned.patch"], [GIT, "apply", "-R", "tuned.patch"]),
        ([PATCH, "-p1", "--binary", "-i", "tuned.patch"], [PATCH, "-R", "-p1", "--binary", "-i", "tuned.patch"]),
    ):
        subprocess.run(apply, cwd=folder, check=True, capture_output=True)
        assert {path: Path(path).read_bytes().decode() for path in code.files} == dict(code.files)
        subprocess.run(undo, cwd=folder, check=True, capture_output=True)
        assert {path: Path(path).read_bytes() for path in code.files} == before


PARAMETERS = """import tensorflow as tf


def dataset_fn(folder={folder!r}, batch_size=6, seed=6, scale=3.0, buffer=5, training=True, unused=4):
    def scaled(x, y):
        return tf.cast(x, tf.float32) * scale, y

    ds = tf.data.Dataset.list_files(folder + "/*.txt", shuffle=False)
    ds = ds.map(lambda path: (tf.strings.length(path, unit="BYTE"), path)).map(lambda x, y: (x * batch_size, y))
    if training:
        ds = ds.shuffle(buffer * 2, seed=seed)
    return ds.map(scaled).batch(batch_size)
"""


@pytest.mark.parametrize(
    "chosen",
    [{"prefetch[end].buffer_size": 2, "map[scaled].num_parallel_calls": 2}, {"map[scaled].vectorize": True}],
)
def test_parameters_stay_where_each_value_can_be_traced_to_one(tmp_path: Path, chosen: dict[str, object]) -> None:
    (tmp_path / "files").mkdir()
    for index in range(8):
        (tmp_path / "files" / f"{index}.txt").touch()
    text = PARAMETERS.format(folder=str(tmp_path / "files"))
    file = tmp_path / "pipe.py"
    file.write_text(text)
    with opened(tmp_path, Target("file", str(file), "dataset_fn")) as (runner, prepared):
        code = written(runner, prepared, tmp_path, chosen)
        wrong = code.module.replace("seed=seed", "seed=batch_size")
        (tmp_path / "tuned" / "wrong.py").write_text(wrong)
        request = CheckModule(str(tmp_path / "tuned" / "wrong.py"), chosen, code.traced.others)  # type: ignore[arg-type]
        found_out = runner.check(request)
    assert code.notes == ()
    assert set(code.traced.defaults) == {"folder", "batch_size", "seed", "scale"}
    assert f'folder="{tmp_path / "files"}", batch_size=6, seed=6, scale=3.0\n) -> tf.data.Dataset:' in code.module
    assert 'tf.data.Dataset.list_files(folder + "/*.txt", shuffle=False)' in code.module
    assert "    def scaled(x, y):\n        return tf.cast(x, tf.float32) * scale, y\n" in code.module
    assert "The parameter buffer is fixed as it was: buffer_size of shuffle[0] is computed from it." in code.module
    assert "The parameter training is fixed as it was: it decides which stages there are." in code.module
    assert "The parameter unused is fixed as it was: no stage holds it." in code.module
    assert isinstance(found_out, Checked)
    assert set(found_out.wrong_parameters) == {"batch_size", "seed"}
