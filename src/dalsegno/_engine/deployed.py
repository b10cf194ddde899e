"""The deployment whose run this process executes: what whoever claimed the run was told of it."""

from __future__ import annotations

from dalsegno.model.deployments import ClaimedDeployment

# A process executes one run that was claimed by a worker, and nothing before or after it.
_deployment: ClaimedDeployment | None = None


def set_deployment(deployment: ClaimedDeployment | None) -> None:
    """Say of which deployment the run of this process is."""
    global _deployment
    _deployment = deployment


def current_deployment() -> ClaimedDeployment | None:
    """Return the deployment of the run that is executed here; None: it was called, or was asked for without one."""
    return _deployment
