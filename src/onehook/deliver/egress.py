"""How deliveries leave: from which addresses of ours, and by which proxy."""

import asyncio
import errno
import socket
from dataclasses import dataclass

from yarl import URL

from onehook.core.addresses import Address, Network, is_allowed, is_named
from onehook.errors import SettingsError


class BlockedAddressError(OSError):
    """The name resolved to an address that deliveries may not go to."""


@dataclass(frozen=True, slots=True)
class Egress:
    """The way out.

    *bind*: the source address of each family; none: whatever the system takes. *proxy*: an HTTP
    proxy that is asked to CONNECT. What *allowed* names is reached without it.
    """

    allowed: tuple[Network, ...] = ()
    bind: tuple[Address, ...] = ()
    proxy: URL | None = None

    def check(self) -> None:
        """Find out whether the source addresses are ours.

        Raises:
            SettingsError: one is not.
        """
        for address in self.bind:
            family = socket.AF_INET if address.version == 4 else socket.AF_INET6
            try:
                self.open(family, socket.SOCK_STREAM, 0).close()
            except OSError as error:
                msg = f"ONEHOOK_EGRESS_BIND: {address} is no address of this machine"
                raise SettingsError(msg) from error

    def open(self, family: int, kind: int, protocol: int) -> socket.socket:
        """A socket that is not connected yet.

        Raises:
            OSError: there are source addresses, and none of this family.
        """
        source = ""
        if self.bind:
            version = 6 if family == socket.AF_INET6 else 4
            source = next((str(a) for a in self.bind if a.version == version), "")
            if not source:  # from another address the subscriber would not let it in
                raise OSError(errno.EADDRNOTAVAIL, "no source address of this family")
        made = socket.socket(family, kind, protocol)
        try:
            if source:
                made.bind((source, 0))
        except OSError:
            made.close()
            raise
        return made

    async def proxied(self, url: str) -> URL | None:
        """*url* with its host's address, for the proxy to connect to; None: it goes without.

        The proxy is never given the name: it would resolve that anew, past our judgement.

        Raises:
            BlockedAddressError: no address of the host may be called.
            OSError: the host has none.
        """
        if self.proxy is None:
            return None
        parsed = URL(url)
        if parsed.scheme != "https" or parsed.host is None:
            return None
        found = await asyncio.get_running_loop().getaddrinfo(
            parsed.host, parsed.port, type=socket.SOCK_STREAM
        )
        # IPv4 first: whether the proxy has the other one is not known here.
        addresses = [str(info[4][0]) for info in sorted(found, key=lambda info: info[0])]
        open_ones = [text for text in addresses if is_allowed(text, self.allowed)]
        if not open_ones:
            raise BlockedAddressError(parsed.host)
        if is_named(open_ones[0], self.allowed):
            return None
        return parsed.with_host(open_ones[0])
