"""The virtual environments that the peers run in, one each, and the variables that their processes get.
It installs; it starts and measures nothing."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import venv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

BENCH = Path(__file__).resolve().parent
PROJECT = BENCH.parent
CACHE = BENCH / ".cache"
SHARED = BENCH / "cases" / "shared"
# The harness starts servers as the cases do.
sys.path.append(str(SHARED))


@dataclass(frozen=True, slots=True)
class Peer:
    """A library under test. `requirements` is a file of exact versions, if what is installed is from one."""

    name: str
    title: str
    distribution: str | None
    requirements: str | None


BARE = Peer("bare", "bare Python", None, None)
DALSEGNO = Peer("dalsegno", "Dalsegno", "dalsegno", None)
PREFECT = Peer("prefect", "Prefect", "prefect", "prefect.txt")
DBOS = Peer("dbos", "DBOS", "dbos", "dbos.txt")
LUIGI = Peer("luigi", "Luigi", "luigi", "luigi.txt")
PEERS = {peer.name: peer for peer in (BARE, DALSEGNO, PREFECT, DBOS, LUIGI)}


@dataclass(frozen=True, slots=True)
class Environment:
    """A peer that is installed. `folder` is its virtual environment."""

    peer: Peer
    folder: Path
    version: str

    @property
    def python(self) -> Path:
        return self.folder / "bin" / "python"

    def executable(self, name: str) -> str:
        return str(self.folder / "bin" / name)


class InstallError(Exception):
    """A peer could not be installed."""


def install(peer: Peer) -> Environment:
    """Make the peer's virtual environment, or reuse it if it holds what would be installed now."""
    folder = CACHE / "venvs" / peer.name
    wanted = _fingerprint(peer)
    stamp = folder / "bench-stamp.json"
    if stamp.exists() and json.loads(stamp.read_text())["wanted"] == wanted:
        return Environment(peer, folder, json.loads(stamp.read_text())["version"])
    print(f"installing {peer.title} ...", file=sys.stderr, flush=True)
    shutil.rmtree(folder, ignore_errors=True)
    _create(folder)
    if peer is DALSEGNO:
        _install_dalsegno(folder)
    elif peer.requirements is not None:
        _install(folder, "-r", str(BENCH / "requirements" / peer.requirements))
    version = _installed_version(folder, peer)
    stamp.write_text(json.dumps({"wanted": wanted, "version": version}))
    return Environment(peer, folder, version)


def _fingerprint(peer: Peer) -> str:
    digest = hashlib.sha256(sys.version.encode())
    if peer is DALSEGNO:
        sources = sorted((PROJECT / "src").rglob("*.*"))
        files = [
            PROJECT / "pyproject.toml",
            PROJECT / "uv.lock",
            *(p for p in sources if "__pycache__" not in p.parts),
        ]
    else:
        files = [BENCH / "requirements" / peer.requirements] if peer.requirements else []
    for path in files:
        if path.is_file():
            digest.update(str(path.relative_to(PROJECT)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


@cache
def _uv() -> str | None:
    """The uv that the rest of the repository uses, else None: then the slower venv and pip do."""
    bootstrap = PROJECT / ".ci" / "bootstrap"
    if not bootstrap.exists():
        return shutil.which("uv")
    done = subprocess.run(
        [str(bootstrap)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHON": sys.executable}
    )
    return done.stdout.strip() if done.returncode == 0 else None


def _create(folder: Path) -> None:
    folder.parent.mkdir(parents=True, exist_ok=True)
    uv = _uv()
    if uv:
        _run(uv, "venv", "--quiet", "--python", sys.executable, str(folder))
    else:
        venv.create(folder, with_pip=True, symlinks=True)


def _install(folder: Path, *what: str) -> None:
    uv = _uv()
    if uv:
        options = ("--quiet", "--compile-bytecode", "--python", str(folder / "bin" / "python"))
        _run(uv, "pip", "install", *options, *what)
    else:
        _run(str(folder / "bin/python"), "-m", "pip", "install", "--quiet", "--compile", *what)


def _install_dalsegno(folder: Path) -> None:
    """Install the tree as users get it: a wheel, not editable; with uv, its locked dependencies."""
    wheels = CACHE / "wheels"
    shutil.rmtree(wheels, ignore_errors=True)
    wheels.mkdir(parents=True)
    uv = _uv()
    if uv:
        _run(uv, "build", "--quiet", "--wheel", "--out-dir", str(wheels), str(PROJECT))
        locked = wheels / "locked.txt"
        export = ("export", "--quiet", "--frozen", "--no-default-groups", "--no-emit-project", "--no-hashes")
        export = (*export, "--extra", "postgres")
        _run(uv, *export, "--project", str(PROJECT), "--output-file", str(locked))
        _install(folder, "-r", str(locked))
    else:
        _run(
            str(folder / "bin/python"),
            "-m",
            "pip",
            "wheel",
            "--quiet",
            "--no-deps",
            "-w",
            str(wheels),
            str(PROJECT),
        )
    (wheel,) = wheels.glob("dalsegno-*.whl")
    _install(folder, f"{wheel}[postgres]")


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=BENCH)
    if done.returncode != 0:
        raise InstallError(f"`{' '.join(command)}` ended with exit code {done.returncode}:\n{done.stderr}")


def _installed_version(folder: Path, peer: Peer) -> str:
    if peer.distribution is None:
        return "{}.{}.{}".format(*sys.version_info)
    code = f"import importlib.metadata as m; print(m.version({peer.distribution!r}))"
    done = subprocess.run([str(folder / "bin/python"), "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def variables(environment: Environment, home: Path, api_url: str | None = None) -> dict[str, str]:
    """The environment variables of a peer's process: none of the caller's settings, all in `home`; its server, if
    it is to speak to one."""
    kept = {name: os.environ[name] for name in ("LANG", "LC_ALL", "TZ", "TMPDIR") if name in os.environ}
    path = f"{environment.folder / 'bin'}{os.pathsep}{os.environ.get('PATH', os.defpath)}"
    own = {
        "PATH": path,
        "HOME": str(home),
        "BENCH_HOME": str(home),
        "PYTHONPATH": str(SHARED),
        "DO_NOT_TRACK": "1",
    }
    peers = {
        "dalsegno": {"DALSEGNO_HOME": str(home / "dalsegno")},
        "prefect": {"PREFECT_HOME": str(home / "prefect"), "PREFECT_SERVER_ANALYTICS_ENABLED": "false"},
        "dbos": {"DBOS_SYSTEM_DATABASE_URL": f"sqlite:///{home / 'dbos.sqlite'}"},
    }
    address = {f"{environment.peer.name.upper()}_API_URL": api_url} if api_url else {}
    return {**kept, **own, **peers.get(environment.peer.name, {}), **address}
