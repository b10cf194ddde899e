"""Testing flows: a database of the test's own, a clock that it sets, and questions about what ran.

With pytest the fixtures `dalsegno_test_harness` and `dalsegno_clock` are there by themselves.
"""

from __future__ import annotations

from dalsegno._engine.clock import FakeClock, fake_clock
from dalsegno.testing.harness import Harness, harness

__all__ = ["FakeClock", "Harness", "fake_clock", "harness"]
