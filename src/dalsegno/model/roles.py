"""Who may do what: four roles, each of which may do all that the ones before it may."""

from __future__ import annotations

import enum


class Role(enum.IntEnum):
    """What a user or an API key may do. A higher role may do all that a lower one may."""

    VIEWER = 1
    """Look at everything but secrets, users and keys."""
    OPERATOR = 2
    """Run, retry, cancel and delete runs; what flows and workers need to record themselves."""
    EDITOR = 3
    """Change what outlives a run: variables, limits, deployments, automations."""
    ADMIN = 4
    """Users, keys, settings and the database."""

    @property
    def text(self) -> str:
        """Its name as people write it: ``"operator"``."""
        return self.name.lower()


def read_role(text: str) -> Role:
    """Return the role of a name. Raises ValueError, which lists the names, if there is none."""
    try:
        return Role[text.upper()]
    except KeyError:
        names = ", ".join(role.text for role in Role)
        raise ValueError(f"{text!r} is no role: choose one of {names}.") from None
