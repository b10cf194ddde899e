"""Signatures on stored results: who cannot read the key file cannot make a pickle that we would load."""

from __future__ import annotations

import hashlib
import hmac
import os
import stat
from pathlib import Path
from typing import NamedTuple

from dalsegno.exceptions import SignatureMismatch, StorageError

KEY_FILE = "result.key"

_HEADER = "# Keys that sign stored results, one a line; the last signs. Whoever reads this can forge them.\n"
_LARGE = 1 << 16


class Key(NamedTuple):
    """A secret and the name by which signatures refer to it."""

    id: str
    secret: bytes


class Signer:
    """Signs and verifies with the keys of one file, which is read, or made, on first use.

    Example:
        >>> signer = Signer(home / "result.key")
        >>> signature, key_id = signer.sign(b"address", "pickle", data)
        >>> signer.verify(b"address", "pickle", data, signature, key_id)
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._keys: dict[str, bytes] = {}
        self._newest: Key | None = None

    def sign(self, address: bytes, serializer: str, data: bytes) -> tuple[bytes, str]:
        """Return the signature of `data` at its address, and the id of the key that made it."""
        key = self._newest or self._load()
        return _digest(key.secret, address, serializer, data), key.id

    def verify(
        self,
        address: bytes,
        serializer: str,
        data: bytes,
        signature: bytes | None,
        key_id: str | None,
        *,
        what: str = "A stored result",
    ) -> None:
        """Raise SignatureMismatch unless one of our keys signed just these bytes at this address."""
        if signature is None or key_id is None:
            raise SignatureMismatch(f"{what} is a {serializer} without a signature, so it is not loaded. {_ADVICE}")
        secret = self._secret(key_id)
        if secret is None:
            raise SignatureMismatch(
                f"{what} was signed with key {key_id}, which {self.path} does not hold, so it is not loaded."
                f" If another user or machine made it, add the line of that key from their {KEY_FILE};"
                " else run the task again."
            )
        if not hmac.compare_digest(_digest(secret, address, serializer, data), signature):
            raise SignatureMismatch(
                f"{what} does not match its signature by key {key_id}: it was changed or moved since, and"
                f" is not loaded. {_ADVICE}"
            )

    def rotate(self) -> str:
        """Add a new key, with which this and all later processes sign; older ones still verify. Returns its
        id.
        """
        self._load()
        key = new_key()
        _append(self.path, key)
        self._load()
        return key.id

    def _secret(self, key_id: str) -> bytes | None:
        if key_id not in self._keys:
            self._load()  # another process may have added it
        return self._keys.get(key_id)

    def _load(self) -> Key:
        keys = read_keys(self.path)
        self._newest = keys[-1]
        self._keys = dict(keys)
        return keys[-1]


_ADVICE = "Find out who writes to the database or the result storage; to go on, run the task again."


def new_key() -> Key:
    """Return a new random key of 256 bits."""
    secret = os.urandom(32)
    return Key(hashlib.sha256(secret).hexdigest()[:12], secret)


def read_keys(path: Path) -> list[Key]:
    """Return the keys of a file, oldest first; the file is made if there is none. Raises StorageError."""
    try:
        text = _read(path)
        if text is None:
            _create(path)
            text = _read(path) or ""
    except OSError as error:
        raise StorageError(
            f"The key file {path} cannot be used ({error.strerror}): results cannot be signed or verified."
            " Make its folder readable and writable for this user, or set DALSEGNO_HOME to another one."
        ) from error
    keys = [_parse(line, path) for line in text.splitlines() if line and not line.startswith("#")]
    if not keys:
        raise StorageError(f"The key file {path} holds no key. Delete it, and a new one is made on the next run.")
    return keys


def _read(path: Path) -> str | None:
    try:
        with open(path, encoding="ascii", errors="replace") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name == "posix" and stat.S_IMODE(mode) & 0o077:
                _make_private(path)
            return file.read()
    except FileNotFoundError:
        return None


def _make_private(path: Path) -> None:
    try:
        path.chmod(0o600)
    except PermissionError as error:
        raise StorageError(
            f"The key file {path} can be read by others and belongs to another user, so it protects nothing."
            " Set DALSEGNO_HOME to a folder of your own."
        ) from error


def _parse(line: str, path: Path) -> Key:
    key_id, _, secret = line.partition(" ")
    try:
        return Key(key_id, bytes.fromhex(secret))
    except ValueError:
        raise StorageError(
            f"The key file {path} is damaged: {key_id[:12]!r} is not followed by a key in hex. Restore it"
            " from a backup; or delete it, then results stored so far are lost and their tasks run again."
        ) from None


def _create(path: Path) -> None:
    """Make the file so that, of many processes that try at once, one wins and nobody sees half a file."""
    import tempfile

    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".result-key-", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(_HEADER + _line(new_key()))
            file.flush()
            os.fsync(file.fileno())
        _publish(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _publish(temporary: str, path: Path) -> None:
    try:
        os.link(temporary, path)
    except FileExistsError:
        return  # another process was first
    except OSError:  # a file system without hard links (exFAT, some mounts)
        if not path.exists():
            os.rename(temporary, path)


def _append(path: Path, key: Key) -> None:
    handle = os.open(path, os.O_WRONLY | os.O_APPEND)
    try:
        os.write(handle, _line(key).encode())  # one write: lines of processes that rotate at once do not mix
        os.fsync(handle)
    finally:
        os.close(handle)


def _line(key: Key) -> str:
    return f"{key.id} {key.secret.hex()}\n"


def _digest(secret: bytes, address: bytes, serializer: str, data: bytes) -> bytes:
    """HMAC-SHA256 over address, serializer and data, each of the first two led by its length."""
    name = serializer.encode()
    head = b"%d:%b%d:%b" % (len(address), address, len(name), name)
    if len(data) < _LARGE:
        return hmac.digest(secret, head + data, "sha256")
    made = hmac.new(secret, head, "sha256")
    made.update(data)
    return made.digest()
