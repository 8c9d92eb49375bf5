"""Where a webhook may go: an address is looked up, judged, and then the very one that was judged is connected to."""

import asyncio
import ipaddress
import socket
from dataclasses import dataclass

import httpx

PORTS = {"http": 80, "https": 443}
URL_MAX = 1_000
LOCAL_TRANSLATION = ipaddress.ip_network("64:ff9b:1::/48")
"""What a network translates to IPv4 addresses of its own (RFC 8215); Python 3.11 takes it for global."""


class Forbidden(Exception):
    """A webhook may not go there; the text says why."""


class Unresolved(Exception):
    """The name leads nowhere right now."""


@dataclass(frozen=True, slots=True)
class Target:
    """A URL, and the address that stands for its host."""

    url: httpx.URL
    address: str

    @property
    def pinned(self) -> httpx.URL:
        """The URL with the address in place of the name, so that nothing else is connected to."""
        return self.url.copy_with(host=self.address)


def parse(text: str) -> httpx.URL:
    """The URL in ``text``.

    Raises:
        Forbidden: it is no URL that a webhook may have.
    """
    if len(text) > URL_MAX or not text.isascii() or not text.isprintable():
        raise Forbidden(f"must be at most {URL_MAX} printable ASCII characters")
    try:
        url = httpx.URL(text)
    except (httpx.InvalidURL, ValueError) as error:
        raise Forbidden("is no URL") from error
    if url.scheme not in PORTS or not url.host:
        raise Forbidden("must begin with http:// or https:// and name a host")
    if url.userinfo:
        raise Forbidden("must not hold an account or password: receivers verify the signature instead")
    if url.fragment:
        raise Forbidden("must not have a fragment")
    return url


def is_public(address: str) -> bool:
    """Whether ``address`` is one of the internet's, and so none of this machine's or of a private network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour or (found.teredo[1] if found.teredo else None)
        if inner is not None:
            return is_public(str(inner))
        if found in ipaddress.ip_network("64:ff9b::/96"):
            return is_public(str(ipaddress.IPv4Address(int(found) & 0xFFFFFFFF)))
        if found.is_site_local or found in LOCAL_TRANSLATION:
            return False
    return found.is_global and not found.is_multicast


async def resolve(url: httpx.URL, *, private: bool) -> Target:
    """Where ``url`` leads.

    Args:
        url: as :func:`parse` gave it.
        private: whether it may lead to this machine or to a private network.

    Raises:
        Forbidden: one of its addresses is not public.
        Unresolved: its name is not known.
    """
    port = url.port or PORTS[url.scheme]
    try:
        found = await asyncio.get_running_loop().getaddrinfo(url.host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise Unresolved("its host is not known") from error
    addresses = [str(one[4][0]) for one in found]
    # All of them, so that nobody can hide a private address behind a public one.
    if not private and not all(map(is_public, addresses)):
        raise Forbidden("leads to this machine or to a private network, which is not allowed here")
    return Target(url, addresses[0])
