"""Code from git repositories: which commit, fetched once, and what is said when it cannot be had."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from dalsegno._code import repositories
from dalsegno._code.repositories import Repository, checkout
from dalsegno.deployments import GitRepository
from dalsegno.exceptions import CodeUnavailable, ConfigurationError, TemplateError

IDENTITY = ["-c", "user.name=me", "-c", "user.email=me@example.org", "-c", "protocol.file.allow=always"]


class Origin:
    """A repository that others fetch from."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.url = f"file://{path}"
        path.mkdir()
        self.git("init", "-q", "-b", "main")
        # As GitHub and GitLab do.
        self.git("config", "uploadpack.allowAnySHA1InWant", "true")
        self.git("config", "uploadpack.allowFilter", "true")

    def git(self, *arguments: str) -> str:
        done = subprocess.run(["git", *IDENTITY, *arguments], cwd=self.path, check=True, capture_output=True, text=True)
        return done.stdout.strip()

    def commit(self, **files: str) -> str:
        for name, text in files.items():
            path = self.path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)
        self.git("add", ".")
        self.git("commit", "-q", "-m", "a change")
        return self.git("rev-parse", "HEAD")


@pytest.fixture
def origin(tmp_path: Path) -> Origin:
    return Origin(tmp_path / "origin")


def test_the_files_of_a_branch_are_those_of_its_commit_now(origin: Origin) -> None:
    first = origin.commit(etl_py="old")
    folder, commit = checkout(Repository(url=origin.url))
    assert ((folder / "etl.py").read_text(), commit) == ("old", first)
    second = origin.commit(etl_py="new")
    newer, commit = checkout(Repository(url=origin.url, branch="main"))
    assert ((newer / "etl.py").read_text(), commit) == ("new", second)
    assert (folder / "etl.py").read_text() == "old"  # a run may still be there


def test_a_commit_is_fetched_once(origin: Origin, monkeypatch: pytest.MonkeyPatch) -> None:
    commit = origin.commit(etl_py="x")
    called: list[tuple[str, ...]] = []
    git = repositories.git

    def counted(*arguments: str, **more: Any) -> str:
        called.append(arguments)
        return git(*arguments, **more)

    monkeypatch.setattr(repositories, "git", counted)
    checkout(Repository(url=origin.url))
    assert any("fetch" in each for each in called)
    called.clear()
    checkout(Repository(url=origin.url))
    assert [each[0] for each in called] == ["ls-remote"]
    called.clear()
    checkout(Repository(url=origin.url, commit_sha=commit))
    assert called == []


def test_many_at_once_get_the_same_folder(origin: Origin) -> None:
    origin.commit(etl_py="x")
    found: list[Path] = []
    threads = [threading.Thread(target=lambda: found.append(checkout(Repository(url=origin.url))[0])) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 6
    assert len(set(found)) == 1
    assert [each.name for each in found[0].parent.iterdir()] == [found[0].name]  # nothing half-done is left


def test_branches_tags_and_commits(origin: Origin) -> None:
    first = origin.commit(etl_py="one")
    origin.git("tag", "-a", "v1", "-m", "one")
    origin.git("checkout", "-q", "-b", "feature/main")
    origin.commit(etl_py="feature")
    origin.git("checkout", "-q", "main")
    origin.commit(etl_py="two")
    texts = {
        wanted: (checkout(Repository(url=origin.url, branch=wanted))[0] / "etl.py").read_text()
        for wanted in ("v1", "feature/main", "main")
    }
    assert texts == {"v1": "one", "feature/main": "feature", "main": "two"}
    folder, commit = checkout(Repository(url=origin.url, commit_sha=first))
    assert ((folder / "etl.py").read_text(), commit) == ("one", first)


def test_a_server_that_gives_no_commit_by_its_id_gives_branches(origin: Origin) -> None:
    first = origin.commit(etl_py="one")
    origin.commit(etl_py="two")
    origin.git("config", "--unset", "uploadpack.allowAnySHA1InWant")
    folder, _ = checkout(Repository(url=origin.url, commit_sha=first))
    assert (folder / "etl.py").read_text() == "one"


def test_only_some_directories(origin: Origin) -> None:
    origin.commit(flows__etl_py="x", data__big_csv="y", readme_md="z")
    folder, _ = checkout(Repository(url=origin.url, directories=["flows"]))
    assert (folder / "flows" / "etl.py").exists()
    assert not (folder / "data").exists()


def test_submodules(origin: Origin, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Git lets a repository of this machine name another one of it only when it is told so.
    for name, value in {"COUNT": "1", "KEY_0": "protocol.file.allow", "VALUE_0": "always"}.items():
        monkeypatch.setenv(f"GIT_CONFIG_{name}", value)
    other = Origin(tmp_path / "other")
    other.commit(helper_py="help")
    origin.git("submodule", "add", "-q", other.url, "lib")
    origin.commit(etl_py="x")
    assert not (checkout(Repository(url=origin.url))[0] / "lib" / "helper.py").exists()
    folder, _ = checkout(Repository(url=origin.url, include_submodules=True))
    assert (folder / "lib" / "helper.py").read_text() == "help"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"branch": "nope"}, "at 'nope' cannot be had: it has no branch or tag 'nope'"),
        ({"url": "file:///nowhere/at/all"}, "file:///nowhere/at/all cannot be had: .*does not"),
        ({"commit_sha": "0" * 40}, "at commit 0000.* cannot be had"),
    ],
)
def test_what_cannot_be_had_is_said(origin: Origin, options: dict[str, Any], message: str) -> None:
    origin.commit(etl_py="x")
    with pytest.raises(CodeUnavailable, match=message):
        checkout(Repository(**{"url": origin.url, **options}))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"commit_sha": "abc"}, "whole commit id of 40"),
        ({"commit_sha": "0" * 40, "branch": "main"}, "not both"),
        ({"url": "--upload-pack=touch x"}, "is no repository"),
        ({"credentials": {"acess_token": "x"}}, "no 'acess_token'"),
    ],
)
def test_what_cannot_be_is_refused_at_once(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message):
        GitRepository(**{"url": "https://example.org/flows.git", **options})


class Server:
    """A git server that lets nobody in, and notes who asked."""

    def __init__(self) -> None:
        self.asked: list[str | None] = []
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append(self.headers.get("Authorization"))
                self.send_response(401)
                self.send_header("WWW-Authenticate", "Basic realm=x")
                self.end_headers()

            def log_message(self, format: str, *args: Any) -> None: ...

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.host = f"127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


def test_the_token_of_the_environment_is_sent_and_never_told(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_TOKEN", "s3cr3t-token")
    repository = GitRepository(
        f"http://{server.host}/flows.git", credentials={"access_token": "{{ $MY_TOKEN }}", "username": "me"}
    )
    with pytest.raises(CodeUnavailable) as caught:
        repository.pull()
    assert base64.b64encode(b"me:s3cr3t-token").decode() in str(server.asked[0])
    assert "s3cr3t" not in str(caught.value)
    assert "s3cr3t" not in repr(repository)
    assert f"http://{server.host}/flows.git cannot be had" in str(caught.value)


def test_without_a_login_it_says_how_to_give_one(server: Server) -> None:
    with pytest.raises(CodeUnavailable, match="wants a login: give access_token"):
        GitRepository(f"http://{server.host}/flows.git").pull()


def test_a_token_that_is_not_there_is_named() -> None:
    os.environ.pop("NOT_SET", None)
    repository = GitRepository("https://example.org/f.git", credentials={"access_token": "{{ $NOT_SET }}"})
    with pytest.raises(TemplateError, match="the environment has no NOT_SET"):
        repository.pull()


@pytest.mark.parametrize(
    "repository",
    [
        GitRepository("https://example.org/f.git", credentials={"access_token": "abc"}),
        GitRepository("https://me:abc@example.org/f.git"),
    ],
)
def test_a_secret_is_never_stored(repository: GitRepository) -> None:
    with pytest.raises(ConfigurationError, match="would be stored where others can read them") as caught:
        repository.source("etl.py:etl")
    assert "abc" not in str(caught.value)
