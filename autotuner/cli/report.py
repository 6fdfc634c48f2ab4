"""``autotuner report``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write the report of a study as it is now.")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--open", "opens", is_flag=True, help="Also open it in the browser.")
def report(study: Path, *, opens: bool) -> None:
    """Write report.html of the study in folder STUDY anew, also while it runs or after it was interrupted."""
    from autotuner.api.reporting import write_report

    written = write_report(study)
    click.echo(written)
    if opens:
        click.launch(str(written))
