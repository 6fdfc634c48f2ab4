"""The statements of a shim: what is as it was is taken as it is, everything else is made once more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from autotuner.emit.module import EmittedModule
from autotuner.emit.refusal import Unemittable
from autotuner.emit.shim import emit_shim
from autotuner.measure.messages import Origin
from autotuner.pipeline import Captured, Derived, FnRef, Op, Pipeline, Upstream
from tests.emit.emitting import chain, op, source

ORIGIN = Origin("pipe", "dataset_fn", "/user")
CACHE = Op("cache[tuned]", "cache", decision="cache.after")


def emitted(recorded: Pipeline, rewritten: Pipeline, signature: str = "") -> EmittedModule | Unemittable:
    return emit_shim(
        recorded,
        rewritten,
        origin=ORIGIN,
        signature=signature,
        header=(),
        effects={},
        folder=Path("/user"),
        changed={},
    )


def body(recorded: Pipeline, rewritten: Pipeline) -> list[str]:
    made = emitted(recorded, rewritten)
    assert isinstance(made, EmittedModule), made
    lines = made.text.partition('    """Build the tuned dataset."""\n')[2].splitlines()
    assert lines[0] == "    was = stages_of(original)"
    return [line.strip() for line in lines[1:-1]]


def live(name: str) -> FnRef:
    """A function that nothing but the running program has."""
    return FnRef(f"key of {name}", name)


def test_what_stands_ahead_of_the_first_change_is_not_made_again() -> None:
    recorded = chain(source(), op("map[f]", map_func=live("f")), op("map[g]", map_func=live("g")))
    assert body(recorded, recorded.insert_after("map[g]", CACHE)) == [
        'ds = was["map[g]"].dataset',
        "ds = ds.cache()  # cache.after",
    ]


def test_an_argument_that_goes_is_left_to_its_default() -> None:  # None is not what drop_remainder defaults to
    recorded = chain(source(), op("map[f]", map_func=live("f"), num_parallel_calls=4))
    rewritten = recorded.replace_op("map[f]", lambda item: item.without_argument("num_parallel_calls"))
    assert body(recorded, rewritten)[-1] == 'ds = was["map[f]"].again(ds, num_parallel_calls=...)'


def test_a_leaf_that_was_not_seen_being_made_is_used_as_it_is() -> None:
    leaf = Op("opaque[0]", "opaque", None, (("dataset", Captured("v0", "a dataset")),))
    recorded = Pipeline((leaf, Op("batch[0]", "batch", "opaque[0]", (("batch_size", 4),))))
    moved = recorded.insert_after("opaque[0]", CACHE)
    assert body(recorded, moved) == [
        'ds = was["opaque[0]"].dataset',
        "ds = ds.cache()  # cache.after",
        'ds = was["batch[0]"].again(ds)',
    ]
    made = emitted(recorded, moved)
    assert isinstance(made, EmittedModule)
    assert 'STAGES = {"opaque[0]": None, "batch[0]": ["opaque[0]"]}' in made.text


def test_branches_are_given_anew() -> None:
    branches = (source("range[0]", 3), source("range[1]", 4))
    zipped = Op("zip[0]", "zip", None, (("args", (Upstream("range[0]"), Upstream("range[1]"))),))
    recorded = Pipeline((*branches, zipped))
    assert body(recorded, recorded.insert_after("range[1]", CACHE)) == [
        'ds_2 = was["range[0]"].dataset',
        'ds_3 = was["range[1]"].dataset',
        "ds_3 = ds_3.cache()  # cache.after",
        'ds = was["zip[0]"].again(args=(ds_2, ds_3))',
    ]


def test_functions_made_of_others_take_them_from_the_calls() -> None:
    recorded = chain(source(), op("map[f]", map_func=live("f")), op("map[g]", map_func=live("g")))
    both = Derived("chain", (live("f"), Derived("parse_example", (live("g"),))))
    rewritten = recorded.remove("map[g]").replace_op("map[f]", lambda item: item.with_argument("map_func", both))
    f, g = 'was["map[f]"].given["map_func"]', 'was["map[g]"].given["map_func"]'
    text = " ".join(body(recorded, rewritten))
    assert f"exchanging({g}, tf.io, parse_single_example=tf.io.parse_example)({f}(*element))" in text


def test_calls_inside_a_function_get_their_arguments_call_by_call() -> None:
    inner = chain(source(), op("map[0]", map_func=live("h")), op("batch[0]", batch_size=2))
    outer = replace(op("interleave[f]", map_func=live("f")), inner=inner)
    recorded = chain(source(), outer)
    rewritten = recorded.replace_at("interleave[f]/map[0]", lambda item: item.with_argument("num_parallel_calls", 2))
    function = 'was["interleave[f]"].given["map_func"]'
    changed = f'changed_inside({function}, {{}}, {{"num_parallel_calls": 2}}, {{}})'
    assert "".join(body(recorded, rewritten)[1:]) == f'ds = was["interleave[f]"].again(ds,map_func={changed},)'


def test_what_it_cannot_say_is_refused() -> None:
    deepest = chain(source(), op("map[0]", map_func=live("h")))
    middle = chain(source(), replace(op("interleave[g]", map_func=live("g")), inner=deepest))
    recorded = chain(source(), replace(op("interleave[f]", map_func=live("f")), inner=middle))
    path = "interleave[f]/interleave[g]/map[0]"
    made = emitted(recorded, recorded.replace_at(path, lambda item: item.with_argument("num_parallel_calls", 2)))
    assert isinstance(made, Unemittable)
    assert "interleave[f]/interleave[g], a function in a function" in made.reasons[0]
    taken = emitted(recorded, recorded, signature="inspect=1")
    assert isinstance(taken, Unemittable)
    assert "a parameter of dataset_fn is called inspect" in taken.reasons[0]
