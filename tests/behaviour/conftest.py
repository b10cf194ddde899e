"""What the tests of behaviour share: the marker that says which line of docs/reference/behaviour.md a test shows."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from dalsegno.testing import FakeClock, fake_clock


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "behaviour(*numbers): shows these lines of docs/reference/behaviour.md to be true"
    )


@pytest.fixture
def clock() -> Iterator[FakeClock]:
    """Give the runs a clock that the test sets; their waits end at once, and are noted."""
    with fake_clock() as fake:
        yield fake
