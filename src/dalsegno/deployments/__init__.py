"""Deployments: flows that can be asked for by name, on a schedule or at once, here or on other machines.

`flow.serve` and `serve` execute runs in processes of this machine until they are told to stop; `flow.deploy` and
`deploy` leave them to the workers of a pool; `run_deployment` asks for a run. The loop that executes is that of
`dalsegno.workers`.

Example:
    >>> nightly.serve(cron="0 0 * * *")
    >>> nightly.deploy("eu", work_pool_name="machines", cron="0 0 * * *")
    >>> run_deployment("nightly/eu", parameters={"day": "2026-01-31"})
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dalsegno._code.storage import GitRepository, LocalStorage, RemoteStorage
    from dalsegno.deployments.asking import arun_deployment, run_deployment
    from dalsegno.deployments.deploying import adeploy, deploy
    from dalsegno.deployments.entrypoints import EntrypointType
    from dalsegno.deployments.limits import ConcurrencyLimitConfig, ConcurrencyLimitStrategy
    from dalsegno.deployments.options import DeploymentOptions
    from dalsegno.deployments.runner import Runner
    from dalsegno.deployments.runner_deployment import RunnerDeployment
    from dalsegno.deployments.serving import aserve, serve

_HOMES = {
    "ConcurrencyLimitConfig": "deployments.limits",
    "ConcurrencyLimitStrategy": "deployments.limits",
    "DeploymentOptions": "deployments.options",
    "EntrypointType": "deployments.entrypoints",
    "GitRepository": "_code.storage",
    "LocalStorage": "_code.storage",
    "RemoteStorage": "_code.storage",
    "Runner": "deployments.runner",
    "RunnerDeployment": "deployments.runner_deployment",
    "adeploy": "deployments.deploying",
    "arun_deployment": "deployments.asking",
    "aserve": "deployments.serving",
    "deploy": "deployments.deploying",
    "run_deployment": "deployments.asking",
    "serve": "deployments.serving",
}

__all__ = [
    "ConcurrencyLimitConfig",
    "ConcurrencyLimitStrategy",
    "DeploymentOptions",
    "EntrypointType",
    "GitRepository",
    "LocalStorage",
    "RemoteStorage",
    "Runner",
    "RunnerDeployment",
    "adeploy",
    "arun_deployment",
    "aserve",
    "deploy",
    "run_deployment",
    "serve",
]


# Loaded on first use: whoever asks for a run needs no worker, and whoever deploys needs neither.
def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"dalsegno.{home}"), name)
