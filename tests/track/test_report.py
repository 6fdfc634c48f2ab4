from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest

from autotuner.measure.outcome import FailureKind
from autotuner.measure.result import Verdict
from autotuner.track import report_html
from autotuner.track.report import headline
from tests.track.made_up import failed, measured, study_info, study_result, study_trials

HOSTILE = "<script>alert('x')</script>&"


class Balanced(HTMLParser):
    """Fails on the first tag that is closed in the wrong place."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        del attrs
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def page(verdict: Verdict = Verdict.IMPROVED) -> str:
    code = "import tensorflow as tf\n"
    return report_html(study_info(), study_trials(60), study_result(verdict=verdict), code, 228.0)


def test_the_page_says_it_all() -> None:
    text = page()
    assert "Training runs 2.31× as fast" in text
    assert "95 % interval 2.12 – 2.52" in text
    assert "2.40× [2.20 – 2.61]" in text
    assert study_result().reason in text
    assert study_result().notes[0].replace("'", "&#39;") in text
    assert "import tensorflow as tf" in text
    assert "24.0 GiB" in text
    for decision in study_result().configuration:
        assert decision in text


@pytest.mark.parametrize("verdict", Verdict)
def test_every_verdict_is_a_page(verdict: Verdict) -> None:
    text = page(verdict)
    assert headline(study_result(verdict=verdict)).rstrip(".") in text
    parser = Balanced()
    parser.feed(text)
    assert parser.open == []


def test_nothing_comes_from_the_network() -> None:
    assert not re.search(r"https?://|src=|@import|<link", page())


def test_what_the_user_wrote_is_escaped() -> None:
    study = replace(study_info(name=HOSTILE, folder=HOSTILE), dataset_target=HOSTILE)
    trials = [failed(0, FailureKind.ERROR, HOSTILE), measured(1, parameters={HOSTILE: HOSTILE})]
    result = replace(
        study_result(HOSTILE),
        reason=HOSTILE,
        notes=(HOSTILE,),
        configuration={HOSTILE: HOSTILE},
        machine={HOSTILE: HOSTILE},
        steps_per_second={HOSTILE: 1.0},
    )
    text = report_html(study, trials, result, HOSTILE, None)
    assert "<script" not in text
    assert "&lt;script&gt;" in text


def test_a_study_without_anything_is_a_page_too() -> None:
    result = replace(
        study_result(verdict=Verdict.INCONCLUSIVE),
        steps_per_second={},
        projected_seconds={},
        speedup_over={},
        configuration={},
        ablation=(),
        machine={},
    )
    text = report_html(study_info(), [], result, None, None)
    assert "Inconclusive" in text
    assert "the pipeline stays as it is" in text
    assert "<svg" not in text


def test_equal_failures_are_one_line() -> None:
    trials = [failed(number) for number in range(20)]
    text = report_html(study_info(), trials, study_result(), None, None)
    assert text.count("<details>") == 1
    assert "0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11 and 8 more" in text
