"""The workloads on little data."""

from __future__ import annotations

import importlib
from types import ModuleType

import tensorflow as tf

SMALL = 100
FEW_FILES = 12


def workload(name: str) -> ModuleType:
    return importlib.import_module(f"experiments.workloads.{name}")


def small(name: str, function: str) -> tf.data.Dataset:
    return getattr(workload(name), function)(FEW_FILES if name == "object_store" else SMALL)
