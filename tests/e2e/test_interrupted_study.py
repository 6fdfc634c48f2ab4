"""One study on real JPEGs, killed, robbed of its worker, interrupted, and in the end finished."""

from __future__ import annotations

import json
import shutil
import signal
import sqlite3
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.projects import KEEPING, Running, autotuner, examples, jpeg_project, run_python, started

TUNE = ("tune", "pipe.py:dataset_fn", "pipe.py:model_fn", "--epochs", "20", "--seed", "1")
LONG = ("--timeout", "10m")
CLOSING_SECONDS = 60
"""For one more trial, ablation and confirmation."""
FINDS_RUNS = """
import json
from mlflow import MlflowClient
client = MlflowClient()
[experiment] = [item for item in client.search_experiments() if item.name == "autotuner"]
runs = client.search_runs([experiment.experiment_id], max_results=1000)
print(json.dumps([[run.info.run_id, run.data.tags.get("mlflow.parentRunId"), run.info.status] for run in runs]))
"""


@dataclass
class Story:
    folder: Path
    exits: dict[str, int] = field(default_factory=dict)
    printed: dict[str, str] = field(default_factory=dict)
    stored: dict[str, dict[int, str]] = field(default_factory=dict)

    @property
    def out(self) -> Path:
        return self.folder / "tuned"

    def result(self) -> dict[str, Any]:
        return json.loads((self.out / "result.json").read_text("utf-8"))


def trials(out: Path) -> dict[int, str]:
    """What the study's database says of every trial that was measured or failed."""
    with sqlite3.connect(
        f"file:{out / 'study.db'}?mode=rw", uri=True
    ) as database:  # a kill may leave a transaction to undo
        rows = database.execute(
            "select number, value_json from trials join trial_user_attributes using (trial_id) where key = 'record'"
        ).fetchall()
    return dict(rows)


def kill_controller(study: Running) -> int:
    study.wait_for("\nsearching")  # so the first trial after the baselines is running
    return study.end(signal.SIGKILL)


def kill_worker_then_interrupt(study: Running) -> int:
    study.wait_for("\nsearching")
    [worker] = study.workers()
    worker.kill()
    study.wait_for("the system killed the worker")
    study.wait_for(" steps/s", count=2)  # the ceiling again, and a trial after the one that was lost
    return study.end(signal.SIGINT)


@pytest.fixture(scope="module")
def story(tmp_path_factory: pytest.TempPathFactory) -> Story:
    began = time.monotonic()
    told = Story(jpeg_project(tmp_path_factory.mktemp("jpegs")))
    for name, end in (("killed", kill_controller), ("interrupted", kill_worker_then_interrupt)):
        with started(told.folder, *TUNE, *LONG, "--trials", "40") as study:
            told.exits[name] = end(study)
            study.wait_for_orphans()
            told.printed[name] = study.log.read_text("utf-8")
        told.stored[name] = trials(told.out)
    left = ("--timeout", f"{time.monotonic() - began + CLOSING_SECONDS:.0f}s")
    wanted = len(told.stored["interrupted"]) + 1
    for name, options in (("finished", ()), ("repeated", ()), ("reused", ("--reuse",))):
        done = autotuner(told.folder, *TUNE, *left, "--trials", str(wanted), "--json", *options)
        told.exits[name], told.printed[name] = done.returncode, done.stderr
        told.stored[name] = trials(told.out)
        assert json.loads(done.stdout or "null") == told.result(), done.stderr
    return told


def test_a_killed_controller_loses_no_finished_trial(story: Story) -> None:
    assert story.exits["killed"] == -signal.SIGKILL
    assert sorted(story.stored["killed"]) == [0, 1, 2]
    assert story.stored["killed"].items() <= story.stored["interrupted"].items()
    assert "continuing: 3 trials are already there" in story.printed["interrupted"]


def test_a_killed_worker_costs_one_trial(story: Story) -> None:
    lost = [record for record in story.stored["interrupted"].values() if '"OUT_OF_MEMORY"' in record]
    assert len(lost) == 1
    assert len(story.stored["interrupted"]) >= 5


def test_an_interrupt_keeps_everything_and_says_how_to_go_on(story: Story) -> None:
    assert story.exits["interrupted"] == 130
    last = story.printed["interrupted"].splitlines()[-1]
    assert last == "interrupted; all trials are kept: repeat the same command to continue where it stopped"
    assert story.stored["interrupted"].items() <= story.stored["finished"].items()


def test_more_trials_continue_the_study(story: Story) -> None:
    assert story.exits["finished"] == 0
    assert len(story.stored["finished"]) == len(story.stored["interrupted"]) + 1


def test_no_configuration_is_measured_twice_beyond_the_baselines(story: Story) -> None:
    configurations = [json.loads(record)["configuration"] for record in story.stored["finished"].values()]
    searched = [json.dumps(item, sort_keys=True) for item in configurations[3:]]
    assert len(set(searched)) == len(searched)


def test_repeating_a_finished_study_measures_nothing(story: Story) -> None:
    assert story.exits["repeated"] == 0
    assert story.stored["repeated"] == story.stored["finished"]


def test_the_result_is_given_again_by_another_process(story: Story) -> None:
    assert story.exits["reused"] == 0
    assert "the stored result is of the same pipeline, model and machine" in story.printed["reused"]
    assert story.stored["reused"] == story.stored["repeated"]


def test_the_code_of_any_trial_can_be_had(story: Story) -> None:
    number, chosen = next(
        (number, configuration)
        for number, record in story.stored["finished"].items()
        if KEEPING & (configuration := json.loads(record)["configuration"]).keys()
    )
    done = autotuner(story.folder, "emit", "tuned", "--trial", str(number))
    assert done.returncode == 0, done.stderr
    folder = story.out / f"trial-{number}"
    assert str(folder / "tuned_pipeline.py") in done.stdout.split()
    assert all(Path(path).is_file() for path in done.stdout.split())
    assert json.loads((folder / "configuration.json").read_text("utf-8"))["decisions"] == chosen
    tuned = examples(folder, "from tuned_pipeline import dataset_fn\ndataset = dataset_fn()")
    assert tuned == examples(story.folder, "from pipe import dataset_fn\ndataset = dataset_fn()")
    shutil.rmtree(folder)


def test_keeping_what_was_decoded_pays(story: Story) -> None:
    result = story.result()
    assert result["verdict"] == "IMPROVED"
    assert KEEPING & result["configuration"].keys()
    assert result["speedup"]["low"] > 1.02


def test_result_json_has_what_it_promises(story: Story) -> None:
    result = story.result()
    expected = {
        "schema", "study", "verdict", "reason", "speedup", "speedup_over", "steps_per_second", "epochs",
        "projected_seconds", "trials", "wall_seconds", "timed_seconds", "configuration", "ablation", "files", "mlflow",
        "machine", "notes",
    }  # fmt: skip
    assert set(result) == expected
    assert result["schema"] == 1
    assert result["epochs"] == 20
    assert set(result["speedup"]) == {"estimate", "low", "high", "over"}
    assert set(result["steps_per_second"]) >= {"as_written", "tuned", "ceiling"}
    assert set(result["projected_seconds"]) >= {"as_written", "tuned"}
    assert set(result["trials"]) == {"complete", "pruned", "failed", "not_equivalent"}
    assert set(result["mlflow"]) == {"tracking_uri", "experiment_id", "run_id"}
    assert {"cores", "memory_bytes", "gpu", "tensorflow", "fingerprint"} <= set(result["machine"])
    assert all((story.out / name).is_file() for name in result["files"].values())
    assert result["files"].keys() >= {"module", "report", "configuration"}


def test_configuration_json_is_that_of_the_result(story: Story) -> None:
    stored = json.loads((story.out / "configuration.json").read_text("utf-8"))
    assert stored == {"schema": 1, "decisions": story.result()["configuration"], "root": ".."}


def test_the_module_needs_nothing_of_ours_and_yields_the_same_examples(story: Story) -> None:
    own = examples(story.folder, "from pipe import dataset_fn\ndataset = dataset_fn()")
    tuned = examples(story.out, "from tuned_pipeline import dataset_fn\ndataset = dataset_fn()")
    assert len(own) == 48
    assert tuned == own


def test_a_plain_mlflow_client_in_the_folder_finds_the_study(story: Story) -> None:
    done = run_python(story.folder, "-c", FINDS_RUNS)
    assert done.returncode == 0, done.stderr
    runs = json.loads(done.stdout)
    [parent] = [run_id for run_id, of, _ in runs if of is None]
    assert parent == story.result()["mlflow"]["run_id"]
    children = [status for _, of, status in runs if of == parent]
    assert len(children) == len(story.stored["finished"])
    assert {"FAILED", "FINISHED"} <= set(children) <= {"FAILED", "FINISHED", "KILLED"}


def test_nothing_is_left_beside_the_study(story: Story) -> None:
    kept = {path.name for path in story.out.iterdir()}
    assert kept == {
        ".lock", "configuration.json", "report.html", "result.json", "run.json", "study.db", "tuned.patch",
        "tuned_pipeline.py", "worker.log",
    }  # fmt: skip
