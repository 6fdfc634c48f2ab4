"""``autotuner demo``: real photographs, a pipeline as tutorials write it, a small model, a verdict in minutes."""

from __future__ import annotations

import filecmp
import shutil
from pathlib import Path

import click

from autotuner.cli.progress import progress
from autotuner.cli.verdict import tell
from autotuner.errors import AutotunerError, UsageError

_IMAGES = 3200
_SEED = 0
_TIMEOUT = "100s"
_PIPELINE = Path(__file__).parent / "demo_files" / "pipeline.py"


@click.command(short_help="Tune a tutorial's image pipeline on this machine, in minutes.")
@click.argument("folder", default="autotuner-demo", type=click.Path(path_type=Path, file_okay=False))
@click.option("--timeout", default=_TIMEOUT, show_default=True, help="Time for the study.")
@click.option("--json", "as_json", is_flag=True, help="Print result.json on standard output at the end.")
def demo(folder: Path, timeout: str, *, as_json: bool) -> None:
    """Tune a tutorial's image pipeline in FOLDER and show what comes out.

    Repeating the command continues the study there.
    """
    from autotuner.api import autotune
    from autotuner.cli.demo_images import make_images
    from autotuner.search.budget import parse_duration

    seconds = parse_duration(timeout)
    pipeline = _own_pipeline(folder)
    click.echo(f"preparing {_IMAGES} photographs in {folder / 'images'}", err=True)
    make_images(folder / "images", _IMAGES, _SEED)
    with progress(seconds) as watching:
        result = autotune(
            f"{pipeline}:dataset_fn",
            f"{pipeline}:model_fn",
            timeout=seconds,
            out=folder / "tuned",
            observers=[watching],
        )
    tell(result, here=Path.cwd())
    if as_json:
        click.echo(result.summary.dumps())


def _own_pipeline(folder: Path) -> Path:
    """The demo's pipeline in the user's folder, where nothing of theirs is overwritten."""
    path = folder / "pipeline.py"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if path.exists() and not filecmp.cmp(_PIPELINE, path, shallow=False):
            raise UsageError(f"{path} is not the demo's", "name another folder, or tune it with autotuner tune")
        shutil.copyfile(_PIPELINE, path)
    except OSError as error:
        raise AutotunerError(f"cannot write to {folder}: {error.strerror}", "name another folder") from error
    return path
