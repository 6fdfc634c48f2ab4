"""What this process may use of its machine, found without touching the GPU or importing TensorFlow."""

from __future__ import annotations

import hashlib
import json
import math
import os
import platform
import sys
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, fields
from importlib import metadata
from pathlib import Path, PurePosixPath
from typing import Any

import psutil

if sys.platform != "win32":
    import resource

_ROOT = Path("/")
_GIB = 2**30
_TENSORFLOW_WITH_GPU = ("tensorflow", "tensorflow-macos", "tf-nightly")
_TENSORFLOW_WITHOUT_GPU = ("tensorflow-cpu", "tf-nightly-cpu")


@dataclass(frozen=True)
class Machine:
    """What decides how fast the same code runs. A version is ``None`` where the package is not installed."""

    cores: int
    """Cores this process may keep busy: its affinity and its groups' CPU quota, rounded up."""
    memory_bytes: int
    """Memory this process may ever have: physical, limited by its groups and ``RLIMIT_AS``."""
    gpu: str | None = None
    """Name of the visible GPU, ``4x NAME`` for several; ``None`` where TensorFlow would train on the CPU."""
    cpu: str = ""
    platform: str = ""
    """System and instruction set: ``Linux-x86_64``."""
    python: str = ""
    tensorflow: str | None = None
    keras: str | None = None
    optuna: str | None = None

    def __post_init__(self) -> None:
        if self.cores < 1 or self.memory_bytes < 1:
            raise ValueError(f"a machine has at least one core and one byte, not {self.cores} and {self.memory_bytes}")

    @staticmethod
    def detect(root: Path = _ROOT) -> Machine:
        """This machine, as seen by this process; ``root`` holds ``proc``, ``sys`` and ``dev``."""
        with_gpu = _version(*_TENSORFLOW_WITH_GPU)
        without_gpu = _version(*_TENSORFLOW_WITHOUT_GPU)
        cpu_only = without_gpu is not None and with_gpu is None
        return Machine(
            cores=_usable_cores(root),
            memory_bytes=min([psutil.virtual_memory().total, *_address_space_limit(), *_group_memory_limits(root)]),
            gpu=None if cpu_only else _gpu_name(root, os.environ.get("CUDA_VISIBLE_DEVICES")),
            cpu=_cpu_name(root),
            platform=f"{platform.system()}-{platform.machine()}",
            python=platform.python_version(),
            tensorflow=with_gpu or without_gpu,
            keras=_version("keras"),
            optuna=_version("optuna"),
        )

    @property
    def fingerprint(self) -> str:
        """Equal on two machines exactly if their timings may be compared."""
        return hashlib.sha256(json.dumps(self._traits(), sort_keys=True).encode()).hexdigest()[:16]

    def comparable_with(self, other: Machine) -> str | None:
        """Why timings of the two must not be compared, or ``None`` if they may."""
        here, there = self._traits(), other._traits()
        differences = [
            f"{trait} ({here[trait]} here, {there[trait]} there)" for trait in here if here[trait] != there[trait]
        ]
        return f"different {', '.join(differences)}" if differences else None

    def to_json(self) -> dict[str, Any]:
        """The ``machine`` object of ``result.json``, with its fingerprint."""
        return asdict(self) | {"fingerprint": self.fingerprint}

    @staticmethod
    def from_json(data: Mapping[str, Any]) -> Machine:
        """The machine that :meth:`to_json` wrote; entries unknown here are left out."""
        return Machine(**{field.name: data[field.name] for field in fields(Machine) if field.name in data})

    def _traits(self) -> dict[str, str]:
        # Usable memory wavers by a few pages between boots: only its power of two counts.
        return {
            "usable cores": str(self.cores),
            "memory": f"about {2.0 ** round(math.log2(self.memory_bytes / _GIB)):g} GiB",
            "GPU": self.gpu or "none",
            "CPU": self.cpu or "unknown",
            "platform": self.platform or "unknown",
            "Python": ".".join(self.python.split(".")[:2]) or "unknown",
            "TensorFlow": self.tensorflow or "none",
            "Keras": self.keras or "none",
        }


def available_memory_bytes(root: Path = _ROOT) -> int:
    """Memory this process could take now without swapping or being killed; reclaimable file cache counts as free."""
    free: list[int] = [psutil.virtual_memory().available, *_address_space_limit(), *_group_memory_headrooms(root)]
    return max(0, min(free))


def _version(*distributions: str) -> str | None:
    for name in distributions:
        try:
            return metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None


def _usable_cores(root: Path) -> int:
    allowed = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([allowed, *(math.ceil(quota) for quota in _group_cpu_quotas(root))]))


def _address_space_limit() -> Iterator[int]:
    if sys.platform != "win32":
        soft, _ = resource.getrlimit(resource.RLIMIT_AS)
        if soft != resource.RLIM_INFINITY:
            yield soft


def _group_folders(root: Path, controller: str) -> Iterator[Path]:
    """Folders of this process's control groups and of all groups above them, which limit it too.

    Inside a container the groups' paths are often the host's and do not exist; the mount point itself then is the
    container's group. It is always the last one above, and folders that are missing hold no limits.
    """
    mount = root / "sys/fs/cgroup"
    for line in _read(root / "proc/self/cgroup").splitlines():
        _, _, rest = line.partition(":")
        controllers, _, path = rest.partition(":")
        if not controllers:
            bases = [mount, mount / "unified"]
        elif controller in controllers.split(","):
            bases = [mount / controllers, mount / controller]
        else:
            continue
        parts = [part for part in PurePosixPath(path).parts if part not in {"/", ".."}]
        for depth in range(len(parts), -1, -1):
            yield from (base.joinpath(*parts[:depth]) for base in bases)


def _group_cpu_quotas(root: Path) -> Iterator[float]:
    for folder in _group_folders(root, "cpu"):
        v1 = f"{_read(folder / 'cpu.cfs_quota_us')} {_read(folder / 'cpu.cfs_period_us')}"
        for text in (_read(folder / "cpu.max"), v1):
            numbers = [int(word) for word in text.split() if word.isdecimal()]
            if len(numbers) == 2 and numbers[1] > 0:  # noqa: PLR2004 - a quota of "max" or -1 leaves the period alone
                yield numbers[0] / numbers[1]


def _group_memory_limits(root: Path) -> Iterator[int]:
    for folder in _group_folders(root, "memory"):
        yield from _limits_of(folder)


def _limits_of(folder: Path) -> Iterator[int]:
    for name in ("memory.max", "memory.high", "memory.limit_in_bytes"):
        text = _read(folder / name).strip()
        if text.isdecimal() and int(text) > 0:
            yield int(text)


def _group_memory_headrooms(root: Path) -> Iterator[int]:
    for folder in _group_folders(root, "memory"):
        used = _read(folder / "memory.current").strip() or _read(folder / "memory.usage_in_bytes").strip()
        if used.isdecimal():
            yield from (limit - int(used) + _reclaimable_bytes(folder) for limit in _limits_of(folder))


def _reclaimable_bytes(folder: Path) -> int:
    """File cache charged to the group: the data set's own files, once read, must not look like memory in use."""
    stat = dict(line.split() for line in _read(folder / "memory.stat").splitlines() if len(line.split()) == 2)  # noqa: PLR2004
    prefix = "total_" if "total_inactive_file" in stat else ""
    return sum(int(stat.get(f"{prefix}{kind}_file", 0)) for kind in ("inactive", "active"))


def _gpu_name(root: Path, visible: str | None) -> str | None:
    gpus = [_colon_fields(file) for file in sorted((root / "proc/driver/nvidia/gpus").glob("*/information"))]
    # A container sees the information of every GPU of its host, but only the device nodes it was given.
    reachable = [gpu for gpu in gpus if (root / f"dev/nvidia{gpu.get('Device Minor', '0')}").exists()]
    names = [gpu["Model"] for gpu in _visible(reachable, visible) if "Model" in gpu]
    if not names:
        return None
    label = ", ".join(sorted(set(names)))
    return label if len(names) == 1 else f"{len(names)}x {label}"


def _visible(gpus: list[dict[str, str]], wanted: str | None) -> list[dict[str, str]]:
    """What CUDA would keep: entries are indices or beginnings of UUIDs, and it stops at the first that fits none."""
    if wanted is None:
        return gpus
    kept: list[dict[str, str]] = []
    for entry in (word.strip() for word in wanted.split(",")):
        if entry.isdecimal() and int(entry) < len(gpus):
            kept.append(gpus[int(entry)])
        elif entry.startswith("MIG-") and gpus:
            kept.append({"Model": f"{gpus[0].get('Model', 'GPU')} (MIG slice)"})
        elif entry.startswith("GPU-") and (found := [gpu for gpu in gpus if gpu.get("GPU UUID", "").startswith(entry)]):
            kept.append(found[0])
        else:
            break
    return kept


def _cpu_name(root: Path) -> str:
    return _colon_fields(root / "proc/cpuinfo").get("model name") or platform.processor() or platform.machine()


def _colon_fields(file: Path) -> dict[str, str]:
    pairs = (line.partition(":") for line in _read(file).splitlines())
    return {key.strip(): value.strip() for key, _, value in pairs}


def _read(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
