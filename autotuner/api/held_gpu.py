"""A GPU that this very process keeps its own worker from using."""

from __future__ import annotations

import os
import sys

from autotuner.errors import AutotunerError
from autotuner.machine import Machine


def refuse_held_gpu(machine: Machine) -> None:
    """A child process cannot train on a GPU whose memory TensorFlow already took in this one.

    Raises:
        AutotunerError: it did.
    """
    context = sys.modules.get("tensorflow.python.eager.context")
    if machine.gpu is None or context is None or os.environ.get("TF_FORCE_GPU_ALLOW_GROWTH") == "true":
        return
    if getattr(context.context(), "_initialized", False):
        raise AutotunerError(
            "TensorFlow already holds the GPU in this process, so trials could not use it",
            "call autotune before anything that uses TensorFlow, use the command line, "
            "or set TF_FORCE_GPU_ALLOW_GROWTH=true",
        )
