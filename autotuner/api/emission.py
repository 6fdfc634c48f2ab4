"""Code for a configuration: a patch, a module, else a shim; each is run and compared before anyone sees it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from autotuner.api.folder import RunFolder
from autotuner.emit.atomic import write_text
from autotuner.emit.attribution import decided
from autotuner.emit.literals import scalar_text
from autotuner.emit.module import EmittedModule, emit_module
from autotuner.emit.parameters import parametrised
from autotuner.emit.patch import EmittedPatch, emit_patch
from autotuner.emit.refusal import Unemittable
from autotuner.emit.shim import emit_shim
from autotuner.measure.messages import Checked, CheckModule, CheckSources, Traced
from autotuner.measure.outcome import Failure
from autotuner.measure.runner import Runner
from autotuner.pipeline import Configuration, Pipeline, from_json
from autotuner.rewrites import apply
from autotuner.search.conclusion import Prepared

NO_PARAMETERS = Traced([], {}, {}, {})


@dataclass(frozen=True)
class Wanted:
    """What is to be written as code, and what is said of it."""

    prepared: Prepared
    configuration: Configuration
    dataset_target: str
    told: tuple[str, ...]
    """Lines for the module's head: how much faster, on which machine."""
    effects: Mapping[str, str] = field(default_factory=dict)
    """Decision → what it was measured to buy."""

    @property
    def rewritten(self) -> Pipeline:
        """The pipeline with the configuration applied."""
        return apply(self.prepared.pipeline, self.prepared.facts, self.configuration)


@dataclass(frozen=True)
class Code:
    """What could be written; empty texts where it could not, and why."""

    module: str = ""
    """Empty where it could not be written, and where there is a shim."""
    shim: str = ""
    """Only where there is neither patch nor module."""
    traced: Traced = NO_PARAMETERS
    """Which parameters the module or the shim has, and what became of the others."""
    diff: str = ""
    root: str = ""
    """The folder that the paths of ``diff`` start from."""
    files: Mapping[str, str] = field(default_factory=dict)
    """The patched files, whole, by absolute path."""
    notes: tuple[str, ...] = ()


def write_code(wanted: Wanted, runner: Runner, folder: RunFolder) -> Code:
    """Writes ``tuned.patch`` and ``tuned_pipeline.py``, as far as each can be written and does what it should.

    Where neither can, ``tuned_dataset_fn.py``: the user's function runs, and its calls are made again as decided.
    """
    for path in (folder.module, folder.patch, folder.shim):
        path.unlink(missing_ok=True)
    if not wanted.configuration:
        return Code()
    traced = _traced(wanted, runner)
    patch, no_patch = _checked_patch(wanted, runner, folder, traced)
    module, of_module, no_module = _checked_module(wanted, runner, folder, traced, _MODULE)
    notes = tuple(filter(None, (no_patch, no_module)))
    if patch is not None:
        return Code(module, "", of_module, patch.diff, patch.root, patch.files, notes)
    if module:
        return Code(module, "", of_module, notes=notes)
    shim, of_shim, no_shim = _checked_module(wanted, runner, folder, traced, _SHIM)
    last = no_shim or f"{folder.shim.name} runs your own function and makes its calls again as they were tuned"
    if no_shim:
        notes = (*notes, last)
        last = "result.dataset_fn() gives the tuned dataset"
    return Code("", shim, of_shim, notes=(*notes, last))


def write_configuration(configuration: Configuration, code: Code, folder: RunFolder) -> None:
    """Writes ``configuration.json``: the decisions, and where the patch belongs, relative to the run's folder."""
    root = os.path.relpath(code.root, folder.path) if code.root else None
    content = {"schema": 1, "decisions": dict(configuration), "root": root}
    write_text(folder.configuration, json.dumps(content, indent=2) + "\n")


def module_for(wanted: Wanted, folder: Path, traced: Traced) -> EmittedModule | Unemittable:
    """The module as it would be written to ``folder``, from where it finds the user's own modules."""
    rewritten = parametrised(wanted.rewritten, wanted.prepared.pipeline, traced.marks)
    return emit_module(
        rewritten,
        function_name="dataset_fn",
        signature=_signature(traced),
        header=_header(wanted, traced),
        effects=wanted.effects,
        changed=decided(wanted.prepared.pipeline, wanted.rewritten, wanted.configuration),
        folder=folder,
        attributes={name: from_json(value) for name, value in wanted.prepared.opened.attributes.items()},
    )


def shim_for(wanted: Wanted, folder: Path, traced: Traced) -> EmittedModule | Unemittable:
    """The shim as it would be written to ``folder``."""
    origin = wanted.prepared.opened.origin
    if origin is None:
        return Unemittable(("the function lives in a script or a notebook, from where no code can import it",))
    return emit_shim(
        wanted.prepared.pipeline,
        wanted.rewritten,
        origin=origin,
        signature=_signature(traced),
        header=_header(wanted, traced),
        effects=wanted.effects,
        folder=folder,
        changed=decided(wanted.prepared.pipeline, wanted.rewritten, wanted.configuration),
    )


def _signature(traced: Traced) -> str:
    return ", ".join(f"{name}={scalar_text(default)}" for name, default in traced.defaults.items())


def patch_for(wanted: Wanted) -> EmittedPatch | Unemittable:
    """The edits of the user's own source."""
    return emit_patch(
        wanted.prepared.pipeline,
        wanted.rewritten,
        configuration=wanted.configuration,
        effects=wanted.effects,
        read=_read,
    )


def _read(path: str) -> bytes:
    return Path(path).read_bytes()


def _checked_patch(
    wanted: Wanted, runner: Runner, folder: RunFolder, traced: Traced
) -> tuple[EmittedPatch | None, str]:
    emitted = patch_for(wanted)
    if isinstance(emitted, Unemittable):
        return None, f"no patch could be written: {'; '.join(emitted.reasons)}"
    answer = runner.check(CheckSources(dict(emitted.files), dict(wanted.configuration), traced.others))
    if isinstance(answer, Checked) and answer.wrong_parameters:
        return None, (
            f"the patch that was written was dropped: with another {' and another '.join(answer.wrong_parameters)} "
            "it would do something else than your function"
        )
    if reason := answer.message if isinstance(answer, Failure) else answer.reason:
        return None, f"the patch that was written did not reproduce the tuned pipeline and was dropped: {reason}"
    write_text(folder.patch, emitted.diff)
    return emitted, ""


@dataclass(frozen=True)
class _Kind:
    """One of the two files that expose ``dataset_fn``."""

    name: str
    emit: Callable[[Wanted, Path, Traced], EmittedModule | Unemittable]
    path: Callable[[RunFolder], Path]


_MODULE = _Kind("module", module_for, lambda folder: folder.module)
_SHIM = _Kind("shim", shim_for, lambda folder: folder.shim)


def _checked_module(
    wanted: Wanted, runner: Runner, folder: RunFolder, traced: Traced, kind: _Kind
) -> tuple[str, Traced, str]:
    """Only what was run and compared gets its final name; says why there is none where there is none.

    A parameter with which it would do something else than the user's function is fixed at its default.
    """
    reason = ""
    for _ in range(2):
        emitted = kind.emit(wanted, folder.path, traced)
        if isinstance(emitted, Unemittable):
            return "", traced, f"no {kind.name} could be written: {'; '.join(emitted.reasons)}"
        answer = _run(emitted, wanted, traced, runner, folder)
        wrong = [] if isinstance(answer, Failure) else answer.wrong_parameters
        reason = answer.message if isinstance(answer, Failure) else answer.reason or ", ".join(wrong)
        if not reason:
            write_text(kind.path(folder), emitted.text)
            return emitted.text, traced, ""
        traced = _without(traced, wrong or list(traced.defaults))
    return (
        "",
        traced,
        f"the {kind.name} that was written did not reproduce the tuned pipeline and was removed: {reason}",
    )


def _traced(wanted: Wanted, runner: Runner) -> Traced:
    if not wanted.prepared.opened.parameters:
        return NO_PARAMETERS
    answer = runner.trace()
    return NO_PARAMETERS if isinstance(answer, Failure) else answer


def _without(traced: Traced, names: Collection[str]) -> Traced:
    """``traced`` with ``names`` fixed at their defaults."""
    reason = "with another value the tuned pipeline would need other code"
    return Traced(
        [mark for mark in traced.marks if mark.parameter not in names],
        {name: default for name, default in traced.defaults.items() if name not in names},
        {name: other for name, other in traced.others.items() if name not in names},
        {**traced.baked, **dict.fromkeys(names, reason)},
    )


def _run(
    emitted: EmittedModule, wanted: Wanted, traced: Traced, runner: Runner, folder: RunFolder
) -> Checked | Failure:
    write_text(folder.unchecked_module, emitted.text)
    try:
        request = CheckModule(str(folder.unchecked_module), dict(wanted.configuration), traced.others)
        return runner.check(request)
    finally:
        folder.unchecked_module.unlink(missing_ok=True)


def _header(wanted: Wanted, traced: Traced) -> list[str]:
    lines = [f"Tuned from {wanted.dataset_target}.", *wanted.told]
    given = wanted.prepared.opened.parameters
    if given and not traced.defaults and not traced.baked:
        lines.append(f"The parameters of the original function are fixed as they were: {given}.")
    lines += [f"The parameter {name} is fixed as it was: {reason}." for name, reason in traced.baked.items()]
    return lines


def machine_line(machine: Mapping[str, Any]) -> str:
    """On what the numbers were measured."""
    return f"{machine['cores']} cores, TensorFlow {machine['tensorflow']}, Python {platform.python_version()}."
