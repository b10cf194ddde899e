"""Puts the server together: routes, errors, limits and the store behind them. `create_app` opens nothing itself."""

from __future__ import annotations

import logging

import anyio
import anyio.to_thread
from litestar import Litestar, Router
from litestar.datastructures import State

from dalsegno._backend.embedded import StoreBackend
from dalsegno._spans import open_tracer
from dalsegno.server import page, problems, reference
from dalsegno.server.access.accounts import Accounts
from dalsegno.server.access.auditing import Auditing
from dalsegno.server.access.guard import guard
from dalsegno.server.access.identity import Authenticator
from dalsegno.server.access.passwords import Passwords
from dalsegno.server.access.protection import Protection
from dalsegno.server.api import (
    api_keys,
    artifacts,
    audit_log,
    concurrency_limits,
    deployment_runs,
    deployments,
    engine,
    flow_run_bulk,
    flow_run_commands,
    flow_runs,
    flows,
    health,
    live,
    login,
    logs,
    metrics,
    results,
    schedules,
    services,
    task_runs,
    users,
    variables,
    work_pools,
    work_queues,
)
from dalsegno.server.hub import Hub
from dalsegno.server.metrics import Metrics
from dalsegno.server.services import Services, services_of
from dalsegno.server.tracing import traced
from dalsegno.server.wishes import Wishes
from dalsegno.settings import Settings

_LARGEST_JSON = 1_048_576
"""Bytes of a request's body, but of those that flows record themselves with."""
_STORE_CALLS = {"sqlite": 32, "postgresql": 7}
"""Threads that wait for the database at one time. On PostgreSQL fewer than there are connections, so that one is left
for what is urgent."""
_URGENT_CALLS = 8
"""The same for leases and health, which come to their turn however many others wait."""
_HASHING_CALLS = 2
"""The same for hashing passwords, each of which takes 64 MiB."""


def create_app(backend: StoreBackend, settings: Settings, passwords: Passwords | None = None) -> Litestar:
    """Return the application that serves a store; whoever made the backend closes it."""
    # Who is answered forgets what was sent, and lives on when this machine or the database's does not.
    backend.database.always_durable = True
    auditing = Auditing(backend.database)
    counted = Metrics()
    hub, wishes = Hub(), Wishes(backend.database)
    hub.at_stop.append(wishes.stop)
    backend.on_delivered = counted.note_batch
    app = Litestar(
        route_handlers=[
            *health.routes,
            *metrics.routes,
            *engine.routes,
            *results.routes,
            *live.routes,
            *page.routes,
            _resources(),
        ],
        guards=[guard],
        exception_handlers={Exception: problems.answer},
        state=State(
            {
                "backend": backend,
                "database": backend.database,
                "settings": settings,
                "services": Services(services_of(backend, settings) if settings.server.services else []),
                "max_body_size": settings.server.max_body_size,
                "hub": hub,
                "wishes": wishes,
                "metrics": counted,
                "log": logging.getLogger("dalsegno.server"),
                "accounts": Accounts(backend.database, passwords or Passwords()),
                "auditing": auditing,
                "page_files": page.PageFiles(page.FOLDER),
                "authenticator": Authenticator(backend.database, settings.server),
            }
        ),
        on_startup=[_start],
        on_shutdown=[_stop],
        request_max_body_size=settings.server.max_body_size,
        openapi_config=reference.openapi_config(),
        logging_config=None,
    )
    # Around everything: Litestar's own middleware does not see requests that no route fits.
    app.asgi_handler = traced(Protection(app.asgi_handler, settings.server, auditing), counted.note_request)
    tracer = open_tracer(settings)
    if tracer is not None:
        from dalsegno.server.spans import with_spans

        app.asgi_handler = with_spans(app.asgi_handler, tracer)
    return app


def _resources() -> Router:
    """Return the API of people, the page and clients, whose bodies are small."""
    modules = (
        flow_runs,
        flow_run_commands,
        flow_run_bulk,
        task_runs,
        flows,
        logs,
        artifacts,
        variables,
        login,
        users,
        api_keys,
        audit_log,
        concurrency_limits,
        deployments,
        schedules,
        deployment_runs,
        work_pools,
        work_queues,
        services,
    )
    return Router(
        path="/",
        route_handlers=[handler for module in modules for handler in module.routes],
        request_max_body_size=_LARGEST_JSON,
    )


async def _start(app: Litestar) -> None:
    # It belongs to the loop, so it is made in it.
    app.state.store_calls = anyio.CapacityLimiter(_STORE_CALLS[app.state.database.dialect])
    app.state.urgent_calls = anyio.CapacityLimiter(_URGENT_CALLS)
    app.state.hashing_calls = anyio.CapacityLimiter(_HASHING_CALLS)
    app.state.hub.start(app.state.database)
    app.state.services.start()
    await anyio.to_thread.run_sync(results.remove_abandoned)


async def _stop(app: Litestar) -> None:
    await anyio.to_thread.run_sync(app.state.services.stop)
    app.state.hub.stop()
