"""The user's own files and the patch of a run: put in, whether it is in, and what they were without it."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path

from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import read_json
from autotuner.emit.atomic import write_text
from autotuner.emit.hunks import DoesNotFitError, FilePatch, parse_patch
from autotuner.errors import AutotunerError, UsageError


class State(Enum):
    """How the files stand to the patch."""

    APPLIED = "applied"
    NOT_APPLIED = "not applied"


@dataclass(frozen=True)
class WorkingTree:
    """The files a patch is about, as they are now."""

    root: Path
    patches: tuple[FilePatch, ...]
    texts: Mapping[str, str]
    """By path relative to the root."""

    @staticmethod
    def of(path: Path) -> WorkingTree:
        """Reads the patch of the run in ``path`` and the files it is about.

        Raises:
            UsageError: there is no patch.
            AutotunerError: a file is missing, outside the project, or a symbolic link.
        """
        folder = RunFolder(path.resolve())
        if not folder.patch.is_file():
            raise UsageError(f"{path} holds no {folder.patch.name}", _why_no_patch(folder))
        root = (folder.path / read_json(folder.configuration)["root"]).resolve()
        patches = parse_patch(folder.patch.read_bytes().decode())
        return WorkingTree(root, patches, {patch.path: _text(root, patch.path) for patch in patches})

    @property
    def state(self) -> State:
        """Whether the patch is in the files.

        Raises:
            AutotunerError: neither it nor its reverse fits: the files have changed.
        """
        try:
            self.without_patch()
        except DoesNotFitError:
            self._with_patch()
            return State.NOT_APPLIED
        return State.APPLIED

    def without_patch(self) -> dict[str, str]:
        """The texts from before it was applied, by absolute path.

        Raises:
            DoesNotFitError: it is not in the files.
        """
        return {str(self.root / patch.path): patch.reversed().applied(self.texts[patch.path]) for patch in self.patches}

    def as_they_are(self) -> dict[str, str]:
        """The texts now, by absolute path."""
        return {str(self.root / path): text for path, text in self.texts.items()}

    def with_patch(self) -> dict[str, str]:
        """The texts once it is applied, by absolute path.

        Raises:
            AutotunerError: it is applied already, or a file has changed where it would.
        """
        if self.state is State.APPLIED:
            raise AutotunerError(
                f"the patch is applied already: {', '.join(self.texts)}", "take it back with `git apply -R`"
            )
        return self._with_patch()

    def _with_patch(self) -> dict[str, str]:
        try:
            return {str(self.root / patch.path): patch.applied(self.texts[patch.path]) for patch in self.patches}
        except DoesNotFitError as error:
            raise AutotunerError(
                f"{error} since the patch was written, so it does not fit any more",
                "run `autotuner tune` or `autotuner emit` again",
            ) from error

    def apply(self) -> None:
        """Puts the patch in: every file whole, or none.

        Raises:
            AutotunerError: it does not fit, or a file cannot be written.
        """
        changed = self.with_patch()
        for path in changed:
            if not os.access(path, os.W_OK) or not os.access(Path(path).parent, os.W_OK):
                raise AutotunerError(f"{path} cannot be written to: permission denied", "nothing was changed")
        written: list[str] = []
        try:
            for path, text in changed.items():
                write_text(Path(path), text)
                written.append(path)
        except OSError as error:
            for done in written:
                write_text(Path(done), self.as_they_are()[done])
            raise AutotunerError(f"{path} cannot be written to: {error.strerror}", "nothing was changed") from error


def _text(root: Path, name: str) -> str:
    path = root / name
    if ".." in Path(name).parts or not path.resolve().is_relative_to(root):
        raise AutotunerError(f"{name} is not inside {root}", "the patch is not one of this project; run tune again")
    if path.is_symlink():
        raise AutotunerError(
            f"{path} is a symbolic link to {path.resolve()}", "run tune on the file itself, so that it is patched"
        )
    try:
        return path.read_bytes().decode()
    except FileNotFoundError as error:
        raise AutotunerError(
            f"there is no {path}", "it was moved since the patch was written; run tune again"
        ) from error
    except (OSError, UnicodeDecodeError) as error:
        raise AutotunerError(f"{path} cannot be read: {error}", "") from error


def _why_no_patch(folder: RunFolder) -> str:
    notes = read_json(folder.result)["notes"] if folder.result.is_file() else []
    return next((note for note in notes if "patch" in note), "nothing was improved, or the study has not ended")
