from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from autotuner.errors import UsageError
from autotuner.machine import Machine
from autotuner.pipeline import AUTOTUNE, DecisionValue
from autotuner.rewrites.base import Decision, Preserves
from autotuner.space import PresetError, SearchSpace, available_presets, load_preset
from autotuner.space import preset as module
from autotuner.space.domain import LARGEST_NUMBER, Extent, allowed_values, is_number
from autotuner.space.preset_table import TableError, read_extent
from autotuner.space.settings import MEDIA, SETTINGS

FILES = Path(__file__).parent / "presets"
BUILT_IN = Path(__file__).parents[2] / "search_spaces"
EIGHT_CORES = Machine(cores=8, memory_bytes=2**34)


@pytest.mark.parametrize("file", sorted((FILES / "bad").glob("*.toml")), ids=lambda file: file.stem)
def test_a_bad_preset_is_refused_with_file_key_and_reason(file: Path) -> None:
    comments = dict(line[2:].split(": ", 1) for line in file.read_text().splitlines() if line.startswith("# "))
    with pytest.raises(PresetError) as caught:
        load_preset(file)
    assert caught.value.message.startswith(f"{file}: {comments['expected']}")
    assert comments.get("hint", "") in caught.value.hint


@pytest.mark.parametrize("file", sorted((FILES / "good").glob("*.toml")), ids=lambda file: file.stem)
def test_a_good_preset_is_read_as_written(file: Path) -> None:
    preset = load_preset(str(file))
    defaults = asdict(Extent())
    shown = {
        name: {key: value for key, value in asdict(extent).items() if value != defaults[key]}
        for name, extent in preset.extents.items()
    }
    read = {"summary": preset.summary, "preserve": preset.preserve, "extents": shown}
    assert json.loads(json.dumps(read)) == json.loads(file.with_suffix(".json").read_text())
    assert preset.name == file.stem


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "schema: missing"),
        ('schema = 1\nsummary = "é"\n'.encode("latin-1"), "is not UTF-8 text"),
        (b"schema = 1\nx = " + b"[" * 100_000, "is not TOML"),
    ],
)
def test_files_that_are_no_text_or_no_toml(tmp_path: Path, content: bytes, message: str) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(content)
    with pytest.raises(PresetError, match=r"mine\.toml") as caught:
        load_preset(file)
    assert message in caught.value.message


def test_a_file_saved_by_a_windows_editor_is_read(tmp_path: Path) -> None:
    file = tmp_path / "mine.toml"
    file.write_bytes(b'\xef\xbb\xbfschema = 1\r\nsummary = "x"\r\n["cache.after"]\r\n')
    assert list(load_preset(file).extents) == ["cache.after"]


@settings(deadline=None)
@given(st.text(max_size=200))
def test_whatever_a_file_holds_the_answer_is_a_preset_error(
    tmp_path_factory: pytest.TempPathFactory, text: str
) -> None:
    file = tmp_path_factory.getbasetemp() / "fuzz.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(PresetError):
        load_preset(file)


@pytest.mark.parametrize("target", ["absent.toml", "./absent", "folder/absent", "~/absent.toml"])
def test_a_path_is_never_looked_up_as_a_name(target: str) -> None:
    with pytest.raises(PresetError, match="cannot be read: No such file") as caught:
        load_preset(target)
    assert "~" not in caught.value.message


def test_a_folder_is_no_preset(tmp_path: Path) -> None:
    with pytest.raises(PresetError, match="cannot be read: Is a directory"):
        load_preset(tmp_path)


@pytest.mark.parametrize("name", ["quik", "", "README", "Default"])
def test_an_unknown_name_lists_the_known_ones(name: str) -> None:
    with pytest.raises(UsageError, match="there is no preset") as caught:
        load_preset(name)
    assert all(known in caught.value.hint for known in available_presets())


def test_presets_are_found_in_an_installed_package_and_in_a_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code = tmp_path / "autotuner" / "space" / "preset.py"
    monkeypatch.setattr(module, "__file__", str(code))
    assert available_presets() == ()
    for folder, name in (("search_spaces", "checkout"), ("autotuner/_search_spaces", "installed")):
        (tmp_path / folder).mkdir(parents=True)
        (tmp_path / folder / f"{name}.toml").write_text('schema = 1\nsummary = "x"\n["cache.after"]\n')
        assert available_presets() == (name,)
        assert load_preset(name).name == name


# What tomllib can give for a key: mostly close to right, at times absurd.
scalars: st.SearchStrategy[Any] = st.one_of(
    st.booleans(),
    st.integers(-2, 40),
    st.sampled_from([10**400, 0.5, float("nan"), float("inf"), "", "cores", AUTOTUNE, "memory"]),
    st.floats(),
    st.text(max_size=5),
)
tables = st.dictionaries(
    st.sampled_from(["about", "enabled", "unit", "low", "high", "log", "special", "values", "media", "x"]),
    scalars | st.lists(scalars, max_size=3),
    max_size=5,
) | st.fixed_dictionaries(
    {"low": st.floats(0, 50) | st.integers(0, 50), "high": st.floats(0, 50) | st.integers(0, 50)},
    optional={"log": st.booleans(), "unit": st.just("cores"), "special": st.just([AUTOTUNE])},
)


@given(st.sampled_from(sorted(SETTINGS)), tables, st.integers(1, 512))
def test_every_table_is_refused_or_gives_sound_values(name: str, table: dict[str, Any], cores: int) -> None:
    try:
        extent = read_extent(name, table)
    except TableError as error:
        assert error.key in {*table, "low", "high"}  # noqa: PT017 - refusing is one of two right answers
        return
    decision = Decision("site", name, None, Preserves.SEQUENCE)
    values = allowed_values(decision, extent, Machine(cores, 1))
    numbers = [value for value in values if is_number(value)]
    assert numbers == sorted(set(numbers))
    assert all(isinstance(number, int) for number in numbers)
    assert all(SETTINGS[name].smallest <= number <= LARGEST_NUMBER for number in numbers)
    assert {value for value in values if isinstance(value, str)} == set(extent.special)


def decisions() -> list[Decision]:
    """One decision for every known setting, as a pipeline that has everything would offer them."""
    weaker = {
        "interleave.cycle_length",
        "interleave.block_length",
        "reader.num_parallel_reads",
        "options.deterministic",
    }
    choices: dict[str, tuple[DecisionValue, ...]] = {
        "cache.after": (None, "map[decode]", "batch[0]"),
        "cache.medium": MEDIA,
        "options.map_fusion": (True, False),
        "options.filter_fusion": (True, False),
        "options.filter_parallelization": (True, False),
        "options.autotune": (True, False),
        "options.deterministic": (True, False),
        "map.vectorize": (False, True),
        "map.micro_batch": (None, 64, 256),
        "map.after": (None, "skip[0]"),
        "repeat.after": (None, "batch[0]"),
        "map.fuse": (False, True),
        "shuffle.before": (None, "map[decode]"),
        "stage.drop": (False, True),
        "map.jit_compile": (False, True),
        "filter.before": (None, "map[decode]"),
        "materialise.after": (None, "map[decode]"),
    }
    return [
        Decision(
            name=setting,
            setting=setting,
            status_quo="memory" if setting == "cache.medium" else None,
            preserves=Preserves.MULTISET if setting in weaker else Preserves.SEQUENCE,
            choices=choices.get(setting, ()),
            requires="cache.after" if setting == "cache.medium" else None,
        )
        for setting in SETTINGS
    ]


def space_of(name: str, machine: Machine = EIGHT_CORES) -> SearchSpace:
    preset = load_preset(name)
    return SearchSpace.of(decisions(), preset, machine, preset.preserve or Preserves.MULTISET)


def numbers_of(space: SearchSpace, setting: str) -> list[float]:
    return [value for value in space.domains[setting] if is_number(value)]


def test_the_built_in_presets_are_those_promised() -> None:
    assert available_presets() == ("default", "low_memory", "order_preserving", "quick", "remote_storage", "thorough")


@pytest.mark.parametrize("name", available_presets())
def test_a_built_in_preset_explains_itself_and_every_setting_it_names_is_searched(name: str) -> None:
    preset = load_preset(name)
    written = [extent for setting, extent in preset.extents.items() if setting != "cache.medium"]
    assert all(extent.about.endswith((".", "?")) for extent in written)
    space = space_of(name)
    assert space.notes == ()
    assert preset.extents.keys() - space.domains.keys() <= {"cache.medium"}, space.left_out
    assert f"| `{name}` |" in (BUILT_IN / "README.md").read_text()


def test_no_two_built_in_presets_search_the_same() -> None:
    spaces = [space_of(name).domains for name in available_presets()]
    assert all(one != other for index, one in enumerate(spaces) for other in spaces[index + 1 :])


def test_the_page_about_presets_names_every_setting_and_key() -> None:
    page = (BUILT_IN / "README.md").read_text()
    for setting, known in SETTINGS.items():
        assert f"| `{setting}` |" in page
        assert all(f"`{key}`" in page for key in known.keys)


def test_deeper_presets_hold_the_shallower_ones() -> None:
    quick, default, thorough = (space_of(name) for name in ("quick", "default", "thorough"))
    assert quick.size * 100 < default.size
    assert default.size * 10 < thorough.size
    assert all(set(values) <= set(thorough.domains[name]) for name, values in quick.domains.items())
    assert all(set(values) <= set(thorough.domains[name]) for name, values in default.domains.items())


def test_order_preserving_offers_nothing_that_changes_the_order() -> None:
    assert load_preset("order_preserving").preserve is Preserves.SEQUENCE
    assert {decision.preserves for decision in space_of("order_preserving").decisions} == {Preserves.SEQUENCE}


def test_low_memory_caches_in_files_only_and_never_runs_more_calls_than_cores() -> None:
    space = space_of("low_memory")
    assert space.domains["cache.medium"] == ("file",)
    assert max(numbers_of(space, "map.num_parallel_calls")) == EIGHT_CORES.cores
    assert max(numbers_of(space, "prefetch.end.buffer_size")) == 2
    assert not any(AUTOTUNE in values for values in space.domains.values())


def test_remote_storage_keeps_many_requests_in_flight_even_on_one_core() -> None:
    space = space_of("remote_storage", Machine(cores=1, memory_bytes=2**34))
    for setting in ("interleave.cycle_length", "interleave.num_parallel_calls", "options.private_threadpool_size"):
        assert max(numbers_of(space, setting)) == 256
