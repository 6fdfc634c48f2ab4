from __future__ import annotations

import json
import os
import subprocess
import sys
from importlib import metadata
from pathlib import Path

import psutil
import pytest
from hypothesis import given
from hypothesis import strategies as st

from autotuner.machine import Machine, available_memory_bytes

GIB = 2**30


def write(root: Path, files: dict[str, str]) -> Path:
    for name, content in files.items():
        file = root / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    return root


def sixteen_cores(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(16)))


V2 = "0::/pod/box\n"
V1 = "5:memory:/pod/box\n4:cpu,cpuacct:/pod/box\n0::/\n"


@pytest.mark.parametrize(
    ("files", "cores"),
    [
        ({}, 16),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/box/cpu.max": "max 100000\n"}, 16),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/box/cpu.max": "250000 100000\n"}, 3),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/box/cpu.max": "20000 100000\n"}, 1),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/box/cpu.max": "9900000 100000\n"}, 16),
        (  # the group above limits too
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/pod/box/cpu.max": "max 100000\n",
                "sys/fs/cgroup/pod/cpu.max": "400000 100000\n",
            },
            4,
        ),
        # in a container the group's path is the host's, and the mount is the group
        ({"proc/self/cgroup": "0::/docker/abc\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        ({"proc/self/cgroup": "0::/../other\n", "sys/fs/cgroup/cpu.max": "200000 100000\n"}, 2),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu,cpuacct/pod/box/cpu.cfs_quota_us": "150000\n",
                "sys/fs/cgroup/cpu,cpuacct/pod/box/cpu.cfs_period_us": "100000\n",
            },
            2,
        ),
        (
            {
                "proc/self/cgroup": V1,
                "sys/fs/cgroup/cpu/cpu.cfs_quota_us": "-1\n",
                "sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
            },
            16,
        ),
        ({"proc/self/cgroup": "nonsense\n::\n", "sys/fs/cgroup/cpu.max": "what\n"}, 16),
    ],
)
def test_cores_are_limited_by_quotas_of_the_group_and_those_above(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], cores: int
) -> None:
    sixteen_cores(monkeypatch)
    assert Machine.detect(write(tmp_path, files)).cores == cores


@pytest.mark.parametrize(
    ("files", "limit"),
    [
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/box/memory.max": f"{2 * GIB}\n"}, 2 * GIB),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/pod/memory.max": f"{GIB}\n"}, GIB),
        (
            {
                "proc/self/cgroup": V2,
                "sys/fs/cgroup/pod/box/memory.max": "max\n",
                "sys/fs/cgroup/pod/box/memory.high": f"{GIB}\n",
            },
            GIB,
        ),
        ({"proc/self/cgroup": V1, "sys/fs/cgroup/memory/pod/box/memory.limit_in_bytes": f"{GIB}\n"}, GIB),
        ({"proc/self/cgroup": V1, "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n"}, None),
        ({"proc/self/cgroup": V2, "sys/fs/cgroup/memory.max": "max\n"}, None),
    ],
)
def test_memory_is_the_smallest_limit_or_all_there_is(tmp_path: Path, files: dict[str, str], limit: int | None) -> None:
    expected = psutil.virtual_memory().total if limit is None else limit
    assert Machine.detect(write(tmp_path, files)).memory_bytes == expected


def test_headroom_counts_file_cache_as_free_and_never_goes_below_zero(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/pod/box"
    files = {
        "proc/self/cgroup": V2,
        f"{group}/memory.max": str(300 * 2**20),
        f"{group}/memory.current": str(280 * 2**20),
        f"{group}/memory.stat": f"anon 5\ninactive_file {30 * 2**20}\nactive_file {20 * 2**20}\n",
    }
    assert available_memory_bytes(write(tmp_path, files)) == 70 * 2**20
    write(tmp_path, {f"{group}/memory.current": str(400 * 2**20)})
    assert available_memory_bytes(tmp_path) == 0


def test_headroom_of_version_1_uses_totals_of_the_whole_group(tmp_path: Path) -> None:
    group = "sys/fs/cgroup/memory/pod/box"
    files = {
        "proc/self/cgroup": V1,
        f"{group}/memory.limit_in_bytes": "1000",
        f"{group}/memory.usage_in_bytes": "900",
        f"{group}/memory.stat": "inactive_file 1\nactive_file 1\ntotal_inactive_file 40\ntotal_active_file 60\n",
    }
    assert available_memory_bytes(write(tmp_path, files)) == 200


def in_fresh_process(code: str) -> dict[str, int]:
    root = Path(__file__).parents[1]
    done = subprocess.run([sys.executable, "-c", code], cwd=root, capture_output=True, text=True, check=True)
    return dict(json.loads(done.stdout))


def test_limits_the_kernel_really_sets_are_seen_and_nothing_heavy_is_imported() -> None:
    seen = in_fresh_process(
        "import json, os, resource, sys\n"
        "os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})\n"
        "resource.setrlimit(resource.RLIMIT_AS, (2**31, resource.getrlimit(resource.RLIMIT_AS)[1]))\n"
        "from autotuner.machine import Machine, available_memory_bytes\n"
        "machine = Machine.detect()\n"
        "heavy = sum(name in sys.modules for name in ('tensorflow', 'keras', 'optuna', 'numpy'))\n"
        "print(json.dumps({'cores': machine.cores, 'memory': machine.memory_bytes,\n"
        "                  'free': available_memory_bytes(), 'heavy': heavy}))"
    )
    assert seen["cores"] == 1
    assert seen["memory"] <= 2**31
    assert seen["free"] <= 2**31
    assert seen["heavy"] == 0


def test_this_machine_is_described() -> None:
    here = Machine.detect()
    assert 1 <= here.cores <= (os.cpu_count() or 1)
    assert 0 < available_memory_bytes() <= psutil.virtual_memory().total
    assert here.optuna == metadata.version("optuna")
    assert here.keras == metadata.version("keras")
    assert here.tensorflow is not None
    assert here.comparable_with(Machine.detect()) is None


def gpu_information(model: str, uuid: str, minor: int) -> str:
    return f"Model: \t\t {model}\nIRQ:   \t\t 33\nGPU UUID: \t {uuid}\nBus Type: \t PCIe\nDevice Minor: \t {minor}\n"


@pytest.mark.parametrize(
    ("visible", "gpu"),
    [
        (None, "2x NVIDIA A, NVIDIA B"),
        ("", None),
        ("-1", None),
        ("0", "NVIDIA A"),
        ("1", "NVIDIA B"),
        ("1,0", "2x NVIDIA A, NVIDIA B"),
        ("0,-1,1", "NVIDIA A"),
        ("7", None),
        ("GPU-bbb", "NVIDIA B"),
        ("GPU-ccc", None),
        ("MIG-1234", "NVIDIA A (MIG slice)"),
    ],
)
def test_gpu_is_what_cuda_would_show(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, visible: str | None, gpu: str | None
) -> None:
    installed(monkeypatch, {"tensorflow": "2.21.0"})
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    if visible is not None:
        monkeypatch.setenv("CUDA_VISIBLE_DEVICES", visible)
    gpus = "proc/driver/nvidia/gpus"
    files = {
        f"{gpus}/0000:01:00.0/information": gpu_information("NVIDIA A", "GPU-aaaa", 0),
        f"{gpus}/0000:02:00.0/information": gpu_information("NVIDIA B", "GPU-bbbb", 1),
        f"{gpus}/0000:03:00.0/information": gpu_information("NVIDIA of another container", "GPU-cccc", 2),
        "dev/nvidia0": "",
        "dev/nvidia1": "",
    }
    assert Machine.detect(write(tmp_path, files)).gpu == gpu


def installed(monkeypatch: pytest.MonkeyPatch, versions: dict[str, str]) -> None:
    def version(name: str) -> str:
        if name not in versions:
            raise metadata.PackageNotFoundError(name)
        return versions[name]

    monkeypatch.setattr(metadata, "version", version)


@pytest.mark.parametrize(
    ("versions", "tensorflow", "gpu"),
    [
        ({"tensorflow": "2.21.0"}, "2.21.0", "NVIDIA A"),
        ({"tensorflow-cpu": "2.21.1"}, "2.21.1", None),
        ({"tensorflow": "2.21.0", "tensorflow-cpu": "2.20.0"}, "2.21.0", "NVIDIA A"),
        ({}, None, "NVIDIA A"),
    ],
)
def test_a_tensorflow_without_gpu_support_has_no_gpu(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    versions: dict[str, str],
    tensorflow: str | None,
    gpu: str | None,
) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    installed(monkeypatch, versions)
    information = gpu_information("NVIDIA A", "GPU-aaaa", 0)
    write(tmp_path, {"proc/driver/nvidia/gpus/0000:01:00.0/information": information, "dev/nvidia0": ""})
    here = Machine.detect(tmp_path)
    assert (here.tensorflow, here.gpu, here.keras) == (tensorflow, gpu, None)


machines = st.builds(
    Machine,
    cores=st.integers(1, 3),
    memory_bytes=st.sampled_from([1, 23 * GIB, 24 * GIB, 24 * GIB + 4096, 94 * GIB]),
    gpu=st.sampled_from([None, "NVIDIA A"]),
    cpu=st.sampled_from(["", "some CPU"]),
    platform=st.just("Linux-x86_64"),
    python=st.sampled_from(["3.11.2", "3.11.9", "3.12.0"]),
    tensorflow=st.sampled_from([None, "2.21.0"]),
    keras=st.just("3.12.0"),
    optuna=st.sampled_from([None, "5.0.0"]),
)


@given(machines, machines)
def test_fingerprints_are_equal_exactly_where_timings_compare(one: Machine, other: Machine) -> None:
    assert (one.comparable_with(other) is None) == (one.fingerprint == other.fingerprint)
    assert (one.comparable_with(other) is None) == (other.comparable_with(one) is None)


@given(machines)
def test_json_round_trip(one: Machine) -> None:
    data = json.loads(json.dumps(one.to_json()))
    assert Machine.from_json(data) == one
    assert data["fingerprint"] == one.fingerprint
    assert Machine.from_json(data | {"from the future": 1}) == one


def test_what_timings_do_not_depend_on_does_not_forbid_comparing() -> None:
    one = Machine(cores=2, memory_bytes=24 * GIB, python="3.11.2", optuna="5.0.0")
    other = Machine(cores=2, memory_bytes=23 * GIB, python="3.11.9", optuna="5.1.0")
    assert one.comparable_with(other) is None


def test_the_reason_names_every_difference() -> None:
    one = Machine(cores=2, memory_bytes=24 * GIB)
    other = Machine(cores=8, memory_bytes=24 * GIB, gpu="NVIDIA A")
    assert one.comparable_with(other) == "different usable cores (2 here, 8 there), GPU (none here, NVIDIA A there)"


@pytest.mark.parametrize(("cores", "memory_bytes"), [(0, 1), (1, 0), (-1, 1)])
def test_a_machine_without_core_or_memory_cannot_be_built(cores: int, memory_bytes: int) -> None:
    with pytest.raises(ValueError, match="at least one"):
        Machine(cores=cores, memory_bytes=memory_bytes)
