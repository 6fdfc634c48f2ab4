"""A stored result in place of a new study, where it answers the very same question."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from autotuner.api.emission import Code
from autotuner.api.folder import RunFolder
from autotuner.api.stored_run import StoredRun, read_json
from autotuner.measure.messages import Mark, Open, Traced
from autotuner.measure.result import StudyResult, Verdict
from autotuner.search.conclusion import Prepared, StudyPlan


def question_of(prepared: Prepared, plan: StudyPlan, request: Open) -> dict[str, str]:
    """What a result is the answer to; how long the search may take is no part of it."""
    return {
        "pipeline": prepared.pipeline.signature(),
        "model": prepared.opened.model_fingerprint,
        "machine": plan.machine.fingerprint,
        "epochs": f"{request.epochs} of {request.steps_per_epoch or 'all'} steps",
        "preset": plan.preset.digest(),
        "preserve": str(plan.preserve or "auto"),
        "keep": ", ".join(sorted(request.keep)),
        "state of the page cache": "cold" if request.cold else "as it is",
    }


def answered(question: Mapping[str, str], code: Code) -> dict[str, Any]:
    """What is kept beside a result, so that it can be given again."""
    return {"question": dict(question), "parameters": asdict(code.traced)}


def study_name(folder: RunFolder, question: Mapping[str, str], name: str) -> str:
    """The study in ``folder`` that is to answer ``question``: each question has one, and one is continued.

    ``name`` is the beginning of a new one's.
    """
    answer = stored_answer(folder)
    if answer is not None and answer["question"] == question:
        return StoredRun.load(folder.path).study
    return f"{name}-{hashlib.sha256(json.dumps(question, sort_keys=True).encode()).hexdigest()[:8]}"


def stored_answer(folder: RunFolder) -> dict[str, Any] | None:
    """What :func:`answered` gave when the result in ``folder`` was written."""
    return StoredRun.load(folder.path).answer if folder.run.is_file() else None


@dataclass(frozen=True)
class StoredResult:
    """What a run's folder holds."""

    summary: StudyResult
    code: Code


def stored_result(folder: RunFolder, question: Mapping[str, str]) -> StoredResult | str:
    """The result in ``folder``, or in what it answers another question than ``question``."""
    if not folder.result.is_file():
        return "there is no result yet"
    answer = stored_answer(folder)
    if answer is None:
        return "it is not known what the result in the folder was found for"
    differing = [name for name, value in question.items() if answer["question"].get(name) != value]
    if differing:
        return f"it was found with another {' and another '.join(differing)}"
    summary = StudyResult.from_json(read_json(folder.result))
    if summary.verdict is Verdict.INCONCLUSIVE:
        return "it is INCONCLUSIVE"
    texts = {role: folder.path / name for role, name in summary.files.items()}
    if missing := [path.name for path in texts.values() if not path.is_file()]:
        return f"{missing[0]} is missing"
    module, shim, diff = (
        texts[role].read_bytes().decode() if role in texts else "" for role in ("module", "shim", "patch")
    )
    return StoredResult(summary, Code(module, shim, _traced(answer["parameters"]), diff))


def _traced(data: Mapping[str, Any]) -> Traced:
    return Traced(**{**data, "marks": [Mark(**mark) for mark in data["marks"]]})
