"""What a user installs works without this repository around it."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def run(*command: str | Path, cwd: Path) -> str:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, cwd=cwd, env=clean, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("wheel")
    run(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", out, ROOT, cwd=out)
    [built] = out.glob("autotuner-*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The programs folder of an environment that holds the wheel and, behind it, the dependencies of this one.

    A path line in a ``.pth`` file adds one folder and does not read the ``.pth`` files in there, so an editable
    install of this repository stays out of sight.
    """
    folder = tmp_path_factory.mktemp("environment")
    run(sys.executable, "-m", "venv", "--without-pip", folder, cwd=folder)
    python = folder / "bin" / "python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index", wheel, cwd=folder)
    packages = Path(run(python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=folder).strip())
    (packages / "dependencies.pth").write_text(sysconfig.get_path("purelib") + "\n", "utf-8")
    return folder / "bin"


def test_the_wheel_holds_everything_under_the_package(wheel: Path) -> None:
    sources = [path for path in (ROOT / "autotuner").rglob("*") if path.is_file() and path.suffix != ".pyc"]
    expected = {path.relative_to(ROOT).as_posix() for path in sources}
    expected |= {f"autotuner/_search_spaces/{path.name}" for path in (ROOT / "search_spaces").iterdir()}
    assert expected - set(zipfile.ZipFile(wheel).namelist()) == set()


def test_the_wheel_is_what_gets_imported(installed: Path) -> None:
    location = run(installed / "python", "-c", "import autotuner; print(autotuner.__file__)", cwd=installed)
    assert Path(location.strip()).is_relative_to(installed.parent)


def test_the_command_runs(installed: Path) -> None:
    assert "tune" in run(installed / "autotuner", "--help", cwd=installed)


def test_every_preset_loads_from_the_wheel(installed: Path) -> None:
    names = sorted(path.stem for path in (ROOT / "search_spaces").glob("*.toml"))
    assert "default" in names
    program = f"from autotuner.space.preset import load_preset\nfor name in {names}:\n    load_preset(name)"
    run(installed / "python", "-c", program, cwd=installed)
