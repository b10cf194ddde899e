"""What is built and installed: the metadata, the lock, and a wheel that works by itself."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parents[2]


def load(name: str) -> dict[str, Any]:
    return tomllib.loads((ROOT / name).read_text(encoding="utf-8"))


def requirements() -> list[str]:
    project = load("pyproject.toml")
    groups = [entry for group in project["dependency-groups"].values() for entry in group]
    extras = [entry for extra in project["project"].get("optional-dependencies", {}).values() for entry in extra]
    return [*project["project"]["dependencies"], *groups, *extras, *project["build-system"]["requires"]]


def test_every_dependency_has_a_lower_and_an_upper_bound() -> None:
    unbounded = [one for one in requirements() if not re.search(r">=[^,]+,<|==", one)]
    assert unbounded == []


def test_the_lock_takes_everything_from_one_index() -> None:
    sources = [package["source"] for package in load("uv.lock")["package"] if package["name"] != "dalsegno"]
    assert len(sources) > 10
    assert len({source["registry"] for source in sources}) == 1


def test_the_core_stays_below_58_distributions() -> None:
    packages = {package["name"]: package for package in load("uv.lock")["package"]}
    reached: set[str] = set()
    waiting = ["dalsegno"]
    while waiting:
        name = waiting.pop()
        if name not in reached:
            reached.add(name)
            waiting += [dependency["name"] for dependency in packages[name].get("dependencies", [])]
    assert {"msgspec", "pydantic"} < reached
    assert len(reached) <= 58


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_wheel_installs_and_runs_in_an_empty_environment(tmp_path: Path) -> None:
    uv = run([str(ROOT / ".ci" / "bootstrap")]).strip()
    run([uv, "build", "--wheel", "--quiet", "--out-dir", str(tmp_path), str(ROOT)])
    (wheel,) = tmp_path.glob("dalsegno-*.whl")
    run([uv, "venv", "--quiet", "--python", sys.executable, str(tmp_path / "venv")])
    python = str(tmp_path / "venv" / "bin" / "python")
    run([uv, "pip", "install", "--quiet", "--python", python, str(wheel)])
    program = "import dalsegno, pathlib; print(pathlib.Path(dalsegno.__file__).parent)"
    installed = Path(run([python, "-c", program], tmp_path).strip())
    assert installed.is_relative_to(tmp_path)
    assert (installed / "py.typed").exists()
    page = (installed / "server" / "static" / "index.html").read_text()
    scripts = re.findall(r'src="/(assets/[^"]+[.]js)"', page)
    assert scripts
    assert all((installed / "server" / "static" / script).exists() for script in scripts)
    assert "0.1.0" in run([str(tmp_path / "venv" / "bin" / "dalsegno"), "version"], tmp_path)


def run(command: list[str], folder: Path = ROOT) -> str:
    """Run a command and give what it printed; its errors become the test's."""
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, f"{command}: {done.stdout}{done.stderr}"
    return done.stdout
