"""The steps that a file of deployments names: they bring code to a machine, and make it ready.

Example:
    >>> git_clone("https://github.com/acme/flows.git", branch="main")["directory"]
    '/home/me/.dalsegno/code/5f1c.../8d3a...'
"""

from __future__ import annotations

from dalsegno._code.steps import (
    git_clone,
    pip_install_requirements,
    pull_from_remote_storage,
    run_shell_script,
    set_working_directory,
)

__all__ = [
    "git_clone",
    "pip_install_requirements",
    "pull_from_remote_storage",
    "run_shell_script",
    "set_working_directory",
]
