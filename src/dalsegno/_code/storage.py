"""Places that code comes from, as users name them: a git repository, a URL, a folder."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from dalsegno._code import remote, repositories, templates
from dalsegno._code.repositories import Repository
from dalsegno.exceptions import ConfigurationError
from dalsegno.model.deployments import CodeSource

GIT_CLONE = "dalsegno.deployments.steps.git_clone"
PULL_FROM_REMOTE = "dalsegno.deployments.steps.pull_from_remote_storage"
_OPTIONS = ("branch", "commit_sha", "include_submodules", "directories", "credentials")


class Storage(Protocol):
    """A place that code comes from."""

    def pull(self) -> Path:
        """Return the folder of this machine that holds the code as it is now. Raises CodeUnavailable."""
        ...

    def source(self, entrypoint: str) -> CodeSource:
        """Return how a worker gets it. Raises ConfigurationError where that would put a secret into the records."""
        ...


@dataclass(frozen=True)
class GitRepository:
    """A git repository, taken at a branch (or tag), a commit, or where its HEAD is.

    Each commit is fetched once for a machine. Before each run the server is asked where the branch is.

    Args:
        url: As git takes it.
        credentials: For HTTPS: `access_token`, and where the server needs it `username`. A secret is written as
            ``"{{ $NAME }}"``: the variable is read, on the machine that fetches, each time.
        name: For people.
        branch: Or a tag.
        commit_sha: A whole id, in place of a branch.
        include_submodules: Whether these are fetched too.
        directories: Only these are in the folder.
        pull_interval: Has no effect: a branch is looked at before each run.

    Raises ConfigurationError for what cannot be.

    Example:
        >>> GitRepository("https://github.com/acme/flows.git", branch="main",
        ...               credentials={"access_token": "{{ $GITHUB_TOKEN }}"})
    """

    url: str
    credentials: dict[str, str] | None = field(default=None, repr=False)
    name: str | None = None
    branch: str | None = None
    commit_sha: str | None = None
    include_submodules: bool = False
    pull_interval: int | None = 60
    directories: list[str] | None = None

    def __post_init__(self) -> None:
        repositories.check(self.wanted)

    @property
    def wanted(self) -> Repository:
        """What is wanted of it."""
        return Repository(
            url=self.url,
            branch=self.branch,
            commit_sha=self.commit_sha,
            include_submodules=self.include_submodules,
            directories=self.directories or [],
            credentials=self.credentials or {},
        )

    def pull(self) -> Path:
        return repositories.checkout(self.wanted)[0]

    def source(self, entrypoint: str) -> CodeSource:
        if repositories.holds_secret(self.wanted):
            raise ConfigurationError(
                f"The credentials of {repositories.without_secret(self.url)} would be stored where others can read "
                'them. Put the token into a variable of the environment of the workers, and write "{{ $NAME }}".'
            )
        options = {name: getattr(self, name) for name in _OPTIONS if getattr(self, name)}
        step = {GIT_CLONE: {"repository": self.url, **options}}
        return CodeSource(entrypoint=entrypoint, pull_steps=[step], code_version=self.commit_sha)


@dataclass(frozen=True, init=False)
class RemoteStorage:
    """A folder behind any URL that fsspec knows (`s3://`, `gs://`, `memory://` ...); its driver has to be installed.

    Args:
        url: Of the folder.
        pull_interval: Has no effect: it is looked at before each run, and copied if it changed.
        settings: Of the file system, such as keys; a secret is written as ``"{{ $NAME }}"``.

    Example:
        >>> RemoteStorage("s3://acme-flows/nightly", key="{{ $AWS_KEY }}", secret="{{ $AWS_SECRET }}")
    """

    url: str
    settings: dict[str, Any] = field(repr=False)

    def __init__(self, url: str, pull_interval: int | None = 60, **settings: Any) -> None:
        object.__setattr__(self, "url", url)
        object.__setattr__(self, "settings", settings)

    def pull(self) -> Path:
        return remote.copy(self.url, self.settings)[0]

    def source(self, entrypoint: str) -> CodeSource:
        for name, value in self.settings.items():
            if isinstance(value, str) and _looks_secret(name) and not templates.is_reference(value):
                raise ConfigurationError(
                    f"The setting {name!r} of {self.url} would be stored where others can read it. Put it into a "
                    'variable of the environment of the workers, and write "{{ $NAME }}".'
                )
        return CodeSource(entrypoint=entrypoint, pull_steps=[{PULL_FROM_REMOTE: {"url": self.url, **self.settings}}])


@dataclass(frozen=True)
class LocalStorage:
    """A folder of this machine.

    Raises ConfigurationError, when it is used, if it is not there.

    Example:
        >>> LocalStorage("/srv/flows")
    """

    path: str | Path
    pull_interval: int | None = None

    def pull(self) -> Path:
        folder = Path(self.path).expanduser().absolute()
        if not folder.is_dir():
            raise ConfigurationError(f"There is no folder {str(folder)!r} on this machine.")
        return folder

    def source(self, entrypoint: str) -> CodeSource:
        return CodeSource(entrypoint=entrypoint, path=str(self.pull()), interpreter=sys.executable or None)


def storage_of(given: Any) -> Storage:
    """Return the storage that a URL or path names; what is one already stays as it is.

    Example:
        >>> storage_of("https://github.com/acme/flows.git")
        GitRepository(url='https://github.com/acme/flows.git', ...)
    """
    if not isinstance(given, str | Path):
        if not (hasattr(given, "pull") and hasattr(given, "source")):
            raise ConfigurationError(
                f"{type(given).__name__} is no storage of code; GitRepository, RemoteStorage and LocalStorage are."
            )
        return given
    text = str(given)
    if text.startswith(("git@", "git://", "ssh://")) or (
        text.startswith(("http://", "https://")) and (text.endswith(".git") or "github.com" in text)
    ):
        return GitRepository(text)
    if text.startswith("file://"):
        return LocalStorage(text.removeprefix("file://"))
    return RemoteStorage(text) if "://" in text else LocalStorage(given)


def _looks_secret(name: str) -> bool:
    return any(word in name.lower() for word in ("secret", "password", "token", "key"))
