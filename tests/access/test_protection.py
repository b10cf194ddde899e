"""What foreign pages send is refused; what programs and the server's own page send is let in."""

from __future__ import annotations

import pytest
from tests.access.conftest import Opener, Site

from dalsegno.exceptions import ConfigurationError

EVIL = "http://evil.example"


@pytest.fixture
def forms() -> dict[str, str]:
    return {"content-type": "application/x-www-form-urlencoded"}


def test_a_program_is_let_in(site: Site) -> None:
    assert site.client().get("me").json() == {"name": "local", "role": "admin", "via": "local"}


def test_another_host_is_refused_and_told_what_to_do(site: Site) -> None:
    for path in ("me", "health", "nothing", "../"):
        answer = site.client(host=f"evil.example:{site.port}").get(path)
        assert answer.status_code == 403
        assert "DALSEGNO_SERVER_ALLOWED_HOSTS" in answer.json()["detail"]
        assert answer.headers["content-type"] == "application/problem+json"


@pytest.mark.parametrize("origin", [EVIL, "null", "http://localhost:1", "https://127.0.0.1", "http://localhost.evil"])
@pytest.mark.parametrize("method", ["GET", "POST", "DELETE", "OPTIONS"])
def test_another_origin_is_refused(site: Site, method: str, origin: str) -> None:
    answer = site.client().request(method, "me", headers={"origin": origin})
    assert answer.status_code == 403
    assert "access-control-allow-origin" not in answer.headers


def test_the_own_origin_is_let_in(site: Site) -> None:
    headers = {"origin": site.origin, "sec-fetch-site": "same-origin"}
    assert site.client().get("me", headers=headers).status_code == 200
    assert site.client().post("api-keys", json={"name": "a"}, headers=headers).status_code == 201


@pytest.mark.parametrize("site_of", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("method", "mode", "destination", "status"),
    [
        ("GET", "navigate", "document", 200),
        ("GET", "navigate", "iframe", 403),
        ("GET", "no-cors", "image", 403),
        ("GET", "no-cors", "script", 403),
        ("GET", "cors", "empty", 403),
        ("POST", "navigate", "document", 403),
    ],
)
def test_parts_of_foreign_pages_are_refused_links_are_not(
    site: Site, site_of: str, method: str, mode: str, destination: str, status: int
) -> None:
    headers = {"sec-fetch-site": site_of, "sec-fetch-mode": mode, "sec-fetch-dest": destination}
    assert site.client().request(method, "me", headers=headers).status_code == status


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_bodies_of_other_types_are_refused(site: Site, kind: str) -> None:
    answer = site.client().post("api-keys", content=b'{"name": "a"}', headers={"content-type": kind})
    assert answer.status_code == 415


def test_every_answer_keeps_itself_to_itself(site: Site) -> None:
    client = site.client()
    for path, cache in (("me", "no-store"), ("nothing", "no-store"), ("../", "no-cache")):
        headers = client.get(path).headers
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert headers["cache-control"] == cache
        policy = headers["content-security-policy"]
        assert "frame-ancestors 'none'" in policy
        assert "default-src 'none'" in policy
        assert "unsafe" not in policy
        assert "access-control-allow-origin" not in headers


def test_a_configured_origin_may_use_the_api_with_a_key_only(open_site: Opener) -> None:
    site = open_site(cors_origins=["https://app.example.org"])
    client = site.client(origin="https://app.example.org")
    preflight = client.options("me", headers={"access-control-request-method": "GET"})
    assert preflight.status_code == 204
    assert preflight.headers["access-control-allow-origin"] == "https://app.example.org"
    assert "authorization" in preflight.headers["access-control-allow-headers"]
    # Not even on loopback without users is a foreign page somebody.
    refused = client.get("me")
    assert refused.status_code == 401
    assert "access-control-allow-credentials" not in refused.headers
    user = site.add("ada")
    with_key = site.with_key(user)
    answer = with_key.get("me", headers={"origin": "https://app.example.org"})
    assert answer.json()["name"] == "ada"
    assert answer.headers["access-control-allow-origin"] == "https://app.example.org"
    assert answer.headers["vary"] == "origin"
    assert site.browser("ada").get("me", headers={"origin": "https://app.example.org"}).status_code == 401
    assert client.get("me", headers={"origin": EVIL}).status_code == 403


@pytest.mark.parametrize("origin", ["*", "app.example.org", "https://a.example/path", "https://*.example"])
def test_what_is_no_origin_is_refused_at_the_start(open_site: Opener, origin: str) -> None:
    with pytest.raises(ConfigurationError, match="DALSEGNO_SERVER_CORS_ORIGINS"):
        open_site(cors_origins=[origin])


def test_through_an_untrusted_proxy_nobody_is_local(site: Site) -> None:
    assert site.client(x_forwarded_for="203.0.113.7").get("me").status_code == 401


def test_through_a_trusted_proxy_the_page_works_under_its_outer_name(open_site: Opener) -> None:
    site = open_site(trusted_proxies=["127.0.0.1"], allowed_hosts=["flows.example.org"])
    site.add("ada")
    client = site.client(
        x_forwarded_for="203.0.113.7",
        x_forwarded_proto="https",
        x_forwarded_host="flows.example.org",
        origin="https://flows.example.org",
    )
    answer = client.post("login", json={"name": "ada", "password": "correct horse battery"})
    assert answer.status_code == 200
    cookie = answer.headers["set-cookie"]
    assert cookie.startswith("__Host-dalsegno_session=")
    assert {"Secure", "HttpOnly", "Path=/"} <= set(cookie.split("; "))
    entry = site.with_key(site.accounts.find("ada")).get("audit-log").json()["items"][0]
    assert (entry["actor"], entry["address"], entry["status"]) == ("ada", "203.0.113.7", 200)
