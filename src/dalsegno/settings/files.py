"""Reading the files that may hold settings: TOML and ``.env``. A file that is not there holds none."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from dalsegno.exceptions import SettingError

_LINE = re.compile(r"\s*(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=\s*(.*?)\s*$")
_QUOTED = re.compile(r"""(["'])(.*?)(?<!\\)\1\s*(?:#.*)?$""")


def read_bytes(path: Path) -> bytes | None:
    """Return what a file holds, or None where there is none. Raises SettingError if it cannot be read."""
    try:
        return path.read_bytes()
    except (FileNotFoundError, NotADirectoryError, IsADirectoryError):
        return None
    except OSError as error:
        raise SettingError(f"Settings cannot be read from {path}: {error.strerror}.") from error


def read_toml(path: Path, only_with: re.Pattern[bytes] | None = None) -> dict[str, Any] | None:
    """Return the content of a TOML file; None where it is missing or has nothing like `only_with`."""
    content = read_bytes(path)
    if content is None or (only_with is not None and not only_with.search(content)):
        return None
    import tomllib

    try:
        return tomllib.loads(content.decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SettingError(f"{path} is no valid TOML: {error}. Correct or remove it.") from error


def read_dotenv(path: Path, prefix: str) -> dict[str, str]:
    """Return the variables of an ``.env`` file whose names begin with `prefix`; nothing is expanded."""
    content = read_bytes(path)
    if content is None or prefix.encode() not in content:
        return {}
    found: dict[str, str] = {}
    for line in content.decode(errors="replace").splitlines():
        match = _LINE.match(line)
        if match and match[1].startswith(prefix):
            found[match[1]] = _unquoted(match[2])
    return found


def _unquoted(text: str) -> str:
    quoted = _QUOTED.match(text)
    if quoted:
        return quoted[2].replace(f"\\{quoted[1]}", quoted[1])
    return re.split(r"\s+#", text, maxsplit=1)[0]
