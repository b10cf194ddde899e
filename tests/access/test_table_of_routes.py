"""Every route stands in the table, and is refused to whoever has no login or too low a role."""

from __future__ import annotations

import uuid

import pytest
from litestar.routes import HTTPRoute
from tests.access.conftest import Opener, Site

from dalsegno._backend.embedded import StoreBackend
from dalsegno._backend.operations import MEDIA_TYPE, PATH, operations
from dalsegno.model.roles import Role
from dalsegno.server.application import create_app
from dalsegno.server.page import ADDRESSES
from dalsegno.server.routes import ROUTES, Route
from dalsegno.settings import get_current_settings

ENGINE = PATH + "{operation:str}"


def filled(path: str) -> str:
    """Return a path with something in place of its parameters."""
    text = path.replace("{operation:str}", "deliver")
    while "{" in text:
        before, _, rest = text.partition("{")
        inside, _, after = rest.partition("}")
        text = before + (str(uuid.uuid4()) if inside.endswith(":uuid") else "1") + after
    return text


@pytest.fixture
def closed(open_site: Opener) -> Site:
    """Give a server where everybody has to log in."""
    site = open_site(require_login="always")
    site.add("admin")
    return site


def test_the_table_has_each_route_of_the_application_and_no_other() -> None:
    backend = StoreBackend.in_memory()
    app = create_app(backend, get_current_settings())
    declared = {
        (method, route.path)
        for route in app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods
        if method != "OPTIONS"
    }
    backend.close()
    assert declared == {(route.method, route.path) for route in ROUTES}
    assert all(isinstance(route, HTTPRoute) for route in app.routes)


def ask(site: Site, route: Route, client_headers: dict[str, str]) -> int:
    client = site.client(**client_headers)
    kind = MEDIA_TYPE if route.path == ENGINE else "application/json"
    content = b"" if route.method in ("GET", "DELETE") else b"\x90" if route.path == ENGINE else b"{}"
    headers = {"content-type": kind} if content else {}
    return client.request(route.method, site.origin + filled(route.path), content=content, headers=headers).status_code


def test_without_login_every_route_but_the_open_ones_is_refused(closed: Site) -> None:
    answers = {f"{route.method} {route.path}": ask(closed, route, {}) for route in ROUTES if route.role is not None}
    assert set(answers.values()) == {401}, answers


def test_the_open_routes_are_these() -> None:
    assert {(route.method, route.path) for route in ROUTES if route.role is None} == {
        *(("GET", address) for address in ADDRESSES),
        ("GET", "/assets/{name:str}"),
        ("GET", "/api/health"),
        ("GET", "/api/ready"),
        ("GET", "/api/version"),
        ("POST", "/api/login"),
    }


@pytest.mark.parametrize("wrong", ["Bearer dsn_wrong", "Basic YWRtaW46eA==", "Bearer", "dsn_wrong", ""])
def test_a_key_that_is_none_is_refused_even_where_no_login_is_needed(site: Site, wrong: str) -> None:
    answer = site.client(authorization=wrong).get("me")
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.EDITOR])
def test_below_its_role_every_route_is_refused(closed: Site, role: Role) -> None:
    client = closed.with_key(closed.add(role.text, role))
    headers = {"authorization": client.headers["authorization"]}
    above = [route for route in ROUTES if route.role is not None and route.role > role]
    answers = {f"{route.method} {route.path}": ask(closed, route, headers) for route in above}
    assert set(answers.values()) <= {403}, answers
    for operation in operations().values():
        answer = client.post(f"engine/{operation.name}", content=b"\x90", headers={"content-type": MEDIA_TYPE})
        assert (answer.status_code == 403) == (operation.role > role), operation.name


def test_with_its_role_a_route_is_let_in(closed: Site) -> None:
    for role in Role:
        client = closed.with_key(closed.add(f"a-{role.text}", role))
        headers = {"authorization": client.headers["authorization"]}
        for route in ROUTES:
            # A stream has no end.
            if route.role is not None and route.role <= role and route.path not in ("/api/logout", "/api/live", ENGINE):
                assert ask(closed, route, headers) not in (401, 500), route
