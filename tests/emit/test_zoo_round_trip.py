"""The whole catalogue, written as code: it builds the very graph of the rewritten pipeline, or is refused."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from typing import Any

import pytest

from tests.emit.emitting import REPRODUCED

ROOT = Path(__file__).parents[2]
ROLES = ("patch", "module", "shim")
ANOTHER_SEED = {"set_seed_first", "set_seed_in_between"}
"""With a global seed each op draws its own as it is made, so code that makes them in another order differs."""
STATE_OF_ITS_OWN = {"layer_adapted_on_the_dataset", "snapshotted"}
"""A layer that was built for one shape, files of a snapshot: they are what the build before has left."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    folder = tmp_path_factory.mktemp("zoo")
    done = subprocess.run(
        [sys.executable, "-m", "tests.emit.zoo_round_trip", str(folder)],
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3", "CUDA_VISIBLE_DEVICES": ""},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    found: list[dict[str, Any]] = json.loads(done.stdout.splitlines()[-1])
    return found


@pytest.mark.timeout(1200)
def test_what_is_written_builds_the_rewritten_pipeline(told: list[dict[str, Any]]) -> None:
    wrong = [
        (item["entry"], item["configuration"], role, item[role])
        for item in told
        for role in ROLES
        if item[role] not in REPRODUCED and not item[role].startswith("refused: ")
        if item["entry"] not in ANOTHER_SEED | STATE_OF_ITS_OWN
    ]
    assert wrong == []


@pytest.mark.timeout(1200)
def test_most_get_a_patch_and_all_some_code(told: list[dict[str, Any]]) -> None:
    by_entry: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in told:
        by_entry[item["entry"]].append(item)
    patched = [entry for entry, items in by_entry.items() if any(item["patch"] in REPRODUCED for item in items)]
    assert len(patched) >= 0.9 * len(by_entry)
    assert sum(item["patch"] in REPRODUCED for item in told) >= 0.9 * len(told)
    assert sum(bool(REPRODUCED & {item["patch"], item["module"]}) for item in told) >= 0.99 * len(told)
    nothing = [
        (item["entry"], item["configuration"]) for item in told if not REPRODUCED & {item[role] for role in ROLES}
    ]
    assert nothing == []


@pytest.mark.timeout(1200)
def test_every_refusal_has_its_reason(told: list[dict[str, Any]]) -> None:
    reasons = [item[role].removeprefix("refused: ") for item in told for role in ROLES]
    assert all(reason.strip() for reason in reasons)
