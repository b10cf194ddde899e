"""Puts the server together: routes, errors, limits and the store behind them. `create_app` opens nothing itself."""

from __future__ import annotations

import logging

import anyio
import anyio.to_thread
from litestar import Litestar
from litestar.datastructures import State
from litestar.openapi import OpenAPIConfig

import dalsegno
from dalsegno._backend.embedded import StoreBackend
from dalsegno.server import page, problems
from dalsegno.server.api import concurrency_limits, engine, health, live, results, services
from dalsegno.server.hub import Hub
from dalsegno.server.services import Services, services_of
from dalsegno.settings import Settings

_STORE_CALLS = 32
"""Threads that wait for the database at one time."""


def create_app(backend: StoreBackend, settings: Settings) -> Litestar:
    """Return the application that serves a store; whoever made the backend closes it."""
    return Litestar(
        route_handlers=[
            *health.routes,
            *services.routes,
            *concurrency_limits.routes,
            *engine.routes,
            *results.routes,
            *live.routes,
            *page.routes,
        ],
        exception_handlers={Exception: problems.answer},
        state=State(
            {
                "backend": backend,
                "database": backend.database,
                "settings": settings,
                "services": Services(services_of(backend, settings) if settings.server.services else []),
                "max_body_size": settings.server.max_body_size,
                "hub": Hub(),
                "log": logging.getLogger("dalsegno.server"),
            }
        ),
        on_startup=[_start],
        on_shutdown=[_stop],
        request_max_body_size=settings.server.max_body_size,
        openapi_config=OpenAPIConfig(title="Dalsegno", version=dalsegno.__version__, path="/api/docs"),
        logging_config=None,
    )


async def _start(app: Litestar) -> None:
    # It belongs to the loop, so it is made in it.
    app.state.store_calls = anyio.CapacityLimiter(_STORE_CALLS)
    app.state.hub.start(app.state.database)
    app.state.services.start()


async def _stop(app: Litestar) -> None:
    await anyio.to_thread.run_sync(app.state.services.stop)
    app.state.hub.stop()
