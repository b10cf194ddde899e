"""The command line: `main` loads the one module that the first word names, and nothing else."""

from __future__ import annotations

import sys
from collections.abc import Sequence

# Word, module of this package, what `dalsegno --help` says of it.
COMMANDS: dict[str, tuple[str, str]] = {
    "run": ("run", "Run a flow of a file or module, here and now."),
    "flow-run": ("flow_run", "List, inspect, follow, retry, cancel and delete flow runs."),
    "task-run": ("task_run", "List and inspect task runs; supply a result by hand."),
    "task": ("task", "Execute task runs in the background."),
    "flow": ("flow", "List flows; serve one."),
    "artifact": ("artifact", "List and inspect artifacts."),
    "variable": ("variable", "Get, set and list variables."),
    "gcl": ("gcl", "Global concurrency limits."),
    "concurrency-limit": ("concurrency_limit", "Limits on tags of task runs."),
    "deployment": ("deployment", "List, run, pause, change and delete deployments; their schedules."),
    "work-pool": ("work_pool", "Make, list, pause, change and delete work pools."),
    "work-queue": ("work_queue", "Make, list, pause, change and delete queues of work pools."),
    "deploy": ("deploy", "Deploy flows for the workers of a pool."),
    "init": ("init", "Write a dalsegno.yaml to begin with."),
    "worker": ("worker", "Execute runs that were asked for."),
    "server": ("server", "Start and stop the server."),
    "user": ("user", "List, make and delete the users of a server."),
    "api-key": ("api_key", "Make, list and revoke the API keys of a server."),
    "config": ("config", "View and change settings."),
    "profile": ("profile", "Switch between sets of settings."),
    "migrate": ("migrate", "Rewrite the imports of Prefect in your files."),
    "version": ("version", "Show the version."),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; `arguments` are those after the program's name.

    Example:
        >>> main(["flow-run", "ls", "--limit", "5"])
    """
    words = list(sys.argv[1:] if arguments is None else arguments)
    word = words[0] if words else "--help"
    if word in ("version", "--version"):
        from dalsegno.cli import version

        return version.main(words[1:])
    if word in ("--help", "-h", "help"):
        from dalsegno.cli import help

        return help.main()
    from dalsegno.cli import calling

    return calling.call(word, words[1:])
