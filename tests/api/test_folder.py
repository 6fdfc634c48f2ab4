from __future__ import annotations

import os
from pathlib import Path

import pytest

from autotuner.api.folder import RunFolder
from autotuner.errors import AutotunerError, StudyError


def test_one_controller_at_a_time(tmp_path: Path) -> None:
    with RunFolder.at(tmp_path / "tuned"):
        with pytest.raises(StudyError, match=rf"process {os.getpid()}\)"), RunFolder.at(tmp_path / "tuned"):
            pass
        assert (tmp_path / "tuned" / ".lock").read_text("utf-8") == str(os.getpid())
    with RunFolder.at(tmp_path / "tuned") as folder:
        assert folder.path == tmp_path / "tuned"


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(AutotunerError, match="cannot be written to"):
            RunFolder.at(path)


def test_the_study_has_an_absolute_address(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert RunFolder.at(Path("tuned")).study_url == f"sqlite:///{tmp_path}/tuned/study.db"
