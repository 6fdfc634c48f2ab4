"""Files are replaced whole or not at all."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from autotuner.emit.atomic import write_text


def test_the_text_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "made.py"
    write_text(path, "é\r\n→\n")
    assert path.read_bytes() == "é\r\n→\n".encode()
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [item.name for item in tmp_path.iterdir()] == ["made.py"]


def test_permissions_stay(tmp_path: Path) -> None:
    path = tmp_path / "made.sh"
    path.write_text("old")
    path.chmod(0o755)
    write_text(path, "new")
    assert stat.S_IMODE(path.stat().st_mode) == 0o755


def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "made.py"
    path.write_text("old")

    def full(_: int) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(OSError, match="disk full"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert [item.name for item in tmp_path.iterdir()] == ["made.py"]
    with pytest.raises(FileNotFoundError):
        write_text(tmp_path / "missing" / "made.py", "new")
