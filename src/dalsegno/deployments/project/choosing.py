"""Which deployments of a file are meant."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase

from dalsegno.deployments.project.shape import Entry, Project
from dalsegno.exceptions import ProjectFileError


def chosen(project: Project, names: Sequence[str], all: bool) -> list[Entry]:
    """Return the deployments of a file that are named, by name, ``flow/name``, or a pattern of either.

    Without names the only one there is. Raises ProjectFileError, which lists what there is.
    """
    entries = project.entries
    if all:
        if not entries:
            raise ProjectFileError(f"There are no deployments in {project.document.name}.")
        return entries
    if not names:
        if len(entries) == 1:
            return entries
        raise ProjectFileError(f"Which deployment is meant? Give --name or --all. {_listed(project)}")
    found: list[Entry] = []
    for name in names:
        fitting = [each for each in entries if fnmatchcase(each.name, name) or fnmatchcase(each.title, name)]
        if not fitting:
            raise ProjectFileError(f"No deployment is called {name!r}. {_listed(project)}")
        found += [each for each in fitting if each not in found]
    return found


def _listed(project: Project) -> str:
    known = ", ".join(each.title for each in project.entries) or "none"
    return f"In {project.document.name} there are: {known}."
