"""One task run for each file, though how many files there are is only known when the flow runs.

Run it: `python examples/dynamic_mapping.py`
"""

from __future__ import annotations

import csv
from pathlib import Path
from tempfile import TemporaryDirectory

from dalsegno import flow, task, unmapped


@task
def find_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.csv"))


@task(task_run_name="add up {file.stem}")
def add_up(file: Path, columns: list[str]) -> float:
    with file.open(newline="") as rows:
        return sum(float(row[column]) for row in csv.DictReader(rows) for column in columns)


@flow
def total_sales(folder: Path) -> float:
    files = find_files(folder)
    # `map` makes a task run for each file, side by side; `unmapped` hands the list of columns to each whole.
    totals = add_up.map(files, unmapped(["shop", "online"])).result()
    for file, total in zip(files, totals, strict=True):
        print(f"{file.stem}: {total:.2f}")
    return sum(totals)


if __name__ == "__main__":
    with TemporaryDirectory() as name:
        folder = Path(name)
        for number, month in enumerate(["january", "february", "march", "april"], start=1):
            (folder / f"{month}.csv").write_text(f"day,shop,online\n1,{number}.50,2\n2,{number}.25,0.25\n")
        print(f"all: {total_sales(folder):.2f}")
