"""The client of a server's REST API, for programs: `get_client`.

A client of either kind has the same operations; those of `Client` are awaited. What they give back are the structs of
`dalsegno.model.resources`, and what goes wrong are the errors of `dalsegno.exceptions`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal, overload

from dalsegno.client.asynchronous import Client
from dalsegno.client.synchronous import SyncClient

__all__ = ["Client", "SyncClient", "get_client"]


@overload
def get_client(httpx_settings: Mapping[str, Any] | None = None, sync_client: Literal[False] = False) -> Client: ...
@overload
def get_client(httpx_settings: Mapping[str, Any] | None = None, *, sync_client: Literal[True]) -> SyncClient: ...
@overload
def get_client(httpx_settings: Mapping[str, Any] | None, sync_client: Literal[True]) -> SyncClient: ...
@overload
def get_client(httpx_settings: Mapping[str, Any] | None = None, sync_client: bool = False) -> Client | SyncClient: ...


def get_client(httpx_settings: Mapping[str, Any] | None = None, sync_client: bool = False) -> Client | SyncClient:
    """Return a client of the server that the settings in force name.

    Args:
        httpx_settings: Further arguments for `httpx.AsyncClient` or `httpx.Client`, in place of ours where both are.
        sync_client: Whether its operations are called rather than awaited.

    Raises:
        ConfigurationError: The settings name no server.

    Example:
        >>> with get_client(sync_client=True) as client:
        ...     for run in client.iterate_flow_runs(FlowRunFilter(state_types=["FAILED"])):
        ...         print(run.name, run.state.message)
    """
    return SyncClient(httpx_settings) if sync_client else Client(httpx_settings)
