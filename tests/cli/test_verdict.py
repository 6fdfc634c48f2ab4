from __future__ import annotations

import io
from dataclasses import dataclass, replace
from pathlib import Path
from typing import cast

from rich.console import Console

from autotuner.api import TuneResult
from autotuner.cli.verdict import tell
from autotuner.measure.result import StudyResult, Verdict
from tests.track.made_up import study_result

HERE = Path("/home/me")


@dataclass
class Result:
    summary: StudyResult
    code: str = ""
    diff: str = ""
    folder: Path = HERE / "tuned"


def told(summary: StudyResult, code: str = "", diff: str = "") -> list[str]:
    file = io.StringIO()
    tell(cast("TuneResult", Result(summary, code, diff)), HERE, Console(file=file, width=100, highlight=False))
    return [line.rstrip() for line in file.getvalue().splitlines()]


def test_an_improvement_is_told_with_intervals_and_places() -> None:
    mlflow = {"tracking_uri": "sqlite:////home/me/mlflow.db", "experiment_id": "1", "run_id": "f00"}
    assert told(replace(study_result(), mlflow=mlflow, notes=("look at this",)), "import tensorflow") == [
        "",
        "IMPROVED  Five rounds in fresh processes agree: the tuned pipeline beats the best baseline.",
        "",
        "pipeline     steps/s   10 epochs   tuned is faster by",
        "as_written      75.2     6.8 min   2.40x [2.20, 2.61]",
        "autotune        78.0     6.6 min   2.31x [2.12, 2.52]",
        "cores           77.1     6.7 min   2.34x [2.15, 2.55]",
        "tuned          180.3     3.2 min",
        "ceiling        228.0               the model alone, on one batch",
        "",
        "note: look at this",
        "code    tuned/tuned_pipeline.py",
        "report  tuned/report.html",
        "trials  autotuner ui   (MLflow, experiment 1)",
    ]


def test_without_an_improvement_nothing_is_called_faster() -> None:
    lines = told(study_result(verdict=Verdict.KEEP_BASELINE))
    assert "Keep your own pipeline." in lines
    assert not any("2.40x" in line or "faster by" in line or line.startswith("code") for line in lines)


def test_an_open_question_asks_for_time() -> None:
    assert "Keep your own pipeline, or repeat the command with more time to go on." in told(
        study_result(verdict=Verdict.INCONCLUSIVE)
    )


def test_a_store_elsewhere_is_named() -> None:
    server = told(replace(study_result(), mlflow={"tracking_uri": "http://host:5000", "experiment_id": "3"}))
    other = told(replace(study_result(), mlflow={"tracking_uri": "sqlite:////data/m.db", "experiment_id": "3"}))
    assert server[-1] == "trials  http://host:5000   (MLflow, experiment 3)"
    assert other[-1] == "trials  autotuner ui --tracking-uri sqlite:////data/m.db   (MLflow, experiment 3)"


def test_durations_read_well() -> None:
    times = {"as_written": 0.25, "autotune": 90.0, "cores": 7300.0}
    lines = told(replace(study_result(), projected_seconds=times, epochs=1))
    assert lines[3].startswith("pipeline     steps/s   1 epoch   ")
    assert any("0.25 s" in line for line in lines)
    assert any("90.0 s" in line for line in lines)
    assert any("2.0 h" in line for line in lines)
