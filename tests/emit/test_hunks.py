"""Patches are put in and taken back whole, wherever their lines have moved to."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.emit.hunks import DoesNotFitError, parse_patch
from autotuner.emit.unified import unified_diff

LINES = st.lists(st.sampled_from(["a", "b", "ö ", "\tc", "--- x", "+++ y", "@@ -1 +1 @@", "", "\\ no"]), max_size=14)
TEXTS = st.builds(
    lambda lines, end, last: end.join(lines) + (end if last else ""),
    LINES,
    st.sampled_from(["\n", "\r\n"]),
    st.booleans(),
)


def diff(before: str, after: str, name: str = "data.py") -> str:
    path = f"/p/{name}"
    return unified_diff({path: before.encode()}, {path: after.encode()})[1]


@given(TEXTS, TEXTS)
def test_a_difference_leads_there_and_back(before: str, after: str) -> None:
    if before == after:
        assert diff(before, after) == ""
        return
    [patch] = parse_patch(diff(before, after))
    assert patch.path == "data.py"
    assert patch.applied(before) == after
    assert patch.reversed().applied(after) == before


def test_hunks_follow_lines_that_moved() -> None:
    before = "".join(f"line {number}\n" for number in range(30))
    after = before.replace("line 10\n", "line ten\n").replace("line 20\n", "line 20\nmore\n")
    [patch] = parse_patch(diff(before, after))
    assert patch.applied("new\nlines\n" + before) == "new\nlines\n" + after


def test_lines_that_changed_or_are_twice_as_near_do_not_fit() -> None:
    before = "".join(f"line {number}\n" for number in range(9))
    [patch] = parse_patch(diff(before, before.replace("line 4\n", "four\n")))
    with pytest.raises(DoesNotFitError, match=r"data\.py has changed around line 2"):
        patch.applied(before.replace("line 5", "line five"))
    with pytest.raises(DoesNotFitError):
        patch.applied("")


def test_names_with_spaces_and_several_files() -> None:
    before = {"/p/my data.py": b"a\n", "/p/sub/x.py": b"b\n", "/p/same.py": b"c\n"}
    root, text = unified_diff(before, before | {"/p/my data.py": b"A\n", "/p/sub/x.py": b"B"})
    assert root == "/p"
    assert [patch.path for patch in parse_patch(text)] == ["my data.py", "sub/x.py"]
    assert [patch.applied(old) for patch, old in zip(parse_patch(text), ("a\n", "b\n"), strict=True)] == ["A\n", "B"]
