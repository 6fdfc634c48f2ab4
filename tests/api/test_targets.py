from __future__ import annotations

import sys
from pathlib import Path

import pytest

from autotuner.api.targets import check, live, target
from autotuner.errors import UsageError, UserCodeError
from autotuner.measure.target import parse_target
from autotuner.worker.load import load


def double(number: int) -> int:
    return 2 * number


def test_a_function_of_a_module_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "shop_data.py").write_text("def dataset_fn():\n    return 1\n", "utf-8")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "shop_data", raising=False)
    module = __import__("shop_data")
    found = target(module.dataset_fn, tmp_path / "pickle")
    assert (found.kind, str(found)) == ("module", "shop_data:dataset_fn")
    assert not (tmp_path / "pickle").exists()


def test_a_closure_is_pickled(tmp_path: Path) -> None:
    factor = 3
    found = target(lambda number: factor * number, tmp_path / "pickle")
    assert found.kind == "pickle"
    assert (tmp_path / "pickle").is_file()


@pytest.mark.parametrize("given", [None, 3, [double]])
def test_what_cannot_be_called_is_refused(given: object) -> None:
    with pytest.raises(UsageError, match=r"dataset_fn is .*, not a function"):
        check(given, "dataset_fn")  # type: ignore[arg-type]


def test_a_live_function_is_itself() -> None:
    assert live(double) is double


def test_a_name_means_the_folder_it_was_given_in(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "here").mkdir()
    (tmp_path / "here" / "own_pipeline.py").write_text("", "utf-8")
    monkeypatch.chdir(tmp_path / "here")
    check("own_pipeline.py:dataset_fn", "dataset_fn")
    function = live("own_pipeline.py:dataset_fn")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match="there is no file"):
        live("own_pipeline.py:dataset_fn")
    assert callable(function)


@pytest.mark.parametrize(
    ("name", "message", "hint"),
    [
        ("dataset_fun", "own_pipeline.py has no dataset_fun", "functions there: dataset_fn"),
        ("SIZE", "SIZE is int, not a function", "name the function itself"),
    ],
)
def test_a_name_that_is_no_function_is_told(tmp_path: Path, name: str, message: str, hint: str) -> None:
    (tmp_path / "own_pipeline.py").write_text("SIZE = 3\n\ndef dataset_fn(): ...\n", "utf-8")
    with pytest.raises(UserCodeError, match=message) as told:
        load(parse_target(f"{tmp_path}/own_pipeline.py:{name}"))
    assert hint in told.value.hint


def test_a_file_that_fails_shows_its_own_traceback(tmp_path: Path) -> None:
    (tmp_path / "broken_pipeline.py").write_text("import no_such_module\n", "utf-8")
    with pytest.raises(UserCodeError, match="No module named 'no_such_module'") as told:
        load(parse_target(f"{tmp_path}/broken_pipeline.py:dataset_fn"))
    assert "broken_pipeline.py" in told.value.user_traceback
