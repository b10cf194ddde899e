"""The table of routes is the whole truth about the routes of the application."""

from __future__ import annotations

from litestar.routes import HTTPRoute

from dalsegno._backend.embedded import StoreBackend
from dalsegno.server.application import create_app
from dalsegno.server.routes import ROUTES
from dalsegno.settings import get_current_settings


def declared(backend: StoreBackend) -> set[tuple[str, str]]:
    app = create_app(backend, get_current_settings())
    return {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }


def test_each_route_stands_in_the_table_once_and_nothing_else_does(backend: StoreBackend) -> None:
    listed = [(route.method, route.path) for route in ROUTES]
    assert len(listed) == len(set(listed))
    assert set(listed) == declared(backend)


def test_routes_that_change_something_need_more_than_a_viewer() -> None:
    asks = ("/filter", "/count", "{operation:str}")
    for route in ROUTES:
        if route.method not in ("GET", "HEAD") and not route.path.endswith(asks):
            assert route.role is not None
            assert route.role.text != "viewer", route
