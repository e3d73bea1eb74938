"""Who is at the other end of an accepted TCP connection: its peer, or the client that a proxy names before TLS."""

from collections.abc import Sequence

import trio

from actors.runtime.logs import RateLimitedLog, get_logger
from protocol.access.client_address import ClientAddress, TrustedProxies, plain_address
from protocol.access.proxy_protocol import ProxyHeaderError, ProxyHeaderParser

NOT_FROM_PROXY = "connection without the PROXY protocol closed"
"""The log event for `NotFromProxy`."""


UNTRUSTED_RATE = 1 / 60
"""Lines per second about a proxy on this machine that is not trusted: most likely it was forgotten."""


class ForwardedClients:
    """The clients that requests are made for, by `X-Forwarded-For` where a trusted proxy sends it."""

    def __init__(self, proxies: TrustedProxies) -> None:
        self.proxies = proxies
        self._log = RateLimitedLog(get_logger("access"), rate=UNTRUSTED_RATE, clock=trio.current_time)

    def client_of(self, peer: ClientAddress, forwarded_for: Sequence[str]) -> ClientAddress:
        """The client on whose behalf `peer` calls; the header's values in order."""
        if forwarded_for and not peer.is_forwarded and self.proxies.is_on_this_machine(peer):
            self._log.warning(
                "X-Forwarded-For from this machine is not believed", setting="trusted_proxies", address=peer.address
            )
        return self.proxies.client_of(peer, forwarded_for)


class NotFromProxy(Exception):
    """A listener that requires the PROXY protocol was called without it. `setting` is the one to look at."""

    def __init__(self, reason: str, setting: str) -> None:
        super().__init__(reason)
        self.reason = reason
        self.setting = setting


def peer_of(connection: trio.socket.SocketType) -> ClientAddress:
    """The other end of the connection. Raises OSError if it is gone."""
    address, port, *_ = connection.getpeername()
    return ClientAddress(address=str(plain_address(address)), port=port)


async def receive_client(
    connection: trio.socket.SocketType, peer: ClientAddress, proxies: TrustedProxies, *, setting: str
) -> ClientAddress:
    """Read the PROXY protocol's header, and not a byte more; the client it names, or the proxy itself.

    `setting` is the one that requires it. Raises NotFromProxy, also for a malformed header; OSError if the connection
    fails. The caller sets a deadline.
    """
    if not proxies.trusts(peer.address):
        raise NotFromProxy(f"{peer.address} is not one of them", "trusted_proxies")
    header = ProxyHeaderParser()
    try:
        while header.wanted:
            data = await connection.recv(header.wanted)
            if not data:
                raise NotFromProxy("the connection ended before a PROXY protocol header", setting)
            header.feed(data)
        return header.client() or peer
    except ProxyHeaderError as error:
        raise NotFromProxy(error.message, setting) from None
