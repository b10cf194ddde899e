"""`dalsegno --help`: the commands, how ids are written, and the exit codes."""

from __future__ import annotations

from dalsegno.cli import COMMANDS
from dalsegno.cli.exit_codes import EXPLAINED

TARGETS = "A run is named by its id, by the beginning of its id, by its name, or by `last` for the newest."
DEBUGGING = "--traceback, anywhere, shows where an error comes from."


def main() -> int:
    """Print the page and return 0."""
    width = max(map(len, COMMANDS))
    print("Usage: dalsegno COMMAND [ARGUMENTS]\n")
    print("Runs data pipelines written as plain Python functions, and picks them up where they broke.\n")
    print("Commands:")
    for word, (_, summary) in COMMANDS.items():
        print(f"  {word.ljust(width)}  {summary}")
    print("\n`dalsegno COMMAND --help` says more of each.")
    print(f"{TARGETS}\n{DEBUGGING}\n")
    print(exit_codes_page())
    return 0


def exit_codes_page() -> str:
    """Return the table of exit codes."""
    return "Exit codes:\n" + "\n".join(f"  {code.value:>3}  {text}" for code, text in EXPLAINED.items())
