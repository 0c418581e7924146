"""Which addresses a webhook may have: everything else is a way into our own network."""

from __future__ import annotations

import pytest
from pytest_django import Settings

from tests.webapp.conftest import Names
from webapp.errors import Refused
from webapp.webhooks import addresses

OURS = "in a private, loopback, link-local, multicast or reserved network"


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.9.9.9",
        "localhost",
        "2130706433",  # 127.0.0.1 as one number
        "0x7f.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",  # where clouds keep credentials
        "100.64.0.1",
        "224.0.0.1",
        "239.1.1.1",
        "240.0.0.1",
        "255.255.255.255",
        "[::]",
        "[::1]",
        "[fe80::1]",
        "[fd00::1]",
        "[fec0::1]",
        "[ff02::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:10.0.0.1]",
        "[64:ff9b::7f00:1]",  # 127.0.0.1 behind NAT64
        "[2002:7f00:1::1]",  # 127.0.0.1 behind 6to4
        "[2001:db8::1]",
    ],
)
def test_our_own_networks_are_refused(host: str, settings: Settings) -> None:
    with pytest.raises(Refused, match=OURS):
        addresses.check(f"https://{host}/hook")
    settings.WEBHOOKS_PRIVATE = True
    assert addresses.check(f"http://{host}:8080/hook").host_header.endswith(":8080")


@pytest.mark.parametrize(
    ("address", "said"),
    [
        ("http://1.1.1.1/", "is no https address"),
        ("ftp://1.1.1.1/", "is no https address"),
        ("hook", "is no https address"),
        ("", "is no https address"),
        ("https:///path", "is no https address"),
        ("https://1.1.1.1:0/", "the port of .* is 0"),
        ("https://1.1.1.1:99999/", "the port of .* is 99999"),
        ("https://alice:tea@1.1.1.1/", "holds a user or a fragment"),
        ("https://1.1.1.1/#top", "holds a user or a fragment"),
        ("https://1.1.1.1/\x00", "is no address"),
        ("https://[zz]/", "is no address"),
        ("https://nothing.invalid/", "has no address"),
        (f"https://{'a' * 70}.org/", "has no address"),  # no name has such a part
        (f"https://1.1.1.1/{'a' * 500}", "has 516 characters"),
    ],
)
def test_what_is_no_address_is_refused_in_one_line(address: str, said: str, names: Names) -> None:
    names()
    with pytest.raises(Refused, match=said) as caught:
        addresses.check(address)
    assert "\n" not in str(caught.value)


def test_a_public_address_is_taken() -> None:
    found = addresses.check("https://1.1.1.1:8443/hook?for=tea")
    assert (found.ip, found.host_header) == ("1.1.1.1", "1.1.1.1:8443")


def test_one_private_address_among_public_ones_is_enough(names: Names) -> None:
    names("1.1.1.1", "10.0.0.1")
    with pytest.raises(Refused, match=OURS) as caught:
        addresses.check("https://hook.example/")
    assert "10.0.0.1" not in str(caught.value)  # nobody learns our names' addresses


def test_what_was_checked_is_what_is_connected_to(names: Names) -> None:
    names("1.1.1.1")
    found = addresses.check("https://hook.example:8443/in?a=b")
    assert str(found.connect_url) == "https://1.1.1.1:8443/in?a=b"
    assert (found.host_header, found.server_name) == ("hook.example:8443", "hook.example")
