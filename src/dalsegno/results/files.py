"""Result storage: files in a local folder, or behind any fsspec URL. Local ones are written whole or not at
all.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from dalsegno.exceptions import ConfigurationError, MissingResult, StorageError
from dalsegno.results.server_files import SCHEME, ServerFiles, own_storage, server_files

_OWN_NAME = re.compile(r"/[0-9a-f]{32}/[0-9a-f]{32}-\d+\.result$")
_PASSWORD = re.compile(r"//[^/@]*@")


def own_name(root_run_id: bytes, run_id: bytes, run_count: int) -> str:
    """Return the name of a run's result file; those of one root run lie in one folder."""
    return f"{root_run_id.hex()}/{run_id.hex()}-{run_count}.result"


def is_own(url: str) -> bool:
    """Say whether a file bears a name that we gave, so that it belongs to one run only and may go with it."""
    return _OWN_NAME.search(url) is not None


def join(storage: str, name: str) -> str:
    """Return the URL of a file in a storage. Raises ConfigurationError if the name would lead out of it."""
    if not name or name.startswith(("/", "\\")) or ".." in re.split(r"[/\\]", name):
        raise ConfigurationError(f"The storage key {name!r} does not name a file inside of the result storage.")
    if "://" in storage and not storage.startswith("file://"):
        return f"{storage.rstrip('/')}/{name}"
    folder = Path(storage.removeprefix("file://")).expanduser().absolute()
    return f"file://{(folder / name).as_posix()}"


def write_file(url: str, data: bytes) -> None:
    """Write a file, or replace it. Raises StorageError."""
    server, url = _resolved(url)
    if server is not None:
        server.write_result_file(url, data)
        return
    try:
        if url.startswith("file://"):
            _write_local(Path(url.removeprefix("file://")), data)
        else:
            _write_remote(url, data)
    except Exception as error:
        raise StorageError(
            f"A result of {len(data):,} bytes cannot be written to {hide(url)}: {_text(error)}"
        ) from error


def read_file(url: str) -> bytes:
    """Return the content of a file. Raises MissingResult if there is none, else StorageError."""
    server, url = _resolved(url)
    if server is not None:
        return server.read_result_file(url)
    try:
        if url.startswith("file://"):
            return Path(url.removeprefix("file://")).read_bytes()
        file_system, path = _file_system(url)
        return file_system.cat_file(path)
    except FileNotFoundError:
        raise MissingResult(
            f"The result file {hide(url)} is gone: it was deleted or has expired. Run the task again."
        ) from None
    except Exception as error:
        raise StorageError(f"The result file {hide(url)} cannot be read: {_text(error)}") from error


def read_in_chunks(url: str, size: int) -> Iterator[bytes]:
    """Give the content of a file behind a URL piece by piece. Raises MissingResult or StorageError."""
    try:
        file_system, path = _file_system(url)
        with file_system.open(path, "rb") as file:
            while chunk := file.read(size):
                yield chunk
    except FileNotFoundError:
        raise MissingResult(f"The result file {hide(url)} is gone: it was deleted or has expired.") from None
    except Exception as error:
        raise StorageError(f"The result file {hide(url)} cannot be read: {_text(error)}") from error


def file_exists(url: str) -> bool:
    """Say whether there is a file. Raises StorageError."""
    server, url = _resolved(url)
    if server is not None:
        return server.result_file_exists(url)
    try:
        if url.startswith("file://"):
            return Path(url.removeprefix("file://")).is_file()
        file_system, path = _file_system(url)
        return bool(file_system.exists(path))
    except Exception as error:
        raise StorageError(f"The result storage cannot be asked for {hide(url)}: {_text(error)}") from error


def delete_file(url: str) -> bool:
    """Delete a file; False: there was none. Raises StorageError."""
    server, url = _resolved(url)
    if server is not None:
        return server.delete_result_file(url)
    try:
        if url.startswith("file://"):
            _delete_local(Path(url.removeprefix("file://")))
        else:
            file_system, path = _file_system(url)
            file_system.rm_file(path)
    except FileNotFoundError:
        return False
    except Exception as error:
        raise StorageError(f"The result file {hide(url)} cannot be deleted: {_text(error)}") from error
    return True


def local_path(url: str) -> Path | None:
    """Return the path of a file on this machine; None: it is elsewhere."""
    return Path(url.removeprefix("file://")) if url.startswith("file://") else None


def move_file(source: Path, url: str) -> None:
    """Put a local file into its place, in a folder or behind a URL, so that it is gone here. Raises StorageError."""
    place = local_path(url)
    try:
        if place is None:
            file_system, path = _file_system(url)
            file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
            file_system.put_file(str(source), path)
            source.unlink()
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            os.replace(source, place)
            _sync_folder(place.parent)
    except Exception as error:
        raise StorageError(f"A result cannot be written to {hide(url)}: {_text(error)}") from error


def _resolved(url: str) -> tuple[ServerFiles | None, str]:
    """Return who has a file, with its name there; or None, and where it lies without a server."""
    if not url.startswith(SCHEME):
        return None, url
    name = url.removeprefix(SCHEME)
    server = server_files()
    return (None, join(own_storage(), name)) if server is None else (server, name)


def hide(url: str) -> str:
    """Return a URL for messages: without user and password."""
    return _PASSWORD.sub("//***@", url)


def _write_local(path: Path, data: bytes) -> None:
    """Write beside the place, make it durable, then move it there: a reader sees all of it or nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name[:100]}.{os.urandom(6).hex()}")
    try:
        with open(temporary, "xb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


def _sync_folder(folder: Path) -> None:
    if os.name != "posix":
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _delete_local(path: Path) -> None:
    path.unlink()
    if is_own(path.as_posix()):
        try:
            path.parent.rmdir()
        except OSError:
            return  # other results of the run are still in it


def _write_remote(url: str, data: bytes) -> None:
    file_system, path = _file_system(url)
    try:
        file_system.pipe_file(path, data)
    except FileNotFoundError:  # a file system with folders
        file_system.makedirs(path.rpartition("/")[0], exist_ok=True)
        file_system.pipe_file(path, data)


def _file_system(url: str) -> tuple[Any, str]:
    import fsspec  # pyright: ignore[reportMissingTypeStubs]

    return fsspec.core.url_to_fs(url)  # pyright: ignore


def _text(error: Exception) -> str:
    if isinstance(error, ImportError):
        return f"{error}. Install the driver of this kind of URL."
    reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return f"{type(error).__name__}: {hide(reason)}"
