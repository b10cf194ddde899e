"""Under which names a server may be reached, and where requests come from."""

from __future__ import annotations

import pytest

from dalsegno.exceptions import ConfigurationError
from dalsegno.server.access.hosts import Hosts
from dalsegno.server.access.peers import Peer, Peers


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("localhost:4200", True),
        ("LOCALHOST:4200", True),
        ("127.0.0.1:4200", True),
        ("[::1]:4200", True),
        ("localhost:8080", True),  # forwarded by ssh or a container
        ("evil.example:4200", False),
        ("localhost.evil.example:4200", False),
        ("192.168.1.5:4200", False),
        ("127.0.0.1.evil.example", False),
        ("localhost@evil.example", False),
        ("", False),
    ],
)
def test_a_server_on_loopback_is_known_by_the_names_of_loopback(host: str, known: bool) -> None:
    assert (host in Hosts("127.0.0.1", ())) is known


@pytest.mark.parametrize(
    ("host", "known"),
    [
        ("flows.example.org", True),
        ("flows.example.org:8443", True),
        ("a.b.example.net", True),
        ("example.net", False),
        ("evilexample.net", False),
        ("one.example.com:8443", True),
        ("one.example.com", False),
        ("one.example.com:80", False),
    ],
)
def test_names_are_added_by_a_setting(host: str, known: bool) -> None:
    assert (host in Hosts("127.0.0.1", ("flows.example.org", "*.example.net", "one.example.com:8443"))) is known


def test_a_server_on_all_addresses_takes_addresses_but_no_names() -> None:
    hosts = Hosts("0.0.0.0", ())
    assert "192.168.1.5:4200" in hosts
    assert "[2001:db8::1]:4200" in hosts
    assert "localhost:4200" in hosts
    assert "evil.example:4200" not in hosts


def test_a_server_on_one_address_is_known_by_it_alone() -> None:
    hosts = Hosts("192.168.1.5", ())
    assert "192.168.1.5:4200" in hosts
    assert "localhost:4200" not in hosts


def peer(trusted: list[str], address: str, **headers: str) -> Peer:
    raw = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
    return Peers(trusted).peer(address, "http", raw, dict(raw))


@pytest.mark.parametrize("address", ["127.0.0.1", "127.9.9.9", "::1", "::ffff:127.0.0.1"])
def test_loopback_is_local(address: str) -> None:
    assert peer([], address, host="localhost:4200") == Peer(address, True, "http", "localhost:4200")


@pytest.mark.parametrize("header", ["x_forwarded_for", "forwarded", "x_real_ip", "via", "x_forwarded_host"])
def test_what_was_forwarded_is_not_local_even_from_loopback(header: str) -> None:
    assert peer([], "127.0.0.1", host="localhost", **{header: "127.0.0.1"}) == Peer(
        "127.0.0.1", False, "http", "localhost"
    )


def test_a_proxy_that_is_not_trusted_is_not_believed() -> None:
    found = peer(["10.0.0.0/8"], "192.168.1.5", host="a", x_forwarded_for="1.2.3.4", x_forwarded_proto="https")
    assert found == Peer("192.168.1.5", False, "http", "a")


def test_of_a_trusted_proxy_the_last_hop_that_is_not_trusted_counts() -> None:
    found = peer(
        ["127.0.0.1", "10.0.0.0/8"],
        "127.0.0.1",
        host="127.0.0.1:4200",
        x_forwarded_for="6.6.6.6, 203.0.113.7, 10.1.2.3",
        x_forwarded_proto="https",
        x_forwarded_host="flows.example.org",
    )
    assert found == Peer("203.0.113.7", False, "https", "flows.example.org")


def test_a_client_that_claims_to_be_local_through_a_trusted_proxy_is_not() -> None:
    assert not peer(["127.0.0.1"], "127.0.0.1", host="a", x_forwarded_for="127.0.0.1").is_local


def test_a_proxy_that_is_no_address_is_refused() -> None:
    with pytest.raises(ConfigurationError, match="DALSEGNO_SERVER_TRUSTED_PROXIES has 'nginx'"):
        Peers(["nginx"])
