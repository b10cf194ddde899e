"""What a flow can do to be asked for by name: `to_deployment`, `serve`, `deploy`, `from_source`."""

from __future__ import annotations

import asyncio
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from dalsegno._engine.options import NotSet, not_set

if TYPE_CHECKING:
    from dalsegno._code.storage import Storage
    from dalsegno.deployments.options import DeploymentOptions
    from dalsegno.deployments.runner_deployment import RunnerDeployment
    from dalsegno.flows import Flow


class Deployable:
    """The part of `Flow` that is about deployments."""

    name: str
    origin: tuple[Storage, str] | None = None
    """Where it was loaded from, and its entry point there; None: from a file of this machine, as any module."""

    def to_deployment(self, name: str, **options: Unpack[DeploymentOptions]) -> RunnerDeployment:
        """Describe a deployment of this flow, for `serve` and `deploy`.

        The options are those of `DeploymentOptions`: `cron`, `interval`, `rrule`, `schedule`, `schedules`, `paused`,
        `parameters`, `tags`, `concurrency_limit`, `priority`, `on_crash` and more.

        Raises:
            EntrypointError: The flow cannot be found from outside (in a notebook, inside another function).
            InvalidSchedule: A schedule cannot be; the message says what is wrong.
            ParameterTypeError: Parameters do not fit the flow.
            ConfigurationError: Something else cannot be.

        Example:
            >>> nightly.to_deployment("eu", cron="0 0 * * *", parameters={"region": "eu"}, tags=["orders"])
        """
        from dalsegno.deployments.runner_deployment import RunnerDeployment

        return RunnerDeployment.from_flow(_flow(self), name, **options)

    async def ato_deployment(self, name: str, **options: Unpack[DeploymentOptions]) -> RunnerDeployment:
        """Do what `to_deployment` does, beside the loop."""
        return await asyncio.to_thread(self.to_deployment, name, **options)

    def serve(
        self,
        name: str | None = None,
        *,
        pause_on_shutdown: bool = True,
        print_starting_message: bool = True,
        limit: int | NotSet | None = not_set,
        webserver: bool = False,
        **options: Unpack[DeploymentOptions],
    ) -> None:
        """Deploy the flow, and execute its runs here until the program is told to stop; see `dalsegno.serve`.

        Args:
            name: Of the deployment; None: that of the flow.
            options: Those of `to_deployment`.

        Example:
            >>> if __name__ == "__main__":
            ...     nightly.serve(cron="0 0 * * *")
        """
        from dalsegno.deployments.serving import serve

        serve(
            self.to_deployment(name or self.name, **options),
            pause_on_shutdown=pause_on_shutdown,
            print_starting_message=print_starting_message,
            limit=limit,
            webserver=webserver,
        )

    def deploy(
        self,
        name: str,
        work_pool_name: str | None = None,
        *,
        print_next_steps: bool = True,
        **options: Unpack[DeploymentOptions],
    ) -> Any:
        """Deploy the flow for the workers of a pool; return the deployment's id. In a coroutine it is to be awaited.

        Args:
            name: Of the deployment.
            work_pool_name: None: the only pool that there is.
            print_next_steps: Whether it says what it did and what comes next.
            options: Those of `to_deployment`.

        Raises:
            ObjectNotFound: There is no such pool.
            ConfigurationError: The workers would not find the code.

        Example:
            >>> nightly.deploy("eu", work_pool_name="machines", cron="0 0 * * *")
        """
        from dalsegno._engine.dispatch import in_async_context

        if in_async_context():
            return self.adeploy(name, work_pool_name, print_next_steps=print_next_steps, **options)
        return self._deploy(name, work_pool_name, print_next_steps, options)

    async def adeploy(
        self,
        name: str,
        work_pool_name: str | None = None,
        *,
        print_next_steps: bool = True,
        **options: Unpack[DeploymentOptions],
    ) -> uuid.UUID:
        """Do what `deploy` does."""
        return await asyncio.to_thread(self._deploy, name, work_pool_name, print_next_steps, options)

    @classmethod
    def from_source(cls, source: Any, entrypoint: str | Path) -> Flow[..., Any]:
        """Load a flow from elsewhere, and remember from where: a worker that runs its deployment fetches it there.

        Args:
            source: A `GitRepository`, a `RemoteStorage` or a `LocalStorage`, or the URL or path of one.
            entrypoint: ``"path/to/file.py:flow"``, relative to it.

        Raises:
            CodeUnavailable: It cannot be fetched; the message says why, without secrets.
            EntrypointError: There is no such flow in it.
            ScriptError: Its code raised an error.

        Example:
            >>> flow.from_source("https://github.com/acme/flows.git", "etl.py:nightly").deploy("eu", "machines")
        """
        from dalsegno._code.storage import storage_of
        from dalsegno.flows import load_flow_from_entrypoint

        storage = storage_of(source)
        folder = storage.pull()
        loaded = load_flow_from_entrypoint(str(folder / entrypoint))
        loaded.origin = (storage, str(entrypoint))
        return loaded

    @classmethod
    async def afrom_source(cls, source: Any, entrypoint: str | Path) -> Flow[..., Any]:
        """Do what `from_source` does, beside the loop."""
        return await asyncio.to_thread(cls.from_source, source, entrypoint)

    def _deploy(self, name: str, pool: str | None, told: bool, options: DeploymentOptions) -> uuid.UUID:
        from dalsegno.deployments.deploying import deploy_all

        return deploy_all((self.to_deployment(name, **options),), pool, told)[0]


def _flow(flow: Any) -> Flow[..., Any]:
    return flow
