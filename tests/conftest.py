"""What every test run needs: to be interruptible, and to fail for what it finds, not for how long it took."""

from __future__ import annotations

import signal
import sqlite3

import pytest
from hypothesis import settings
from sqlalchemy import Engine, event

# A run started in the background ignores Ctrl-C, and so would every child that a test interrupts.
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)

# The same examples every time: a change fails for what it did, not for what was drawn. New examples are looked for
# with ``pytest --hypothesis-profile=exploring``.
settings.register_profile("repeatable", deadline=None, derandomize=True)
settings.register_profile("exploring", deadline=None, max_examples=1_000)
settings.load_profile("repeatable")


@event.listens_for(Engine, "connect")
def _wait_for_no_disk(connection: object, _: object) -> None:
    """Studies of tests need not survive a power cut: waiting for the disk takes most of their time."""
    if isinstance(connection, sqlite3.Connection):
        connection.execute("PRAGMA synchronous = OFF")


_LONGEST = (
    "test_zoo_round_trip.py",
    "test_verify_zoo.py",
    "test_decisions.py",
    "test_data_laws.py",
    "test_study.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Files that take minutes come first: taken up last, one would keep a single worker busy at the end.

    xdist would start with the files of most tests instead, hence ``--no-loadscope-reorder`` in the Makefile.
    """
    items.sort(key=lambda item: _LONGEST.index(item.path.name) if item.path.name in _LONGEST else len(_LONGEST))
