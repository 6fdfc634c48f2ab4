from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from autotuner.tfdata.oracle import checked
from autotuner.tfdata.record import Recorded, record
from autotuner.tfdata.seeds import SeedState
from tests.tfdata.zoo_entry import Entry
from tests.tfdata.zoo_files import make_files

Recording = Callable[[Entry], Recorded]


@pytest.fixture(scope="session")
def files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_files(tmp_path_factory.mktemp("zoo"))


@pytest.fixture(scope="session")
def recording(files: Path) -> Recording:
    """The checked recording of an entry, made once."""
    made: dict[str, Recorded] = {}

    def of(entry: Entry) -> Recorded:
        if entry.name not in made:
            before = SeedState.current()
            made[entry.name] = checked(record(entry.at(files)))
            before.restore()
        return made[entry.name]

    return of


@pytest.fixture(autouse=True)
def no_seed_left_behind() -> Iterator[None]:
    before = SeedState.current()
    yield
    before.restore()
