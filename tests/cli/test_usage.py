"""What is wrong with the request itself is told before anything is started or written."""

from __future__ import annotations

import subprocess
import sys
import types
from pathlib import Path

import pytest

from autotuner.cli.main import run
from autotuner.machine import Machine
from tests.cli.conftest import Tune

WRONG = [
    (("--timeout", "-5"), "'-5' is not a timeout", "such as 90s, 10m or 8h"),
    (("--timeout", "soon"), "'soon' is not a timeout", "such as 90s, 10m or 8h"),
    (("--trial-timeout", "0"), "'0' is not a timeout", "such as 90s, 10m or 8h"),
    (("--trials", "0"), "0 trials is not a budget", "at least one"),
    (("--epochs", "0"), "0 epochs is not a training", "one epoch at least"),
    (("--steps-per-epoch", "0"), "0 steps is not an epoch", "one step at least"),
    (("--memory-limit-gb", "-1"), "is not a memory limit", "what the worker may use"),
    (("--preset", "slow"), 'there is no preset "slow"', "quick, remote_storage, thorough"),
    (("--preset", "bad.toml"), "bad.toml", ""),
    (("--preserve", "nothing"), "preserve cannot be 'nothing'", "auto, SEQUENCE, MULTISET or DISTRIBUTION"),
    (("--storage", "nowhere"), "Optuna cannot use this storage", "sqlite:///study.db"),
    (("--storage", "postgresql+pg8000://a:b@localhost/x"), "Optuna cannot use this storage", "install the driver"),
]
TARGETS = [
    ("nowhere.py:f", "there is no file nowhere.py", "looked for it as"),
    ("no.such.module:f", "there is no module no.such.module", "PYTHONPATH"),
    ("pipe.py", "'pipe.py' does not name a function", "file.py:name"),
    ("pipe.txt:f", "there is no module pipe.txt", "file.py:name"),
    ("some/pipe:f", "some/pipe is not a Python file", "file.py:name"),
]


@pytest.mark.parametrize(("options", "message", "hint"), WRONG, ids=[" ".join(options) for options, *_ in WRONG])
def test_a_wrong_option_is_named(tune: Tune, options: tuple[str, ...], message: str, hint: str) -> None:
    Path("bad.toml").write_text("schema = 1\nsummary = 'A typo.'\n['cache.after']\nmedias = ['memory']\n", "utf-8")
    code, out, err = tune(*options)
    assert code == 2
    assert out == ""
    assert message in err
    assert hint in err.splitlines()[-1]


@pytest.mark.parametrize(("target", "message", "hint"), TARGETS, ids=[target for target, *_ in TARGETS])
@pytest.mark.parametrize("role", ["dataset", "model"])
def test_a_target_that_is_not_there_is_named(tune: Tune, role: str, target: str, message: str, hint: str) -> None:
    code, _, err = tune(**{role: target})
    assert code == 2
    assert message in err
    assert hint in err
    assert not Path("tuned").exists()


@pytest.mark.parametrize("arguments", [["frob"], ["tune"], ["tune", "a:b"], ["ui", "--port", "0"], ["tune", "--fast"]])
def test_wrong_usage_says_where_help_is(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    assert "--help" in capsys.readouterr().err


def test_help_names_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    printed = capsys.readouterr().out
    assert all(f"\n  {name} " in printed for name in ("demo", "inspect", "tune", "ui"))


def test_a_gpu_that_this_process_holds_is_told(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    context = types.ModuleType("tensorflow.python.eager.context")
    context.context = lambda: types.SimpleNamespace(_initialized=True)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, context.__name__, context)
    monkeypatch.setattr(Machine, "detect", lambda: Machine(cores=2, memory_bytes=1 << 34, gpu="H200"))
    monkeypatch.delenv("TF_FORCE_GPU_ALLOW_GROWTH", raising=False)
    code, _, err = tune()
    assert code == 1
    assert "TensorFlow already holds the GPU in this process" in err
    assert "TF_FORCE_GPU_ALLOW_GROWTH=true" in err
    monkeypatch.setenv("TF_FORCE_GPU_ALLOW_GROWTH", "true")
    assert tune()[0] == 0


def test_a_gpu_that_nobody_holds_is_left_to_the_worker(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    context = types.ModuleType("tensorflow.python.eager.context")
    context.context = lambda: types.SimpleNamespace(_initialized=False)  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, context.__name__, context)
    monkeypatch.setattr(Machine, "detect", lambda: Machine(cores=2, memory_bytes=1 << 34, gpu="H200"))
    assert tune()[0] == 0


def test_a_request_to_terminate_ends_a_command_as_ctrl_c_does() -> None:
    program = (
        "import os, signal\n"
        "from autotuner.cli import main\n"
        "main.run = lambda arguments: main_run(['tune', *arguments])\n"
        "def main_run(arguments):\n"
        "    try:\n"
        "        os.kill(os.getpid(), signal.SIGTERM)\n"
        "    except KeyboardInterrupt:\n"
        "        return main.INTERRUPTED\n"
        "    return 0\n"
        "main.main()\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 130, done.stderr
