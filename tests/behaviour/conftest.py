"""What the tests of behaviour share: the marker that says which line of docs/reference/behaviour.md a test shows."""

from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line(
        "markers", "behaviour(*numbers): shows these lines of docs/reference/behaviour.md to be true"
    )
