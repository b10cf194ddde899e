"""Calls one command: finds its module, binds the arguments, turns what goes wrong into an exit code."""

from __future__ import annotations

import importlib
import io
import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

from dalsegno.cli import COMMANDS
from dalsegno.cli.exit_codes import ExitCode
from dalsegno.cli.failures import CommandError, is_expected, one_line, report

if TYPE_CHECKING:
    from cyclopts import App


_NEED_NO_WORDS = ("deploy", "init")
"""Commands that do something when nothing follows them; the others explain themselves."""


def call(word: str, arguments: Sequence[str]) -> int:
    """Run the command that `word` names with the arguments after it, and return the exit code."""
    words, with_traceback = take_traceback_flag(arguments)
    allow_any_text()
    try:
        code = invoke(load(word), words)
        sys.stdout.flush()
        return code
    except BrokenPipeError:
        return leave_broken_pipe()
    except KeyboardInterrupt:
        print("Interrupted.", file=sys.stderr)
        return ExitCode.INTERRUPTED
    except Exception as error:
        return report(error, with_traceback=with_traceback or not is_expected(error))


def allow_any_text() -> None:
    """Let what standard output and error cannot encode be written with escapes, rather than be an error."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")


def take_traceback_flag(arguments: Sequence[str]) -> tuple[list[str], bool]:
    """Return the arguments without ``--traceback``, and whether it stood before any ``--``."""
    end = arguments.index("--") if "--" in arguments else len(arguments)
    head = [word for word in arguments[:end] if word != "--traceback"]
    return [*head, *arguments[end:]], len(head) < end


def load(word: str) -> App:
    """Import the module of a command and return its application."""
    if word not in COMMANDS:
        raise CommandError(f"There is no command {word!r}; {suggestion(word)}")
    return importlib.import_module(f"dalsegno.cli.{COMMANDS[word][0]}").app


def suggestion(word: str) -> str:
    import difflib

    close = difflib.get_close_matches(word, COMMANDS, n=1)
    return f"did you mean `dalsegno {close[0]}`?" if close else "`dalsegno --help` lists them."


def invoke(app: App, words: Sequence[str]) -> int:
    """Bind the words to a command of the application and run it; raises CommandError if they do not fit."""
    from cyclopts import App, CycloptsError

    whole = App(name="dalsegno", version_flags=[])
    whole.command(app)
    arguments = [*app.name, *(words or ([] if app.name[0] in _NEED_NO_WORDS else ["--help"]))]
    try:
        code = whole(arguments, exit_on_error=False, print_error=False, result_action="return_value")
    except CycloptsError as error:
        raise CommandError(f"{sentence(one_line(error))} See `{usage(app, words)} --help`.") from None
    return int(code or ExitCode.OK)


def sentence(text: str) -> str:
    return text if text.endswith((".", "?", "!")) else f"{text}."


def usage(app: App, words: Sequence[str]) -> str:
    """Return the words of the command that was meant, as far as it exists."""
    known = [words[0]] if words and words[0] in app else []
    return " ".join(["dalsegno", *app.name, *known])


def leave_broken_pipe() -> int:
    """End quietly when the reader of our output (``head``, a pager) has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return ExitCode.OK
