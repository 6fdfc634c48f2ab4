"""``autotuner ui``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Open the MLflow UI on the studies of this folder.")
@click.option("--tracking-uri", help="MLflow tracking URI; else MLFLOW_TRACKING_URI, else MLflow's default.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port on this machine, 5000 by default.")
def ui(tracking_uri: str | None, port: int | None) -> int:
    """Open the studies of this folder in the MLflow UI, on this machine only."""
    from autotuner.track.ui import DEFAULT_PORT, HOST, run_ui

    click.echo(f"http://{HOST}:{port or DEFAULT_PORT}   (Ctrl-C ends it)", err=True)
    return run_ui(tracking_uri, port, Path.cwd())
