"""A tuned cache in a file: where its user wants it, fresh for each dataset, and gone with the process."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from autotuner.emit.module import EmittedModule, emit_module
from autotuner.pipeline import Configuration, Facts, FnRef, Op, OpFacts, Pipeline
from autotuner.rewrites import apply

PROGRAM = """
import sys, types
from pathlib import Path
sys.modules["tensorflow"] = types.SimpleNamespace(data=types.SimpleNamespace(Dataset=None))
module = {"__name__": "tuned_pipeline"}
exec(Path(sys.argv[1]).read_text(), module)
if len(sys.argv) > 2:
    module["CACHE_FOLDER"] = sys.argv[2]
for _ in range(2):
    path = Path(module["new_cache_file"]())
    path.with_suffix(".index").write_text("kept")
    print(path)
"""
MAP = FnRef("f", "f", source="lambda x: x", digest="f")
PIPELINE = Pipeline((Op("range[0]", "range", None, (("args", (5,)),)), Op("map[f]", "map", "range[0]")))
FACTS = Facts({op.label: OpFacts(cardinality=5) for op in PIPELINE.ops})


def emitted(tmp_path: Path) -> Path:
    pipeline = PIPELINE.replace_op("map[f]", lambda op: op.with_argument("map_func", MAP))
    tuned = apply(pipeline, FACTS, Configuration({"cache.after": "map[f]", "cache.medium": "file"}))
    made = emit_module(tuned, function_name="dataset_fn", signature="", header=[], effects={}, folder=tmp_path)
    assert isinstance(made, EmittedModule), made
    assert "ds = ds.cache(new_cache_file())  # cache.after" in made.text
    path = tmp_path / "tuned_pipeline.py"
    path.write_text(made.text)
    return path


@pytest.mark.parametrize("chosen", [True, False])
def test_the_files_are_where_the_user_wants_them_and_leave_with_the_process(tmp_path: Path, *, chosen: bool) -> None:
    there = tmp_path / "large disk"
    there.mkdir()
    command = [sys.executable, "-c", PROGRAM, str(emitted(tmp_path)), *([str(there)] if chosen else [])]
    told = subprocess.run(command, capture_output=True, text=True, check=True).stdout.splitlines()
    first, second = map(Path, told)
    assert first.parent != second.parent
    assert not first.parent.exists()
    assert not second.parent.exists()
    assert (first.parent.parent == there) is chosen
    assert there.is_dir()
