"""The address guard: which hosts we may call (semantics 3.15, SSRF).

A host is resolved once; *every* address that it has must be allowed, and the caller connects to the address it is given
here, so that a second look-up cannot lead elsewhere. Private targets, other ports and plain http are open only to hosts
and networks that an operator lists in the configuration file. Redirects are the transport's business: it follows none.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from storeweave.model.errors import ConfigError, NotSentError, RefusedError

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IPNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network
Resolver = Callable[[str, int], Awaitable[Sequence[str]]]
"""Host and port -> its addresses as text, in the order to try them. Raises OSError when there are none."""

STANDARD_PORTS: Final = {"https": 443, "http": 80}
HOST_SIGNS: Final = frozenset("abcdefghijklmnopqrstuvwxyz0123456789.-_:")

REFUSED_NETWORKS: Final[tuple[IPNetwork, ...]] = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8",  # this network
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # carrier-grade NAT
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link local, cloud metadata
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.31.196.0/24",  # AS112
        "192.52.193.0/24",  # AMT
        "192.88.99.0/24",  # 6to4 relay
        "192.168.0.0/16",  # private
        "192.175.48.0/24",  # AS112
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
        "2001::/23",  # protocol assignments, Teredo, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "2620:4f:8000::/48",  # AS112
        "3fff::/20",  # documentation
    )
)
GLOBAL_UNICAST_V6: Final = ipaddress.IPv6Network("2000::/3")
"""Of IPv6 only this is ever public: loopback, mapped, NAT64, unique local, link local and multicast lie outside."""
LOOPBACK: Final[tuple[IPNetwork, ...]] = (ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128"))


@dataclass(frozen=True, slots=True)
class Target:
    """Where a URL may be sent: the host it names, and the checked addresses to connect to, in order."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class AllowedTarget:
    """One entry of the allow-list: a host name, address or network, with one port or (None) any."""

    host: str
    network: IPNetwork | None
    port: int | None

    def covers(self, host: str, address: IPAddress | None, port: int) -> bool:
        if self.port is not None and self.port != port:
            return False
        if self.network is None:
            return host == self.host
        return address is not None and address.version == self.network.version and address in self.network


def read_allowed(entry: str) -> AllowedTarget:
    """Read ``erp.lan``, ``erp.lan:8443``, ``10.1.2.3``, ``10.0.0.0/8``, ``[fd00::1]:443`` or ``fd00::/8``.

    Raises ConfigError.
    """
    text = entry.strip().lower()
    host, port = text, None
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        port_text = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, port_text = text.partition(":")
    else:
        port_text = ""
    if "/" in port_text:
        raise _unreadable(entry)
    if port_text:
        if not port_text.isascii() or not port_text.isdigit() or not 0 < int(port_text) < 65536:
            raise ConfigError(f"{entry!r}: {port_text!r} is not a port; write a number from 1 to 65535")
        port = int(port_text)
    try:
        return AllowedTarget(host, ipaddress.ip_network(host, strict=False), port)
    except ValueError:
        if not host or any(c in host for c in "/ \t:@?#*[]"):
            raise _unreadable(entry) from None
        return AllowedTarget(host.rstrip("."), None, port)


def _unreadable(entry: str) -> ConfigError:
    return ConfigError(
        f"{entry!r} is not a host name, address or network; write for example erp.lan:8443 or 10.0.0.0/8"
    )


def is_public(address: IPAddress) -> bool:
    """True when nothing private can be behind the address."""
    if isinstance(address, ipaddress.IPv6Address) and address not in GLOBAL_UNICAST_V6:
        return False
    return not any(address.version == network.version and address in network for network in REFUSED_NETWORKS)


class AddressGuard:
    """Admits URLs. One per process, made from the configuration."""

    def __init__(self, resolve: Resolver, *, allowed: Sequence[str] = (), allow_loopback: bool = False) -> None:
        self._resolve = resolve
        self._allowed = tuple(read_allowed(entry) for entry in allowed)
        self._allow_loopback = allow_loopback

    async def admit(self, url: str) -> Target:
        """Resolve and check a URL.

        Raises RefusedError when we may not call it, NotSentError when its name cannot be resolved now.
        """
        scheme, host, port = read_origin(url)
        addresses = await self._addresses(host, port)
        parsed = [_address(text, host) for text in addresses]
        for address in parsed:
            if not self._may_reach(scheme, host, address, port):
                raise _refusal(scheme, host, address, port)
        return Target(scheme, host, port, tuple(addresses))

    async def _addresses(self, host: str, port: int) -> list[str]:
        try:
            return [str(ipaddress.ip_address(host))]
        except ValueError:
            pass
        try:
            found = await self._resolve(host, port)
        except (OSError, UnicodeError) as error:
            raise NotSentError(f"the name {host} cannot be resolved: {error}", code="name-look-up") from error
        if not found:
            raise NotSentError(f"the name {host} has no address", code="name-look-up")
        return list(dict.fromkeys(found))

    def _may_reach(self, scheme: str, host: str, address: IPAddress, port: int) -> bool:
        if self._allow_loopback and any(address.version == n.version and address in n for n in LOOPBACK):
            return True
        if any(entry.covers(host, address, port) for entry in self._allowed):
            return True
        return is_public(address) and scheme == "https" and port == STANDARD_PORTS["https"]


def read_origin(url: str) -> tuple[str, str, int]:
    """Scheme, host and port of a URL, as the guard understands it. Send to these, not to another reading.

    Raises RefusedError.
    """
    try:
        parts = urlsplit(url)
        port = parts.port
        host = (parts.hostname or "").rstrip(".").encode("idna").decode()
    except ValueError as error:
        raise RefusedError(f"{url[:200]!r} is not a URL: {error}", code="address-refused") from error
    if parts.scheme not in STANDARD_PORTS:
        raise RefusedError(f"{url[:200]!r}: only https (and listed http) addresses are called", code="address-refused")
    if not host or parts.username is not None or not HOST_SIGNS.issuperset(host):
        raise RefusedError(f"{parts.hostname!r} is not a host that can be called", code="address-refused")
    return parts.scheme, host, port if port is not None else STANDARD_PORTS[parts.scheme]


def _address(text: str, host: str) -> IPAddress:
    try:
        return ipaddress.ip_address(text.partition("%")[0])
    except ValueError as error:
        raise RefusedError(f"{host} resolves to {text!r}, which is no address", code="address-refused") from error


def _refusal(scheme: str, host: str, address: IPAddress, port: int) -> RefusedError:
    if not is_public(address):
        why = f"it leads to {address}, which is not a public address"
    elif scheme != "https":
        why = "it is not https"
    else:
        why = f"port {port} is not 443"
    return RefusedError(
        f"{host} is not called: {why}. If it is meant, add {host}:{port} to hub.allow_private_hosts",
        code="address-refused",
    )
