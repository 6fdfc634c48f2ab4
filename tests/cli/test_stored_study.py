"""A folder or a database that cannot be used is told in one line, and nothing in it is lost."""

from __future__ import annotations

import fcntl
import functools
import json
import sqlite3
from dataclasses import replace
from pathlib import Path

import pytest

from autotuner.machine import Machine
from autotuner.measure.outcome import Failure
from autotuner.pipeline import Configuration, Pipeline
from tests.cli.conftest import Tune
from tests.search.world import OPENED, PIPELINE, World, failure, no_gain

OTHER = "the study stored in this folder was made with another"


def test_repeating_continues_and_measures_nothing_twice(tune: Tune) -> None:
    assert tune()[0] == 0
    before = numbers()
    code, _, err = tune()
    assert code == 0
    assert "continuing: 5 trials are already there" in err
    assert numbers() == before
    assert len(before) == 5


def test_the_result_is_all_there_is_on_standard_output(tune: Tune) -> None:
    code, out, err = tune("--json")
    assert code == 0
    assert json.loads(out) == json.loads(Path("tuned/result.json").read_text("utf-8"))
    assert json.loads(out)["verdict"] in err


def test_a_search_that_did_not_take_place_claims_nothing(tune: Tune, world: World) -> None:
    world.speed = no_gain
    code, out, err = tune("--trials", "3", "--json")
    assert code == 0
    assert json.loads(out)["verdict"] == "INCONCLUSIVE"
    assert "nothing was left of the budget for a trial after the baselines" in err


def test_a_trial_that_fails_fails_alone(tune: Tune, world: World) -> None:
    def speed(configuration: Configuration) -> float | Failure:
        return failure() if "cache.after" in configuration else 50.0

    world.speed = speed
    code, out, err = tune("--json")
    assert code == 0
    assert "  3 guess      ERROR: it broke" in err.splitlines()
    assert json.loads(out)["trials"]["failed"] >= 1


def test_another_preset(tune: Tune) -> None:
    tune()
    assert_refused(tune("--preset", "quick"), f"{OTHER} search space")


def test_other_epochs(tune: Tune) -> None:
    tune()
    assert_refused(tune("--epochs", "3"), f"{OTHER} epochs")


def test_another_pipeline(tune: Tune, world: World) -> None:
    tune()
    world.opened = replace(OPENED, pipeline=Pipeline(PIPELINE.ops[:-1]).to_json())
    assert_refused(tune(), f"{OTHER} pipeline")


def test_another_machine(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    tune()
    machine = Machine.detect()
    monkeypatch.setattr(Machine, "detect", lambda: replace(machine, cpu="another one"))
    assert_refused(tune(), f"{OTHER} machine")


def test_a_damaged_database_is_left_as_it_is(tune: Tune) -> None:
    Path("tuned").mkdir()
    Path("tuned/study.db").write_bytes(b"this is no database" * 100)
    code, _, err = tune()
    assert code == 1
    assert "the study database is damaged or not ours: " in err
    assert err.splitlines()[-1].startswith("hint: move ")
    assert Path("tuned/study.db").read_bytes() == b"this is no database" * 100


def test_a_database_that_another_process_writes_to(tune: Tune, monkeypatch: pytest.MonkeyPatch) -> None:
    tune()
    connect = sqlite3.connect
    impatient = functools.partial(connect, timeout=0.1)  # SQLite itself waits five seconds
    monkeypatch.setattr(sqlite3.dbapi2, "connect", impatient)
    with connect("tuned/study.db") as other:
        other.execute("BEGIN EXCLUSIVE")
        code, _, err = tune()
    assert code == 1
    assert "the study database cannot be used: database is locked" in err.replace("(sqlite3.OperationalError) ", "")
    assert "another process may hold it" in err
    assert tune()[0] == 0


def test_a_folder_in_which_another_controller_works(tune: Tune) -> None:
    Path("tuned").mkdir()
    with Path("tuned/.lock").open("w") as lock:
        lock.write("4711")
        lock.flush()
        fcntl.flock(lock, fcntl.LOCK_EX)
        code, _, err = tune()
    assert code == 1
    assert "another autotuner (process 4711) is working in" in err
    assert "choose another folder with --out" in err


@pytest.mark.parametrize("out", ["pipe.py", "pipe.py/tuned", "/proc/tuned", "/sys/kernel/tuned"])
def test_an_output_folder_that_cannot_be(tune: Tune, out: str) -> None:
    code, _, err = tune("--out", out)
    assert code == 1
    assert f"the output folder {out} cannot be written to: " in err
    assert err.splitlines()[-1] == "hint: choose another with --out"


@pytest.mark.parametrize("uri", ["http://127.0.0.1:9", "nonsense://x", "http://"])
def test_mlflow_out_of_reach_does_not_stop_a_study(tune: Tune, uri: str) -> None:
    code, out, err = tune("--tracking-uri", uri, "--json")
    assert code == 0
    notes = [line for line in err.splitlines() if line.startswith("note: ")]
    assert any("the study goes on without" in note for note in notes)
    assert json.loads(out)["notes"]


def numbers() -> list[int]:
    """Trials with an outcome; queued guesses are trials for Optuna, too."""
    with sqlite3.connect("tuned/study.db") as database:
        rows = database.execute(
            "select number from trials join trial_user_attributes using (trial_id) where key = 'record' order by number"
        ).fetchall()
    return [number for (number,) in rows]


def assert_refused(ended: tuple[int, str, str], message: str) -> None:
    code, _, err = ended
    assert code == 1
    assert f"autotuner: {message}" in err
    assert err.splitlines()[-1] == "hint: choose another folder with --out, or remove this one"
    assert len(numbers()) == 5
