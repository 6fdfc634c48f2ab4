"""Where to search: presets say how far, the pipeline's decisions say where, the machine gives the scale."""

from autotuner.space.preset import Preset, PresetError, available_presets, load_preset
from autotuner.space.search_space import SearchSpace, Trial

__all__ = ["Preset", "PresetError", "SearchSpace", "Trial", "available_presets", "load_preset"]
