"""The layers, the start-up cost and the rules of the repository, stated as tests."""

from __future__ import annotations

import ast
import json
import resource
import subprocess
import sys
from pathlib import Path

import pytest

from autotuner.cli.demo_images import CLASSES

ROOT = Path(__file__).parents[1]
HEAVY = ("keras", "mlflow", "optuna", "tensorflow")
HELP = """
import sys
from autotuner.cli.main import main
sys.argv[1:] = ["--help"]
try:
    assert not main()
except SystemExit as end:
    assert not end.code
"""
LOADED = f"\nimport json, sys\nprint(json.dumps([name for name in {HEAVY} if name in sys.modules]))"
TEXT_SUFFIXES = {".jinja", ".md", ".py", ".sh", ".toml"}
UNFINISHED = ("TO" + "DO", "FIX" + "ME")


def run_fresh(program: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def own_files(suffixes: set[str]) -> list[Path]:
    folders = (ROOT / name for name in ("autotuner", "experiments", "search_spaces", "tests"))
    return sorted(path for folder in folders for path in folder.rglob("*") if path.suffix in suffixes)


def cpu_seconds(program: str) -> float:
    """Processor time, not wall time: other work on the machine must not fail the test."""

    def spent() -> float:
        usage = resource.getrusage(resource.RUSAGE_CHILDREN)
        return usage.ru_utime + usage.ru_stime

    before = spent()
    run_fresh(program)
    return spent() - before


def test_each_layer_imports_only_what_is_below_it() -> None:
    lint_imports = Path(sys.executable).with_name("lint-imports")
    done = subprocess.run([lint_imports, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize("program", ["import autotuner", HELP], ids=["import", "help"])
def test_starting_loads_nothing_heavy(program: str) -> None:
    assert json.loads(run_fresh(program + LOADED).splitlines()[-1]) == []


@pytest.mark.parametrize(("program", "limit_seconds"), [("import autotuner", 0.3), (HELP, 0.5)], ids=["import", "help"])
def test_starting_is_fast(program: str, limit_seconds: float) -> None:
    assert min(cpu_seconds(program) for _ in range(3)) <= limit_seconds


def test_no_source_file_is_longer_than_300_lines() -> None:
    lines = {path: len(path.read_text("utf-8").splitlines()) for path in own_files({".py"})}
    assert {str(path.relative_to(ROOT)): count for path, count in lines.items() if count > 300} == {}


def test_nothing_is_left_unfinished() -> None:
    assert [
        str(path.relative_to(ROOT))
        for path in [*own_files(TEXT_SUFFIXES), ROOT / "README.md", ROOT / "Makefile", ROOT / "pyproject.toml"]
        if any(word in path.read_text("utf-8") for word in UNFINISHED)
    ] == []


def test_the_demo_pipeline_is_the_users_own_code() -> None:
    source = (ROOT / "autotuner" / "cli" / "demo_files" / "pipeline.py").read_text("utf-8")
    nodes = list(ast.walk(ast.parse(source)))
    imported = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    imported |= {node.module or "" for node in nodes if isinstance(node, ast.ImportFrom)}
    assert {name.partition(".")[0] for name in imported} - sys.stdlib_module_names == {"keras", "tensorflow"}


def test_the_demo_pipeline_knows_the_classes_of_the_demo_images() -> None:
    source = (ROOT / "autotuner" / "cli" / "demo_files" / "pipeline.py").read_text("utf-8")
    assert f"CLASS_NAMES = {json.dumps(list(CLASSES))}\n" in source
