"""A result explains itself, in words and in a notebook."""

from __future__ import annotations

from dataclasses import replace

from autotuner.api.explanation import explanation, html
from autotuner.measure.result import AblationEntry, Verdict
from autotuner.pipeline import DecisionValue
from tests.track.made_up import study_result

CHOSEN: dict[str, DecisionValue] = {"cache.after": "map[<lambda>]", "options.autotune": False}
IMPROVED = replace(
    study_result(), configuration=CHOSEN, ablation=(AblationEntry("cache.after", 0.49, kept=True),), notes=("a < b",)
)
STATUS_QUO = {"cache.after": None, "options.autotune": None}


def test_each_change_is_told_with_what_it_was_and_what_it_buys() -> None:
    lines = explanation(IMPROVED, STATUS_QUO).splitlines()
    assert lines[0].startswith("IMPROVED: ")
    told = "(kept from here on, reused in every epoch; without it 0.49x the speed)"
    assert f"  cache.after: none → map[<lambda>] {told}" in lines
    assert "  options.autotune: none → False (no epoch ends with a wait for tf.data's own tuning)" in lines
    assert "  tuned is at 79% of the ceiling" in lines
    assert lines[-1] == "note: a < b"


def test_a_notebook_shows_verdict_ratio_and_patch_and_nothing_breaks_out() -> None:
    shown = html(IMPROVED, STATUS_QUO, "-a\n+<script>\n")
    assert ">IMPROVED</b> 2.31x [2.12, 2.52] over autotune" in shown
    assert "map[&lt;lambda&gt;]" in shown
    assert "<pre>-a\n+&lt;script&gt;\n</pre>" in shown
    assert "a &lt; b" in shown


def test_without_an_improvement_nothing_changed() -> None:
    kept = study_result(verdict=Verdict.KEEP_BASELINE)
    kept = replace(kept, configuration={}, speedup=None)
    assert "What changed" not in explanation(kept, {}) + html(kept, {}, "")
