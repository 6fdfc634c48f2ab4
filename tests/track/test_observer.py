"""A real SQLite store: what the runs of a study hold."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from mlflow import MlflowClient
from mlflow.entities import Run

from autotuner.measure.outcome import FailureKind
from autotuner.measure.records import StudyInfo, TrialRecord
from autotuner.measure.result import StudyResult
from autotuner.track import MlflowObserver
from tests.track.made_up import DECISIONS, START, failed, measured, study_info, study_result

if TYPE_CHECKING:
    from autotuner.measure.observer import Observer


@pytest.fixture
def uri(tmp_path: Path, migrated_database: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mlflow.db").write_bytes(migrated_database.read_bytes())
    return f"sqlite:///{tmp_path}/mlflow.db"


def refuse(text: str) -> None:
    pytest.fail(f"the user was told: {text}")


def play(
    uri: str | None, trials: list[TrialRecord], *, study: StudyInfo | None = None, earlier: tuple[TrialRecord, ...] = ()
) -> StudyResult:
    observer: Observer = MlflowObserver(refuse, uri)
    observer.phase_started("prepare")
    observer.ceiling_measured(228.0)
    observer.study_started(study or study_info(), earlier)
    for trial in trials:
        observer.trial_finished(trial)
    observer.confirmation_round_finished(1, 2)
    observer.message("hello")
    result = observer.study_finished(study_result())
    observer.close()
    return result


def interrupted(uri: str, trials: list[TrialRecord], earlier: tuple[TrialRecord, ...] = ()) -> None:
    observer = MlflowObserver(refuse, uri)
    observer.phase_started("prepare")
    observer.study_started(study_info(), earlier)
    for trial in trials:
        observer.trial_finished(trial)
    observer.close()


def runs_of(uri: str) -> tuple[list[Run], list[Run]]:
    """Parents, and children by trial number."""
    client = MlflowClient(tracking_uri=uri)
    experiment = client.get_experiment_by_name("autotuner")
    assert experiment is not None
    runs = list(client.search_runs([experiment.experiment_id]))
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    children.sort(key=lambda run: int(run.data.tags["autotuner.trial"]))
    return [run for run in runs if run not in children], children


def test_a_study_is_one_parent_with_a_child_per_trial(uri: str) -> None:
    result = play(uri, [measured(0, 75.2, "as_written", {}), measured(1), failed(2)])
    [parent], children = runs_of(uri)
    assert dict(result.mlflow) == {
        "tracking_uri": uri,
        "experiment_id": parent.info.experiment_id,
        "run_id": parent.info.run_id,
    }
    assert result.notes == study_result().notes
    assert [run.info.run_name for run in children] == ["0 as_written", "1 search", "2 search"]
    assert {run.data.tags["mlflow.parentRunId"] for run in children} == {parent.info.run_id}
    assert [run.info.status for run in children] == ["FINISHED", "FINISHED", "FAILED"]
    assert [run.data.tags["state"] for run in children] == ["COMPLETE", "COMPLETE", "FAILED"]


def test_the_parent_tells_the_whole_story(uri: str) -> None:
    play(uri, [measured(0)])
    [parent], _ = runs_of(uri)
    assert parent.info.run_name == "jpeg-study"
    assert parent.info.status == "FINISHED"
    tags, metrics, params = parent.data.tags, parent.data.metrics, parent.data.params
    assert tags["study"] == "jpeg-study"
    assert tags["verdict"] == "IMPROVED"
    assert tags["pipeline_signature"] == "abc123"
    assert tags["machine_fingerprint"] == "f00dfeed"
    assert (tags["dataset"], tags["model"]) == ("pipeline.py:dataset_fn", "pipeline.py:model_fn")
    assert "2.31x [2.12, 2.52]" in tags["mlflow.note.content"]
    assert (metrics["speedup"], metrics["speedup_low"], metrics["speedup_high"]) == (2.31, 2.12, 2.52)
    assert metrics["ceiling_steps_per_second"] == 228.0
    assert metrics["trials_complete"] == 84
    assert (metrics["wall_seconds"], metrics["timed_seconds"]) == (598.2, 431.0)
    assert params["epochs"] == "10"
    assert params["preset"] == "default"
    assert params["machine.cores"] == "2"
    assert params["machine.gpu"] == "none"


def test_a_trial_has_its_numbers_and_real_times(uri: str) -> None:
    play(uri, [measured(1, 100.0)])
    _, [child] = runs_of(uri)
    assert set(child.data.metrics) == {
        "projected_seconds",
        "drift",
        "steps_per_second",
        "first_epoch_steps_per_second",
        "later_epoch_steps_per_second",
        "ratio_to_best_baseline",
        "ratio_to_ceiling",
        "time_to_first_batch_seconds",
        "peak_rss_bytes",
        "cpu_seconds_per_step",
        "stalls",
        "wall_seconds",
    }
    assert child.data.metrics["projected_seconds"] == 30.0
    assert child.info.start_time == (START + 5) * 1000
    assert child.info.end_time == (START + 8.4) * 1000
    assert child.data.tags["structure"] == "5tructure"
    assert child.data.tags["role"] == "search"
    assert child.data.tags["machine_fingerprint"] == "f00dfeed"


def test_every_decision_is_always_there(uri: str) -> None:
    play(uri, [measured(0, parameters={}), measured(1), failed(2)])
    _, children = runs_of(uri)
    assert {len(run.data.params) for run in children} == {len(DECISIONS)}
    assert set(children[0].data.params.values()) == {"n/a"}
    assert children[1].data.params["map:decode:2.num_parallel_calls"] == "8"
    assert children[1].data.params["cache.after"] == "none"
    assert children[1].data.params["map:decode.num_parallel_calls"] == "n/a"


def test_more_decisions_than_one_request_takes(uri: str) -> None:
    study = replace(study_info(), decisions={f"map[f{place}].vectorize": False for place in range(230)})
    play(uri, [measured(0, parameters={})], study=study)
    _, [child] = runs_of(uri)
    assert len(child.data.params) == 230


def test_a_failure_keeps_its_traceback(uri: str) -> None:
    play(uri, [failed(0), failed(1, FailureKind.ILLEGAL)])
    _, [child, illegal] = runs_of(uri)
    assert child.data.tags["failure_kind"] == "ERROR"
    assert child.data.tags["failure_message"] == "ValueError: no such file"
    assert "Traceback" in child.data.tags["failure_traceback"]
    text = Path(child.info.artifact_uri.removeprefix("file://"), "failure.txt").read_text("utf-8")
    assert text.startswith("ERROR: ValueError: no such file\n\nTraceback")
    assert (illegal.data.tags["state"], illegal.info.status) == ("PRUNED", "KILLED")


def test_the_files_of_the_run_are_attached(uri: str, tmp_path: Path) -> None:
    folder = tmp_path / "tuned"
    folder.mkdir()
    (folder / "report.html").write_text("<p>", "utf-8")
    (folder / "secret.txt").write_text("mine", "utf-8")
    observer = MlflowObserver(refuse, uri)
    observer.study_started(study_info(), ())
    result = observer.study_finished(study_result())
    (folder / "result.json").write_text(result.dumps(), "utf-8")
    observer.log_artifacts(folder)
    observer.close()
    [parent], _ = runs_of(uri)
    attached = Path(parent.info.artifact_uri.removeprefix("file://"))
    assert sorted(path.name for path in attached.iterdir()) == ["report.html", "result.json"]
    assert json.loads((attached / "result.json").read_text("utf-8"))["mlflow"]["run_id"] == parent.info.run_id
    assert parent.info.status == "FINISHED"


def test_a_resumed_study_continues_its_run_and_repeats_nothing(uri: str) -> None:
    first = [measured(0), failed(1)]
    interrupted(uri, first)
    [parent], _ = runs_of(uri)
    assert parent.info.status == "KILLED"
    play(uri, [measured(2)], earlier=tuple(first))
    [resumed], children = runs_of(uri)
    assert resumed.info.run_id == parent.info.run_id
    assert resumed.info.status == "FINISHED"
    assert [run.data.tags["autotuner.trial"] for run in children] == ["0", "1", "2"]


def test_a_child_that_was_cut_short_is_completed(uri: str) -> None:
    interrupted(uri, [measured(0)])
    client = MlflowClient(tracking_uri=uri)
    [parent], _ = runs_of(uri)
    tags = {"mlflow.parentRunId": parent.info.run_id, "autotuner.trial": "1"}
    client.create_run(parent.info.experiment_id, start_time=round((START + 5) * 1000), tags=tags)
    interrupted(uri, [], earlier=(measured(0), measured(1)))
    _, children = runs_of(uri)
    assert [run.info.status for run in children] == ["FINISHED", "FINISHED"]
    assert children[1].data.metrics["steps_per_second"] == 100.0


def test_a_study_begun_anew_is_a_new_run(uri: str) -> None:
    play(uri, [measured(0)])
    later = replace(measured(0), started_at_seconds=START + 9_000, finished_at_seconds=START + 9_003)
    play(uri, [later])
    parents, children = runs_of(uri)
    assert len(parents) == 2
    assert len({run.data.tags["mlflow.parentRunId"] for run in children}) == 2


def test_other_pipelines_and_names_are_other_runs(uri: str) -> None:
    for study in (study_info(), study_info(signature="fff"), study_info(name='it\'s "another"')):
        play(uri, [measured(0)], study=study, earlier=(measured(0),))
    parents, _ = runs_of(uri)
    assert len(parents) == 3


def test_plain_mlflow_in_the_folder_finds_the_study(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    result = play(None, [measured(0)])
    client = MlflowClient()
    assert client.get_run(result.mlflow["run_id"]).data.tags["study"] == "jpeg-study"
    assert (tmp_path / "mlflow.db").is_file()


def test_the_environment_variable_names_the_store(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
    monkeypatch.chdir(tmp_path.parent)
    assert play(None, []).mlflow["tracking_uri"] == uri
