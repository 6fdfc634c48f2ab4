"""``autotuner emit``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Write the code of a trial again.")
@click.argument("study", type=click.Path(path_type=Path))
@click.option("--trial", type=int, help="Number of the trial; the winner by default.")
def emit(study: Path, trial: int | None) -> None:
    """Write the code of a trial of the study in folder STUDY, run it and compare it once more."""
    from autotuner.api.emitting import emit_code

    folder, code = emit_code(study, trial=trial)
    written = {"tuned.patch": code.diff, "tuned_pipeline.py": code.module, "tuned_dataset_fn.py": code.shim}
    for name in (name for name, text in written.items() if text):
        click.echo(folder / name)
    for note in code.notes:
        click.echo(f"note: {note}", err=True)
