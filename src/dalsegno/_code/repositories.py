"""Git repositories: which commit a branch is at, and the files of a commit in a folder of their own."""

from __future__ import annotations

import re
import threading
import time
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit, urlunsplit

import msgspec

from dalsegno._code import templates
from dalsegno._code.cache import fetched
from dalsegno._code.git_program import GitFailed, Login, git
from dalsegno.exceptions import CodeUnavailable, ConfigurationError

_WHOLE = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_SECRETS = ("access_token", "token", "password")
_USERNAMES = {"gitlab": "oauth2", "bitbucket": "x-token-auth"}
_looking = threading.Lock()


class Repository(msgspec.Struct, frozen=True, kw_only=True):
    """What is wanted of a repository; texts may be placeholders for what the environment holds."""

    url: str
    branch: str | None = None
    commit_sha: str | None = None
    include_submodules: bool = False
    directories: list[str] = []
    """Only these; empty: all."""
    credentials: dict[str, str] = {}


class _Look:
    """The last answer of a server as to where a branch is."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.began = float("-inf")
        self.commit = ""


_looks: dict[tuple[str, str | None], _Look] = {}


def check(wanted: Repository) -> None:
    """Raise ConfigurationError for what cannot be."""
    if wanted.commit_sha is not None and not _WHOLE.fullmatch(wanted.commit_sha):
        raise ConfigurationError(
            f"commit_sha is {wanted.commit_sha!r}; it is a whole commit id of 40 (or 64) hex digits, as "
            "`git rev-parse` says it."
        )
    if wanted.commit_sha is not None and wanted.branch is not None:
        raise ConfigurationError("A repository is taken at a branch or at a commit_sha, not both.")
    if wanted.url.startswith("-") or (wanted.branch or "").startswith("-"):
        raise ConfigurationError(f"{wanted.url!r} at {wanted.branch!r} is no repository.")
    unknown = wanted.credentials.keys() - {"username", *_SECRETS}
    if unknown:
        raise ConfigurationError(
            f"The credentials of a repository have no {min(unknown)!r}; they have username and access_token."
        )


def checkout(wanted: Repository, environment: Mapping[str, str] | None = None) -> tuple[Path, str]:
    """Return the folder that holds the files of a repository, and the commit that they are of.

    A commit is fetched once for this machine. Raises CodeUnavailable, without secrets.
    """
    check(wanted)
    wanted = msgspec.convert(
        templates.render(msgspec.to_builtins(wanted), templates.from_environment(environment)), Repository
    )
    url, login = _login(wanted)
    told = login.hide if login is not None else str
    try:
        commit = wanted.commit_sha or _head(wanted, url, login)
        source = "\0".join(["git", url, str(wanted.include_submodules), *wanted.directories])
        return fetched(source, commit, lambda folder: _fill(folder, wanted, url, commit, login)), commit
    except GitFailed as error:
        raise CodeUnavailable(_refusal(wanted, told(url), str(error))) from None


def without_secret(url: str) -> str:
    """Return a URL without the password that it may hold."""
    parts = urlsplit(url)
    if "@" not in parts.netloc or not parts.scheme.startswith("http"):
        return url
    return urlunsplit(parts._replace(netloc=parts.netloc.rpartition("@")[2]))


def holds_secret(wanted: Repository) -> bool:
    """Tell whether a secret stands in what is wanted itself, rather than a reference to one."""
    in_url = wanted.url != without_secret(wanted.url) and "{{" not in wanted.url
    return in_url or any(
        not templates.is_reference(text) for name, text in wanted.credentials.items() if name in _SECRETS
    )


def _login(wanted: Repository) -> tuple[str, Login | None]:
    """Return the URL without credentials, and those."""
    parts = urlsplit(wanted.url)
    if parts.scheme not in ("http", "https"):
        return wanted.url, None
    url = without_secret(wanted.url)
    host = parts.hostname or ""
    standard = next((name for word, name in _USERNAMES.items() if word in host), "x-access-token")
    secret = next((wanted.credentials[name] for name in _SECRETS if wanted.credentials.get(name)), None)
    username = wanted.credentials.get("username")
    if secret is None:
        secret = parts.password or (parts.username if parts.password is None else None)
        username = username or (parts.username if parts.password else None)
    return url, None if secret is None else Login(url, username or standard, secret)


def _head(wanted: Repository, url: str, login: Login | None) -> str:
    """Return the commit that a branch (or tag) is at now; who asks at the same time asks once."""
    asked = time.monotonic()
    with _looking:
        look = _looks.setdefault((url, wanted.branch), _Look())
    with look.lock:
        if look.began < asked:
            began = time.monotonic()
            look.commit = _ask(url, wanted.branch, login)
            look.began = began
        return look.commit


def _ask(url: str, branch: str | None, login: Login | None) -> str:
    names = ["HEAD"] if branch is None else [f"refs/heads/{branch}", f"refs/tags/{branch}^{{}}", f"refs/tags/{branch}"]
    said = git("ls-remote", "--", url, *names, login=login)
    found = {name: commit for commit, _, name in (line.partition("\t") for line in said.splitlines())}
    for name in names:
        if name in found:
            return found[name]
    raise GitFailed("it is empty" if branch is None else f"it has no branch or tag {branch!r}")


def _fill(folder: Path, wanted: Repository, url: str, commit: str, login: Login | None) -> None:
    git("init", "--quiet", str(folder))
    git("remote", "add", "origin", url, folder=folder)
    sparse: list[str] = []
    if wanted.directories:
        git("sparse-checkout", "set", "--", *wanted.directories, folder=folder)
        sparse = ["--filter=blob:none"]
    try:
        git("fetch", "--quiet", "--depth=1", *sparse, "origin", commit, folder=folder, login=login)
    except GitFailed:
        # Not every server gives a commit by its id.
        git("fetch", "--quiet", "--tags", "origin", "+refs/heads/*:refs/remotes/origin/*", folder=folder, login=login)
    git("checkout", "--quiet", "--detach", commit, folder=folder, login=login)
    if wanted.include_submodules:
        git("submodule", "update", "--quiet", "--init", "--recursive", folder=folder, login=login)


def _refusal(wanted: Repository, url: str, said: str) -> str:
    at = f" at commit {wanted.commit_sha}" if wanted.commit_sha else f" at {wanted.branch!r}" if wanted.branch else ""
    reason = " ".join(line.strip() for line in said.splitlines() if line.strip())
    hint = ""
    if "Authentication failed" in said or "could not read Username" in said or "terminal prompts disabled" in said:
        hint = (
            ' It wants a login: give access_token="{{ $NAME }}", where NAME is a variable of the environment of the '
            "worker that holds a token."
        )
    return f"The repository {url}{at} cannot be had: {reason}.{hint}"
