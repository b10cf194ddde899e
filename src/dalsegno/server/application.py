"""Puts the server together: routes, errors, limits and the store behind them. `create_app` opens nothing itself."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import anyio
from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig
from litestar.openapi.plugins import ScalarRenderPlugin

import dalsegno
from dalsegno._backend.embedded import StoreBackend
from dalsegno.server import page, problems
from dalsegno.server.access import housekeeping
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.auditing import Auditing
from dalsegno.server.access.guard import guard
from dalsegno.server.access.identity import Authenticator
from dalsegno.server.access.passwords import Passwords
from dalsegno.server.access.protection import Protection
from dalsegno.server.api import api_keys, audit_log, engine, health, login, users
from dalsegno.settings import Settings

_STORE_CALLS = 32
"""Threads that wait for the database at one time."""


_ACCESS = [*login.routes, *users.routes, *api_keys.routes, *audit_log.routes]
_HASHING_CALLS = 2


def create_app(backend: StoreBackend, settings: Settings, passwords: Passwords | None = None) -> Litestar:
    """Return the application that serves a store; whoever made the backend closes it."""
    auditing = Auditing(backend.database)
    app = Litestar(
        route_handlers=[*health.routes, *engine.routes, *page.routes, *_ACCESS],
        guards=[guard],
        exception_handlers={Exception: problems.answer},
        state=State(
            {
                "backend": backend,
                "database": backend.database,
                "settings": settings,
                "max_body_size": settings.server.max_body_size,
                "log": logging.getLogger("dalsegno.server"),
                "accounts": Accounts(backend.database, passwords or Passwords()),
                "auditing": auditing,
                "authenticator": Authenticator(backend.database, settings.server),
            }
        ),
        on_startup=[_make_limiter],
        lifespan=[_keep_house],
        request_max_body_size=settings.server.max_body_size,
        openapi_config=OpenAPIConfig(
            title="Dalsegno", version=dalsegno.__version__, path="/api/docs", render_plugins=[ScalarRenderPlugin()]
        ),
        logging_config=None,
    )
    # In front of everything, also of what leads nowhere.
    app.asgi_handler = Protection(app.asgi_handler, settings.server, auditing)
    return app


async def _make_limiter(app: Litestar) -> None:
    # It belongs to the loop, so it is made in it.
    app.state.store_calls = anyio.CapacityLimiter(_STORE_CALLS)
    app.state.hashing_calls = anyio.CapacityLimiter(_HASHING_CALLS)


@asynccontextmanager
async def _keep_house(app: Litestar) -> AsyncGenerator[None]:
    task = asyncio.create_task(housekeeping.keep_house(app.state.database, app.state.settings))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
