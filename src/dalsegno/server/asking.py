"""How handlers ask the store: in a thread, a bounded number at one time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar

import anyio.to_thread
from litestar import Request

from dalsegno._store.connection import Connection, Database

P = ParamSpec("P")
T = TypeVar("T")


async def ask(request: Request[Any, Any, Any], function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs) -> T:
    """Call a function that waits for the database, in a thread."""
    limiter = request.app.state.store_calls
    return await anyio.to_thread.run_sync(lambda: function(*arguments, **keywords), limiter=limiter)


async def ask_at_once(
    request: Request[Any, Any, Any], function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs
) -> T:
    """Call a function that asks the database something short, past all that wait in `ask`: leases, health."""
    limiter = request.app.state.urgent_calls
    return await anyio.to_thread.run_sync(lambda: function(*arguments, **keywords), limiter=limiter)


async def read(
    request: Request[Any, Any, Any],
    function: Callable[Concatenate[Connection, P], T],
    *arguments: P.args,
    **keywords: P.kwargs,
) -> T:
    """Call a function that reads the database, in a thread, in a transaction of its own."""
    database: Database = request.app.state.database

    def work(connection: Connection) -> T:
        return function(connection, *arguments, **keywords)

    return await ask(request, database.read, work)


async def write(
    request: Request[Any, Any, Any],
    function: Callable[Concatenate[Connection, P], T],
    *arguments: P.args,
    **keywords: P.kwargs,
) -> T:
    """Call a function that writes the database, in a thread, in a transaction of its own."""
    database: Database = request.app.state.database

    def work(connection: Connection) -> T:
        return function(connection, *arguments, **keywords)

    return await ask(request, database.write, work)


async def ask_to_hash(
    request: Request[Any, Any, Any], function: Callable[P, T], *arguments: P.args, **keywords: P.kwargs
) -> T:
    """Call a function that hashes a password, which takes 64 MiB: very few at one time."""
    limiter = request.app.state.hashing_calls
    return await anyio.to_thread.run_sync(lambda: function(*arguments, **keywords), limiter=limiter)
