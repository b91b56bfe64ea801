import sqlite3
from contextlib import closing

import pytest

from gateway.buffer import ballast, database


@pytest.fixture
def db():
    """The buffer's tables in memory; what a test writes is one long transaction."""
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as made:
        database._create(made, None)
        made.execute("BEGIN")
        yield made


@pytest.fixture
def small_ballast(monkeypatch):
    """It has no part in most tests, and 8 MiB would be written for each."""
    monkeypatch.setattr(ballast, "SIZE", 4096)
