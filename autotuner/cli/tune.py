"""``autotuner tune``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from autotuner.cli.progress import progress
from autotuner.cli.verdict import tell


@click.command(short_help="Search, confirm, and write the tuned pipeline as code.")
@click.argument("dataset")
@click.argument("model")
@click.option("--timeout", default="10m", show_default=True, help="Time for the whole study: 90s, 10m, 8h.")
@click.option("--trials", type=int, help="How many configurations may be measured, the three baselines included.")
@click.option("--epochs", default=10, show_default=True, help="Epochs of the training to be.")
@click.option("--steps-per-epoch", type=int, help="As in fit; needed where the dataset has no known end.")
@click.option("--preset", default="default", show_default=True, help="How far to search: a name or a TOML file.")
@click.option("--keep", multiple=True, help="Label of a stage to leave as it is; may be repeated.")
@click.option("--preserve", default="auto", show_default=True, help="auto, SEQUENCE, MULTISET or DISTRIBUTION.")
@click.option("--out", default="tuned", show_default=True, type=click.Path(path_type=Path), help="The run's folder.")
@click.option("--study", help="Name of the study.")
@click.option("--storage", help="Optuna RDB URL; a SQLite file in the run's folder by default.")
@click.option("--seed", type=int, help="Seed of the sampler.")
@click.option("--tracking-uri", help="MLflow tracking URI; else MLFLOW_TRACKING_URI, else MLflow's default.")
@click.option("--trial-timeout", default="60s", show_default=True, help="Wall limit of one trial.")
@click.option("--memory-limit-gb", type=float, help="For the worker's process tree; 4/5 of the memory by default.")
@click.option("--cold", is_flag=True, help="Read files from storage in each trial, not from the system's memory.")
@click.option("--reuse", is_flag=True, help="Give the stored result where pipeline, model and machine are the same.")
@click.option("--json", "as_json", is_flag=True, help="Print result.json on standard output at the end.")
def tune(
    dataset: str,
    model: str,
    out: Path,
    timeout: str,
    *,
    as_json: bool,
    memory_limit_gb: float | None,
    **options: Any,  # noqa: ANN401 - those named as autotune's are passed on
) -> None:
    """Search for the fastest pipeline with the same data.

    DATASET and MODEL name functions as file.py:name or package.module:name. Repeating the command continues the
    study in the same folder.
    """
    from autotuner.api import autotune
    from autotuner.search.budget import parse_duration

    memory = None if memory_limit_gb is None else int(memory_limit_gb * 1e9)
    seconds = parse_duration(timeout)
    with progress(seconds) as watching:
        result = autotune(
            dataset, model, out=out, timeout=seconds, memory_limit_bytes=memory, observers=[watching], **options
        )
    tell(result, here=Path.cwd())
    if as_json:
        click.echo(result.summary.dumps())
