from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from autotuner.cli.demo_images import CLASSES, make_images
from autotuner.cli.main import run
from autotuner.errors import UsageError


def contents(folder: Path) -> dict[str, str]:
    files = [path for path in sorted(folder.rglob("*")) if path.is_file()]
    return {str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("demo") / "images"
    make_images(folder, 9, seed=3)
    return folder


def test_the_same_seed_makes_the_same_files(images: Path, tmp_path: Path) -> None:
    make_images(tmp_path / "again", 9, seed=3)
    assert contents(tmp_path / "again") == contents(images)
    make_images(tmp_path / "other", 9, seed=4)
    assert contents(tmp_path / "other") != contents(images)


def test_the_first_classes_get_what_does_not_divide_evenly(images: Path) -> None:
    counts = {name: len(list((images / name).glob("*.jpg"))) for name in CLASSES}
    assert counts == dict.fromkeys(CLASSES, 1) | {CLASSES[0]: 2}


def test_a_finished_folder_is_kept(images: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in images.rglob("*")}
    make_images(images, 9, seed=3)
    assert {path: path.stat().st_mtime_ns for path in images.rglob("*")} == before


def test_what_an_interrupted_run_left_is_made_anew(images: Path, tmp_path: Path) -> None:
    (tmp_path / "images.unfinished" / CLASSES[0]).mkdir(parents=True)
    (tmp_path / "images.unfinished" / CLASSES[0] / "00000.jpg").write_bytes(b"half")
    make_images(tmp_path / "images", 9, seed=3)
    assert contents(tmp_path / "images") == contents(images)
    assert not (tmp_path / "images.unfinished").exists()


def test_another_request_replaces_our_own_folder(tmp_path: Path) -> None:
    make_images(tmp_path / "images", 8, seed=0)
    make_images(tmp_path / "images", 9, seed=0)
    assert len(list((tmp_path / "images").rglob("*.jpg"))) == 9


def test_a_folder_of_the_users_own_is_refused(tmp_path: Path) -> None:
    (tmp_path / "holiday.jpg").write_bytes(b"mine")
    with pytest.raises(UsageError, match="files that the demo did not make"):
        make_images(tmp_path, 8, seed=0)
    assert (tmp_path / "holiday.jpg").read_bytes() == b"mine"


def test_a_pipeline_of_the_users_own_is_not_overwritten(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "pipeline.py").write_text("mine\n", "utf-8")
    assert run(["demo", str(tmp_path)]) == 2
    assert "is not the demo's" in capsys.readouterr().err
    assert (tmp_path / "pipeline.py").read_text("utf-8") == "mine\n"
    assert not (tmp_path / "images").exists()


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").touch()
    assert run(["demo", str(tmp_path / "file" / "below")]) == 1
    assert "cannot write to" in capsys.readouterr().err
