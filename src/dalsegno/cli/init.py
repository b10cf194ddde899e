"""`dalsegno init`: writes a file of deployments to begin with, for the flows that are here."""

from __future__ import annotations

import ast
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from cyclopts import Parameter

from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import group

app = group("init", "Write a dalsegno.yaml to begin with.")

NAME = "dalsegno.yaml"
_MOST_FILES = 2000
_PASSED_OVER = {"node_modules", "site-packages", "__pycache__", "venv", "build", "dist"}
_LOCAL = """\
# Workers find the code in this folder, on this machine.
pull: []
"""
_GIT = """\
# Workers fetch the code from here; a commit is fetched once for a machine.
pull:
  - dalsegno.deployments.steps.git_clone:
      repository: {repository}
      branch: {branch}
      # A private repository: name a variable of the environment of the workers that holds a token.
      # access_token: "{{{{ $GIT_TOKEN }}}}"
"""
_ENTRY = """\
  - name: {name}
    entrypoint: {entrypoint}
    work_pool:
      name: {pool}
    # schedules:
    #   - cron: "0 3 * * *"
    #     timezone: Europe/Berlin
    # parameters: {{}}
    # tags: []
    # concurrency_limit: 1
"""


@app.default
def init(
    *,
    recipe: Annotated[
        Literal["local", "git"], Parameter(help="Where workers get the code: this folder, or its git repository.")
    ] = "local",
    name: Annotated[
        str | None, Parameter(name="--name", help="The project's name; that of the folder by default.")
    ] = None,
    pool: Annotated[str, Parameter(name=["--pool", "-p"], help="The work pool to name in it.")] = "default",
) -> None:
    """Write a dalsegno.yaml to begin with, for the flows in this folder and below."""
    path = Path(NAME)
    if path.exists():
        raise CommandError(f"There is a {NAME} here already. Change it, or move it away first.")
    flows = list(found_flows(Path()))
    path.write_text(text_of(name or Path.cwd().name, recipe, pool, flows), encoding="utf-8")
    print(f"Wrote {NAME}, for {len(flows)} flows. Look it over, then: dalsegno deploy --all")


def text_of(name: str, recipe: str, pool: str, flows: list[tuple[str, str]]) -> str:
    """Return the text of a file for flows, each an entry point and the name of its deployment."""
    pull = _LOCAL if recipe == "local" else _git_text()
    entries = [_ENTRY.format(name=own, entrypoint=place, pool=pool) for place, own in flows]
    listed = "deployments:\n" + "".join(entries) if entries else _without_flows(pool)
    return f"name: {_quoted(name)}\n\n{pull}\n{listed}"


def found_flows(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield the entry point of each flow in a folder and below, by reading the sources, and a name to deploy it as."""
    for number, path in enumerate(sorted(folder.rglob("*.py"))):
        if number >= _MOST_FILES:
            return
        if any(part.startswith(".") or part in _PASSED_OVER for part in path.parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError, OSError):
            continue
        for node in tree.body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and any(map(_is_flow, node.decorator_list)):
                yield f"{path}:{node.name}", node.name.replace("_", "-")


def _is_flow(decorator: ast.expr) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", None)
    return name == "flow"


def _git_text() -> str:
    repository = _git("remote", "get-url", "origin")
    if not repository:
        raise CommandError("This folder has no git remote called origin, which the recipe git writes down.")
    branch = _git("rev-parse", "--abbrev-ref", "HEAD") or "main"
    return _GIT.format(repository=_quoted(_without_secret(repository)), branch=_quoted(branch))


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", *arguments], capture_output=True, text=True, check=False)
    except OSError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def _without_secret(url: str) -> str:
    scheme, separator, rest = url.partition("://")
    return url if not separator or not scheme.startswith("http") else f"{scheme}://{rest.rpartition('@')[2]}"


def _quoted(text: str) -> str:
    # A JSON text is one of YAML too.
    import json

    return json.dumps(text, ensure_ascii=False)


def _without_flows(pool: str) -> str:
    lines = _ENTRY.format(name="nightly", entrypoint="path/to/file.py:flow", pool=pool).splitlines()
    return "deployments: []\n" + "".join(f"# {line}\n" for line in lines)
