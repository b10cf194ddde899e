"""`dalsegno migrate`: rewrites files that were written for Prefect, and says what there is to do by hand."""

from __future__ import annotations

import difflib
import io
import os
import sys
import tempfile
import tokenize
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

import msgspec
from cyclopts import Parameter

from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError
from dalsegno.cli.options import group
from dalsegno.cli.rewriting import CannotRewrite, Change, Rewritten, rewrite

SKIPPED_FOLDERS = {"__pycache__", "node_modules", "site-packages"}

app = group("migrate", "Rewrite the imports of Prefect in your files.")


class File(msgspec.Struct, frozen=True):
    """A file that was read, and what it becomes."""

    path: Path
    encoding: str
    before: str
    after: Rewritten

    @property
    def changes(self) -> bool:
        return self.before != self.after.text


@app.default
def migrate(
    *paths: Annotated[Path, Parameter(name="PATH", help="A file, or a folder with all its *.py files.")],
    check: Annotated[bool, Parameter(help="Write nothing; exit with 1 if a file would change.")] = False,
    diff: Annotated[bool, Parameter(help="Write nothing; print what would change.")] = False,
) -> int:
    """Rewrite imports of Prefect, and what is used by them, so that files use Dalsegno.

    All else in a file stays as it is. Names that this version has no counterpart of are listed, and so are
    texts that name Prefect, which are never changed. In folders, hidden ones, virtual environments,
    node_modules and the like are left out.
    """
    if not paths:
        raise CommandError("Which files? Give a file or folder: `dalsegno migrate PATH`.")
    files: list[File] = []
    failed = 0
    for each in python_files(paths):
        try:
            file = read(each)
            if file.changes and not (check or diff):
                write(file)
        except (OSError, CannotRewrite) as error:
            failed += 1
            print(f"Not rewritten: {each}: {reason(error)}", file=sys.stderr)
        else:
            files.append(file)
    for file in files:
        show(file, is_dry=check or diff, diff=diff)
    print(summary(files, failed, is_dry=check or diff), file=sys.stderr if diff else sys.stdout)
    return ExitCode.FAILED if failed or (check and any(file.changes for file in files)) else ExitCode.OK


def python_files(paths: Sequence[Path]) -> Iterator[Path]:
    """Yield the files that the paths name and those in the folders that they name, each once.

    Raises CommandError if one is not there, before the first file is yielded.
    """
    for path in paths:
        if not path.exists():
            raise CommandError(f"There is no file or folder {str(path)!r}.", ExitCode.NOT_FOUND)
    seen: set[Path] = set()
    for path in paths:
        for file in files_in(path) if path.is_dir() else [path]:
            if (real := file.resolve()) not in seen:
                seen.add(real)
                yield file


def files_in(folder: Path) -> Iterator[Path]:
    """Yield the Python files in a folder, by name, without those that belong to others."""
    for root, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not is_skipped(Path(root, name)))
        yield from (Path(root, name) for name in sorted(names) if name.endswith(".py"))


def is_skipped(folder: Path) -> bool:
    return folder.name.startswith(".") or folder.name in SKIPPED_FOLDERS or (folder / "pyvenv.cfg").exists()


def read(path: Path) -> File:
    """Read a file and rewrite its text. Raises OSError and CannotRewrite."""
    content = path.read_bytes()
    if b"prefect" not in content.lower():
        return File(path, "utf-8", "", Rewritten(""))
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(content).readline)
        text = content.decode(encoding)
    except (SyntaxError, UnicodeDecodeError) as error:
        raise CannotRewrite(f"its text cannot be read: {error}") from error
    return File(path, encoding, text, rewrite(text))


def write(file: File) -> None:
    """Replace a file by its new text at once, so that no moment leaves half a file. Raises OSError."""
    target = file.path.resolve()
    if not os.access(target, os.W_OK):
        raise PermissionError("the file may not be written")
    handle, name = tempfile.mkstemp(prefix=f".{target.name}.", dir=target.parent)
    try:
        with open(handle, "wb") as new:
            new.write(file.after.text.encode(file.encoding))
        os.chmod(name, target.stat().st_mode & 0o7777)
        os.replace(name, target)
    except BaseException:
        os.unlink(name)
        raise


def reason(error: Exception) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else str(error)


def show(file: File, *, is_dry: bool, diff: bool) -> None:
    """Print what changed in a file, and what is left to be done by hand."""
    if file.changes and diff:
        print(unified(file), end="")
    where = sys.stderr if diff else sys.stdout
    if file.changes and not diff:
        print(f"{file.path}: {'would be rewritten' if is_dry else 'rewritten'}")
        for line in grouped(file.after.changes):
            print(f"  {line}")
    for missing in file.after.missing:
        print(f"{file.path}:{missing.line}: {missing.name} has no counterpart in this version", file=where)
    for left in file.after.left:
        print(f"{file.path}:{left.line}: {left.text} is left as it is: {left.reason}", file=where)


def unified(file: File) -> str:
    """Return the differences as a patch."""
    before, after = (list(io.StringIO(text, newline="")) for text in (file.before, file.after.text))
    lines = difflib.unified_diff(before, after, str(file.path), str(file.path))
    return "".join(line if line.endswith(("\n", "\r")) else f"{line}\n\\ No newline at end of file\n" for line in lines)


def grouped(changes: Iterable[Change]) -> list[str]:
    """Return one line for each kind of change, with the lines of the file where it was made."""
    lines: dict[tuple[str, str], dict[int, None]] = {}
    for change in changes:
        lines.setdefault((change.old, change.new), {})[change.line] = None
    return [f"{old} -> {new} (line {', '.join(map(str, found))})" for (old, new), found in lines.items()]


def summary(files: Sequence[File], failed: int, *, is_dry: bool) -> str:
    """Return the last line: how many files, and how much is left."""
    changed = sum(file.changes for file in files)
    missing = sum(len(file.after.missing) for file in files)
    left = sum(len(file.after.left) for file in files)
    verb = "would be rewritten" if is_dry else "rewritten"
    parts = [f"{changed} of {counted(len(files) + failed, 'file')} {verb}"]
    parts += [f"{counted(missing, 'place')} without a counterpart"] if missing else []
    parts += [f"{counted(left, 'place')} to look at"] if left else []
    parts += [f"{counted(failed, 'file')} could not be rewritten"] if failed else []
    return "; ".join(parts) + "."


def counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
