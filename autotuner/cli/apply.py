"""``autotuner apply``."""

from __future__ import annotations

from pathlib import Path

import click


@click.command(short_help="Patch your own files with what was found.")
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--dry-run", is_flag=True, help="Show the patch and whether it fits; change nothing.")
def apply(folder: Path, *, dry_run: bool) -> None:
    """Patch your own files with the changes that the run in FOLDER found.

    All files are changed or none; `git apply -R FOLDER/tuned.patch` takes it back.
    """
    from autotuner.api.working_tree import WorkingTree

    tree = WorkingTree.of(folder)
    if dry_run:
        tree.with_patch()
        click.echo((folder / "tuned.patch").read_bytes().decode(), nl=False)
        return
    tree.apply()
    for name in tree.texts:
        click.echo(f"patched {tree.root / name}", err=True)
