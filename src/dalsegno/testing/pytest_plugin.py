"""The pytest plugin: fixtures for a database and a clock of the test's own. It loads nothing until one is used."""

from __future__ import annotations

from collections.abc import Generator
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from dalsegno._engine.clock import FakeClock
    from dalsegno.testing.harness import Harness


@pytest.fixture
def dalsegno_test_harness() -> Generator[Harness]:
    """Give the test's runs an empty database in memory; the value answers questions about them."""
    from dalsegno.testing.harness import harness

    with harness() as runs:
        yield runs


@pytest.fixture
def dalsegno_clock() -> Generator[FakeClock]:
    """Give the test's runs a clock that passes only when told, or when a run sleeps, which then ends at once."""
    from dalsegno._engine.clock import fake_clock

    with fake_clock() as clock:
        yield clock
