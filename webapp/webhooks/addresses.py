"""Where a webhook may lead: checked when it is made, and again before each request."""

from __future__ import annotations

import ipaddress
import socket
from dataclasses import dataclass

import httpx
from django.conf import settings

from webapp.errors import Refused

LONGEST = 500
_PORTS = {"https": 443, "http": 80}
_NAT64 = ipaddress.ip_network("64:ff9b::/96")  # an IPv4 address in IPv6 clothes

Ip = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class Destination:
    """An address that was checked: connect to ``ip`` and to nothing that the name means later."""

    url: httpx.URL
    ip: str

    @property
    def connect_url(self) -> httpx.URL:
        """The same address with the number instead of the name."""
        return self.url.copy_with(host=self.ip)

    @property
    def host_header(self) -> str:
        return self.url.netloc.decode("ascii")

    @property
    def server_name(self) -> str:
        """Whom the certificate must name."""
        return self.url.raw_host.decode("ascii")


def check(address: str) -> Destination:
    """The destination that ``address`` means now.

    Raises:
        Refused: it is no https address, its host has no address, or one of them is not public.
            The setting WEBHOOKS_PRIVATE also accepts http and every network.
    """
    url = _parse(address)
    port = url.port if url.port is not None else _PORTS[url.scheme]
    if not 0 < port < 2**16:
        raise Refused(f"the port of {address!r} is {port}; accepted: 1 to {2**16 - 1}")
    try:
        found = socket.getaddrinfo(url.raw_host.decode("ascii"), port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise Refused(f"the host of {address!r} has no address") from None
    ips = [str(entry[4][0]) for entry in found]
    if not settings.WEBHOOKS_PRIVATE and not all(_is_public(ip) for ip in ips):
        # Not which one: names of our own network are nobody's business.
        raise Refused(
            f"the host of {address!r} is in a private, loopback, link-local, multicast or reserved "
            "network; accepted: public addresses"
        )
    return Destination(url=url, ip=ips[0])


def _parse(address: str) -> httpx.URL:
    schemes = list(_PORTS) if settings.WEBHOOKS_PRIVATE else ["https"]
    if len(address) > LONGEST:
        raise Refused(f"the address has {len(address)} characters; accepted: up to {LONGEST}")
    try:
        # The parser that will also connect: two parsers may see two hosts.
        url = httpx.URL(address)
    except httpx.InvalidURL as error:
        raise Refused(f"{address!r} is no address: {error}") from None
    if url.scheme not in schemes or not url.host:
        raise Refused(f"{address!r} is no {' or '.join(schemes)} address")
    if url.userinfo or url.fragment:
        raise Refused(f"{address!r} holds a user or a fragment; accepted: host, path and query")
    return url


def _is_public(text: str) -> bool:
    ip: Ip = ipaddress.ip_address(text)
    inner = _inside(ip)
    if inner is not None:
        return _is_public(str(inner))
    site_local = isinstance(ip, ipaddress.IPv6Address) and ip.is_site_local
    return ip.is_global and not (ip.is_multicast or ip.is_reserved or site_local)


def _inside(ip: Ip) -> ipaddress.IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to."""
    if isinstance(ip, ipaddress.IPv4Address):
        return None
    if ip in _NAT64:
        return ipaddress.IPv4Address(int(ip) & 0xFFFFFFFF)
    return ip.ipv4_mapped or ip.sixtofour
