"""The random state a pipeline is made in, above all the eager one that ``tf.random.set_seed`` starts.

With a global seed every op draws its own seed from this state when it is made, so an op that is rebuilt must find
the state it was first made in.
"""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow.python.eager import context


@dataclass(frozen=True)
class SeedState:
    """The global seed (``None``: not set) and the state of the generator of op seeds."""

    seed: int | None
    generator_state: Any

    @staticmethod
    def current() -> SeedState:
        """The state now."""
        seed = context.global_seed()
        generator = getattr(context.context(), "_rng", None)
        return SeedState(seed, None if generator is None or seed is None else generator.getstate())

    def restore(self) -> None:
        """Puts the eager context back into this state."""
        if self.seed is None and context.global_seed() is None:
            return  # setting it would clear TensorFlow's kernel caches
        eager = context.context()
        eager._set_global_seed(self.seed)  # noqa: SLF001 - tf.random.set_seed does the same, but cannot unset
        if self.generator_state is not None:
            eager._rng.setstate(self.generator_state)  # noqa: SLF001 - there is no public writer


@dataclass(frozen=True)
class RandomState:
    """Everything a ``dataset_fn`` may draw from while it runs: TensorFlow's op seeds, NumPy's and Python's generators.

    Run again from the same state it builds the same pipeline: Keras' ``image_dataset_from_directory``, for one,
    draws the seed of its shuffle from NumPy.
    """

    tensorflow: SeedState
    numpy: Any
    python: Any

    @staticmethod
    def current() -> RandomState:
        """The state now."""
        return RandomState(SeedState.current(), np.random.get_state(), random.getstate())  # noqa: NPY002 - the global one is what users draw from

    def restore(self) -> None:
        """Puts every generator back into this state."""
        self.tensorflow.restore()
        np.random.set_state(self.numpy)  # noqa: NPY002 - same
        random.setstate(self.python)
