"""Lets a task's body sign its name each time it really runs: the demo's own count, beside Dalsegno's records.

A pipeline of your own has no need of it.
"""

from __future__ import annotations

import functools
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def signed(body: Callable[P, R]) -> Callable[P, R]:
    """Write a line with the function's name to the file that DIARY names, then run the function."""

    @functools.wraps(body)
    def sign_and_run(*args: P.args, **kwargs: P.kwargs) -> R:
        if path := os.environ.get("DIARY"):
            with open(path, "a") as diary:
                diary.write(body.__name__ + "\n")
        return body(*args, **kwargs)

    return sign_and_run


def read_diary(path: Path) -> Counter[str]:
    """How often each body ran so far, by the function's name."""
    return Counter(path.read_text().split())
