"""``autotuner check``."""

from __future__ import annotations

import json
from pathlib import Path

import click

_FAILED = 1


@click.command(short_help="Run the tuned code again and compare; for CI.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--measure", is_flag=True, help="Also measure whether it still is faster on this machine.")
@click.option("--json", "as_json", is_flag=True, help="Print the answer as JSON on standard output.")
def check(folder: Path, *, measure: bool, as_json: bool) -> int:
    """Run what is in the working tree and compare it with the run in FOLDER: the same data, the same structure.

    Where the patch is applied that is your own files, else the module or the shim. Exits with 1 where it differs.
    """
    from autotuner.api.checking import check_code

    found = check_code(folder, measure=measure)
    if as_json:
        click.echo(json.dumps(found.to_json(), indent=2))
    verdict = f"differs: {found.reason}" if found.reason else "yields the same data through the same stages"
    click.echo(f"{found.what} {verdict}", err=True)
    if found.speedup is not None:
        faster = "still faster" if found.faster else "not measurably faster any more"
        click.echo(f"{faster}: {found.speedup} the speed of the best baseline", err=True)
    return 0 if found.passed else _FAILED
