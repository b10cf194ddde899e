"""A real browser on a hostile page, against a server on loopback without users: nothing is read or done."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, sync_playwright
from tests.access.conftest import Site

from dalsegno.model.ids import new_id
from dalsegno.model.views import VariableView

CHROMIUM = "/usr/bin/chromium"
SECRET = "the-secret-of-the-house"

# Each answers with what it could read, or with how it failed; {url} is the victim's API.
ATTACKS = {
    "fetch": "fetch('{url}/users').then(a => a.text())",
    "fetch with credentials": "fetch('{url}/users', {{credentials: 'include'}}).then(a => a.text())",
    "fetch without cors": "fetch('{url}/users', {{mode: 'no-cors'}}).then(a => a.text())",
    "json": "fetch('{url}/users', {{method: 'POST', headers: {{'content-type': 'application/json'}}, body: {user}}})"
    ".then(a => a.text())",
    "json as text": "fetch('{url}/users', {{method: 'POST', headers: {{'content-type': 'text/plain'}}, body: {user}}})"
    ".then(a => a.text())",
    "json without cors": "fetch('{url}/users', {{method: 'POST', mode: 'no-cors', body: {user}}}).then(a => a.text())",
    "beacon": "Promise.resolve(String(navigator.sendBeacon('{url}/users', {user})))",
    "no body": "fetch('{url}/logout-everywhere', {{method: 'POST', mode: 'no-cors'}}).then(a => a.text())",
    "delete": "fetch('{url}/users/{id}', {{method: 'DELETE'}}).then(a => a.text())",
    "image": "new Promise(done => {{ const image = new Image(); image.onload = () => done('loaded');"
    " image.onerror = () => done(''); image.src = '{url}/users'; }})",
    "script": "new Promise(done => {{ const script = document.createElement('script'); script.onload = () =>"
    " done('loaded'); script.onerror = () => done(''); script.src = '{url}/users'; document.head.append(script); }})",
    "event source": "new Promise(done => {{ const source = new EventSource('{url}/live'); source.onopen = () =>"
    " done('opened'); source.onerror = () => {{ source.close(); done(''); }}; }})",
    "web socket": "new Promise(done => {{ const socket = new WebSocket('{socket}/live'); socket.onopen = () =>"
    " done('opened'); socket.onerror = () => done(''); }})",
    "frame": "new Promise(done => {{ const frame = document.createElement('iframe'); frame.src = '{url}/users';"
    " frame.onload = () => {{ try {{ done(frame.contentDocument.body.textContent) }} catch {{ done('') }} }};"
    " document.body.append(frame); }})",
}
USER = """'{"name": "mallory", "password": "correct horse battery", "role": "admin"}'"""
READ_NOTHING = ("", "true", "false", "TypeError")


class Evil(BaseHTTPRequestHandler):
    """Serves an empty page, whatever is asked for."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("content-type", "text/html")
        self.end_headers()
        self.wfile.write(b"<!doctype html><title>Free kittens</title><body></body>")

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def evil() -> Iterator[int]:
    """Give the port of a web server of somebody else."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Evil)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_port
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=CHROMIUM,
            args=["--no-sandbox", "--host-resolver-rules=MAP evil.example 127.0.0.1, MAP rebound.example 127.0.0.1"],
        )
        yield browser
        browser.close()


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context()
    yield context.new_page()
    context.close()


@pytest.fixture
def victim(site: Site) -> Site:
    """Give a server on which something lies that is worth stealing."""
    site.backend.set_variable(VariableView(name="house", value=SECRET, tags=(), created=1, updated=1), False)
    assert site.client().get("me").json()["role"] == "admin"
    return site


def nothing_was_done(site: Site) -> bool:
    database = site.backend.database
    tables = ("user_account", "audit_entry", "api_key")
    counts = [
        database.read(lambda connection, name=name: connection.execute(f"SELECT count(*) FROM {name}").fetchone()[0])
        for name in tables
    ]
    return counts == [0, 0, 0]


def attempt(page: Page, script: str) -> str:
    return page.evaluate(f"({script}).catch(error => error.name)")


@pytest.mark.parametrize("origin", ["http://evil.example:{port}", "http://localhost:{port}"])
def test_a_page_of_another_origin_reads_and_does_nothing(victim: Site, page: Page, evil: int, origin: str) -> None:
    page.goto(origin.format(port=evil))
    socket = victim.url.replace("http", "ws")
    answers = {
        name: attempt(page, script.format(url=victim.url, socket=socket, user=USER, id=new_id().hex()))
        for name, script in ATTACKS.items()
    }
    assert {name: answer for name, answer in answers.items() if answer not in READ_NOTHING} == {}
    assert nothing_was_done(victim)


@pytest.mark.parametrize("encoding", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_a_form_of_another_origin_does_nothing(victim: Site, page: Page, evil: int, encoding: str) -> None:
    page.goto(f"http://evil.example:{evil}")
    page.set_content(
        f"""<form method="post" enctype="{encoding}" action="{victim.url}/users">
        <input name='{{"name": "mallory", "password": "correct horse battery", "role": "admin", "x": "' value='"}}'>
        </form>"""
    )
    with page.expect_response(f"{victim.url}/users") as answered:
        page.evaluate("document.forms[0].submit()")
    assert answered.value.status == 403
    assert nothing_was_done(victim)


def test_a_name_that_was_rebound_to_the_server_reads_and_does_nothing(victim: Site, page: Page, evil: int) -> None:
    # To the browser this is one origin: the page came from evil.example, whose address is now the server's.
    rebound = f"http://rebound.example:{victim.port}"
    answer = page.goto(rebound)
    assert answer is not None
    assert answer.status == 403
    bodies = [
        page.evaluate("fetch('/api/me').then(async a => [a.status, await a.text()])"),
        page.evaluate(
            "fetch('/api/users', {method: 'POST', headers: {'content-type': 'application/json'}, body: "
            + USER
            + "}).then(async a => [a.status, await a.text()])"
        ),
    ]
    assert [status for status, _ in bodies] == [403, 403]
    assert "local" not in bodies[0][1].replace("localhost", "")
    assert nothing_was_done(victim)


def test_the_servers_own_page_works(victim: Site, page: Page) -> None:
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text))
    answer = page.goto(victim.origin)
    assert answer is not None
    assert answer.status == 200
    assert page.title() == "Dalsegno"
    made = page.evaluate(
        "fetch('/api/users', {method: 'POST', headers: {'content-type': 'application/json'}, body: "
        + USER
        + "}).then(a => a.status)"
    )
    assert made == 201
    logged_in = page.evaluate(
        "fetch('/api/login', {method: 'POST', headers: {'content-type': 'application/json'}, body: "
        """'{"name": "mallory", "password": "correct horse battery"}'}).then(a => a.status)"""
    )
    assert logged_in == 200
    assert page.evaluate("fetch('/api/me').then(a => a.json())")["via"] == "session"
    assert page.evaluate("document.cookie") == ""
    assert [text for text in refused if "Security" in text] == []


def test_a_link_from_elsewhere_opens_the_page_of_somebody_who_is_logged_in(victim: Site, page: Page, evil: int) -> None:
    victim.add("ada")
    cookie = next(iter(victim.browser("ada").cookies.jar))
    page.context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": victim.origin}])
    page.goto(f"http://evil.example:{evil}")
    page.set_content(f'<a href="{victim.origin}/">runs</a>')
    with page.expect_response(f"{victim.origin}/") as answered:
        page.click("a")
    assert answered.value.status == 200


def test_foreign_pages_get_nothing_with_the_cookie_of_somebody_who_is_logged_in(
    victim: Site, page: Page, evil: int
) -> None:
    victim.add("ada")
    cookie = next(iter(victim.browser("ada").cookies.jar))
    page.context.add_cookies([{"name": cookie.name, "value": cookie.value or "", "url": victim.origin}])
    # Another port of the same host is the same site: the cookie is sent along, and the request is refused all the same.
    page.goto(f"http://127.0.0.1:{evil}")
    socket = victim.url.replace("http", "ws")
    for name, script in ATTACKS.items():
        answer = attempt(page, script.format(url=victim.url, socket=socket, user=USER, id=new_id().hex()))
        assert answer in READ_NOTHING, name
    assert [user.name for user in victim.accounts.page(None, 10)] == ["ada"]
    assert victim.browser("ada").get("me").status_code == 200
