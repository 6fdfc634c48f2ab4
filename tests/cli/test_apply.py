"""The patch of a run goes into the user's files whole, or what stands in its way is told."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from autotuner.cli.main import run
from autotuner.emit.atomic import write_text
from autotuner.emit.unified import unified_diff

GIT = shutil.which("git") or ""
BEFORE = "def dataset_fn():\n    ds = make()\n    ds = ds.batch(4)\n    return ds\n"
AFTER = BEFORE.replace("    return ds\n", "    ds = ds.prefetch(2)\n    return ds\n")
HELPER = "def make():\n    return tf.data.Dataset.range(4)\n"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project with two files and a run that patches both."""
    project = tmp_path / "project"
    (project / "lib").mkdir(parents=True)
    (project / "data.py").write_text(BEFORE)
    (project / "lib" / "helper.py").write_text(HELPER)
    store(project, {"data.py": AFTER, "lib/helper.py": HELPER.replace("(4)", "(4).cache()")})
    monkeypatch.chdir(project)
    return project


def store(project: Path, after: dict[str, str]) -> None:
    run_folder = project / "tuned"
    run_folder.mkdir(exist_ok=True)
    before = {str(project / name): (project / name).read_bytes() for name in after}
    _, diff = unified_diff(before, {str(project / name): text.encode() for name, text in after.items()})
    (run_folder / "tuned.patch").write_text(diff)
    (run_folder / "configuration.json").write_text(json.dumps({"schema": 1, "decisions": {}, "root": ".."}))


def told(capsys: pytest.CaptureFixture[str], *options: str) -> tuple[int, list[str], str]:
    code = run(["apply", "tuned", *options])
    printed = capsys.readouterr()
    return code, printed.err.splitlines(), printed.out


def contents(project: Path) -> list[str]:
    return [(project / "data.py").read_text(), (project / "lib" / "helper.py").read_text()]


def test_all_files_are_patched_and_git_takes_it_back(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "data.py").chmod(0o640)
    code, err, _ = told(capsys)
    assert code == 0
    assert err == [f"patched {folder / 'data.py'}", f"patched {folder / 'lib' / 'helper.py'}"]
    assert contents(folder) == [AFTER, HELPER.replace("(4)", "(4).cache()")]
    assert (folder / "data.py").stat().st_mode & 0o777 == 0o640
    subprocess.run([GIT, "apply", "-R", "tuned/tuned.patch"], cwd=folder, check=True)
    assert contents(folder) == [BEFORE, HELPER]


def test_a_dry_run_shows_and_changes_nothing(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, out = told(capsys, "--dry-run")
    assert code == 0
    assert out == (folder / "tuned" / "tuned.patch").read_text()
    assert contents(folder) == [BEFORE, HELPER]


def test_twice_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told(capsys)
    code, err, _ = told(capsys)
    assert code == 1
    assert err == [
        "autotuner: the patch is applied already: data.py, lib/helper.py",
        "hint: take it back with `git apply -R`",
    ]
    assert contents(folder)[0] == AFTER


def test_lines_that_moved_are_found_and_lines_that_changed_are_told(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "data.py").write_text("import os\n\n\n" + BEFORE)
    assert told(capsys)[0] == 0
    assert contents(folder)[0] == "import os\n\n\n" + AFTER
    (folder / "data.py").write_text(BEFORE.replace("batch(4)", "batch(8)"))
    (folder / "lib" / "helper.py").write_text(HELPER)
    code, err, _ = told(capsys)
    assert code == 1
    assert (
        err[0]
        == "autotuner: data.py has changed around line 1 since the patch was written, so it does not fit any more"
    )
    assert contents(folder)[1] == HELPER


def test_without_permission_nothing_is_changed(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    helper = str(folder / "lib" / "helper.py")
    access = os.access
    monkeypatch.setattr(os, "access", lambda path, mode: str(path) != helper and access(path, mode))
    code, err, _ = told(capsys)
    assert code == 1
    assert err == [f"autotuner: {helper} cannot be written to: permission denied", "hint: nothing was changed"]
    assert contents(folder) == [BEFORE, HELPER]


def test_a_disk_that_fills_up_half_way_changes_nothing(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(path: Path, text: str) -> None:
        if path.name == "helper.py":
            raise OSError(28, "No space left on device")
        write_text(path, text)

    monkeypatch.setattr("autotuner.api.working_tree.write_text", full)
    code, err, _ = told(capsys)
    assert code == 1
    assert err[0].endswith("helper.py cannot be written to: No space left on device")
    assert contents(folder) == [BEFORE, HELPER]


def test_a_symbolic_link_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "data.py").rename(folder / "real.py")
    (folder / "data.py").symlink_to("real.py")
    code, err, _ = told(capsys)
    assert code == 1
    assert err[0] == f"autotuner: {folder / 'data.py'} is a symbolic link to {folder / 'real.py'}"
    assert (folder / "real.py").read_text() == BEFORE


def test_a_file_outside_the_project_is_left_alone(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    outside = folder.parent / "outside.py"
    outside.write_text(BEFORE)
    patch = folder / "tuned" / "tuned.patch"
    patch.write_text(patch.read_text().replace("b/data.py", "b/../outside.py"))
    code, err, _ = told(capsys)
    assert code == 1
    assert err[0] == f"autotuner: ../outside.py is not inside {folder}"
    (folder / "data.py").unlink()
    (folder / "data.py").symlink_to(outside)
    store_again = patch.read_text().replace("b/../outside.py", "b/data.py")
    patch.write_text(store_again)
    code, err, _ = told(capsys)
    assert err[0] == f"autotuner: data.py is not inside {folder}"
    assert outside.read_text() == BEFORE


def test_what_is_not_there_is_told(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "data.py").unlink()
    assert told(capsys)[1][0] == f"autotuner: there is no {folder / 'data.py'}"
    (folder / "tuned" / "tuned.patch").unlink()
    code, err, _ = told(capsys)
    assert code == 2
    assert err[0] == "autotuner: tuned holds no tuned.patch"
    assert run(["apply", "nowhere"]) == 2
