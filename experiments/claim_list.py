"""What five widely read explanations say about prefetching, as ratios that can be measured."""

from __future__ import annotations

import math
from dataclasses import dataclass

EQUAL = 0.03
"""A difference of so much is none that anybody would notice."""


@dataclass(frozen=True)
class Claim:
    """``variant`` over ``base``, expected between ``low`` and ``high``."""

    text: str
    variant: str
    base: str
    low: float
    high: float
    model: str = "model_fn"
    quantity: str = "speed"
    """``speed`` of training, or ``memory``: the peak of the whole process."""


def faster(text: str, variant: str, base: str, *, model: str = "model_fn") -> Claim:
    """Expects a gain."""
    return Claim(text, variant, base, 1 + EQUAL, math.inf, model)


def no_faster(text: str, variant: str, base: str, *, model: str = "model_fn") -> Claim:
    """Expects none."""
    return Claim(text, variant, base, 0.0, 1 + EQUAL, model)


CLAIMS = (
    faster("A prefetch before a light map speeds it up", "prefetch_map_light", "map_light"),
    no_faster("A second one, after a light map, is wasted", "prefetch_map_light_prefetch", "prefetch_map_light"),
    faster("A prefetch before a heavy map speeds it up", "prefetch_map_heavy", "map_heavy"),
    faster("A second prefetch, after a heavy map, pays", "prefetch_map_heavy_prefetch", "prefetch_map_heavy"),
    faster("Parallel calls speed a py_function up", "python_parallel", "python_serial"),
    faster("So does a prefetch after them", "python_parallel", "python_parallel_no_prefetch"),
    Claim("Prefetching cuts training time by about 60 %", "serial_maps_prefetch", "serial_maps", 2.0, 3.3),
    faster("Parallel maps and a prefetch speed preprocessing up", "parallel_maps_prefetch", "serial_maps"),
    faster("A cache before an expensive py_function pays", "cache_before_python", "no_cache_python"),
    faster("… behind it (not claimed)", "cache_after_python", "no_cache_python"),
    faster(
        "Prefetching works best with a cache and parallel maps", "cached_parallel_maps_prefetch", "serial_maps_prefetch"
    ),
    faster("shuffle, batch, map, prefetch beats map, batch, shuffle", "order_shuffle_batch", "order_batch_shuffle"),
    faster("… and batch, prefetch, shuffle, map", "order_shuffle_batch", "order_prefetch_shuffle"),
    faster("… and prefetch, shuffle, batch, map", "order_shuffle_batch", "order_prefetch_first"),
    Claim(
        "prefetch(10000) takes excessive memory", "prefetch_10000", "prefetch_autotune_long", 1.5, math.inf,
        quantity="memory",
    ),
    no_faster("A model-bound job gains nothing from a prefetch", "plain_prefetch", "plain", model="slow_model_fn"),
    faster("A prefetch after batch speeds fit up", "plain_prefetch", "plain"),
    faster("A prefetch speeds a generator up", "generator_prefetch", "generator"),
    faster("A slower generator wants a larger buffer", "slow_generator_prefetch_32", "slow_generator_prefetch_1"),
    faster("Parallel calls speed a light augmentation up", "brightness_parallel", "brightness_serial"),
    faster("interleave with cycle_length=AUTOTUNE reads archives faster", "interleave_autotune", "interleave_1"),
    faster("… with cycle_length=16 (not claimed)", "interleave_16", "interleave_1"),
)  # fmt: skip
