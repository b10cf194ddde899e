"""Calling git: without prompts, without what an outer git left in the environment, and without a word of a secret."""

from __future__ import annotations

import base64
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dalsegno.exceptions import CodeUnavailable

_PATIENCE = 600.0
"""Seconds that one call may take."""
_OUTER = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
_HIDDEN = "***"


class GitFailed(CodeUnavailable):
    """Git said no; the message is its own, without secrets."""


class Login:
    """Who asks a git server: a name and a secret, which appear neither in a command line nor in a file."""

    def __init__(self, url: str, username: str, secret: str) -> None:
        self.secret = secret
        self._encoded = base64.b64encode(f"{username}:{secret}".encode()).decode()
        parts = urlsplit(url)
        self._server = f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}/"

    def environment(self) -> dict[str, str]:
        """Return the variables by which git learns of it, for this server alone."""
        return {
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": f"http.{self._server}.extraHeader",
            "GIT_CONFIG_VALUE_0": f"Authorization: Basic {self._encoded}",
        }

    def hide(self, text: str) -> str:
        """Return a text without the secret."""
        return text.replace(self._encoded, _HIDDEN).replace(self.secret, _HIDDEN)


def git(
    *arguments: str,
    folder: Path | None = None,
    login: Login | None = None,
    environment: Mapping[str, str] | None = None,
    patience: float = _PATIENCE,
) -> str:
    """Call git and return what it said. Raises GitFailed."""
    outer = os.environ if environment is None else environment
    variables = {name: value for name, value in outer.items() if name not in _OUTER}
    variables |= {"GIT_TERMINAL_PROMPT": "0", "LC_ALL": "C"}
    # A program of the user's own that asks for a password, or a new host's key, would wait for ever.
    variables.setdefault("GIT_ASKPASS", "true")
    variables.setdefault("GIT_SSH_COMMAND", "ssh -o BatchMode=yes")
    if login is not None:
        variables |= login.environment()
    command = ["git", *(("-C", str(folder)) if folder is not None else ()), *arguments]
    try:
        done = subprocess.run(
            command,
            env=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=patience,
            check=False,
        )
    except FileNotFoundError:
        raise GitFailed("there is no program called git on this machine") from None
    except subprocess.TimeoutExpired:
        raise GitFailed(f"git took longer than {patience:g} seconds") from None
    if done.returncode:
        said = done.stderr.strip() or f"git ended with status {done.returncode}"
        raise GitFailed(said if login is None else login.hide(said))
    return done.stdout.strip()
