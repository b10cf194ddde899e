"""The text format in which Prometheus, and what understands it, reads numbers. It knows no number itself."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Literal

import msgspec

MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_ESCAPED = str.maketrans({"\\": "\\\\", '"': '\\"', "\n": "\\n"})


class Sample(msgspec.Struct, frozen=True):
    """One number."""

    value: float
    labels: Mapping[str, str] = {}
    suffix: str = ""


class Family(msgspec.Struct, frozen=True):
    """Numbers of one name."""

    name: str
    kind: Literal["counter", "gauge", "histogram"]
    help: str
    samples: list[Sample]


class Histogram:
    """How many values there were up to each of some bounds, and their sum."""

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self.bounds = bounds
        self.counts = [0] * (len(bounds) + 1)
        self.sum = 0.0

    def add(self, value: float) -> None:
        """Count a value."""
        place = next((index for index, bound in enumerate(self.bounds) if value <= bound), len(self.bounds))
        self.counts[place] += 1
        self.sum += value

    def samples(self, labels: Mapping[str, str]) -> list[Sample]:
        """Return the numbers of it: each bucket holds those before it too."""
        found: list[Sample] = []
        total = 0
        for bound, count in zip((*self.bounds, float("inf")), self.counts, strict=True):
            total += count
            found.append(Sample(total, {**labels, "le": _number(bound)}, "_bucket"))
        return [*found, Sample(self.sum, labels, "_sum"), Sample(total, labels, "_count")]


def write(families: Iterable[Family], labels: Mapping[str, str]) -> str:
    """Return families as text, each number with some labels more."""
    lines: list[str] = []
    for family in families:
        lines += [f"# HELP {family.name} {family.help}", f"# TYPE {family.name} {family.kind}"]
        lines += [
            f"{family.name}{sample.suffix}{_labels({**sample.labels, **labels})} {_number(sample.value)}"
            for sample in family.samples
        ]
    return "\n".join([*lines, ""])


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{value.translate(_ESCAPED)}"' for name, value in labels.items()) + "}"


def _number(value: float) -> str:
    if value == float("inf"):
        return "+Inf"
    return str(int(value)) if value == int(value) else repr(float(value))
