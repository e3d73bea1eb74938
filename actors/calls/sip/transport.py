"""How SIP messages come and go: UDP and TCP sockets, who may send, how often, and where we may send to.

Nothing is sent to a source that is not admitted, so that the server amplifies nothing.
"""

import socket
from collections.abc import Callable, Iterable
from typing import Final

import trio
from attrs import evolve

from actors.calls.sip.access import SipAccess, SipUnreachable
from actors.calls.sip.connections import PING, ConnectionServices, SipConnections
from actors.calls.sip.counts import SipCounts
from actors.calls.sip.sockets import SipSockets
from actors.net.accept import Reserve, accept_connections
from actors.runtime.actor import crash_guard
from actors.runtime.logs import RateLimitedLog, get_logger
from config.settings import Settings
from protocol.common.shared_rates import RateShares
from protocol.sip.core import Outbound
from protocol.sip.messages.message import MAX_MESSAGE, RequestMessage, SipError, SipMessage, parse_datagram
from protocol.sip.transactions.machines import Hop

MESSAGES_PER_SECOND: Final = 50.0
"""From one address."""
MESSAGE_BURST: Final = 200.0
MAX_LOOKUPS: Final = 100
"""Messages whose target is being looked up."""

log = get_logger("sip")


class SipTransport:
    """See above. None of its callbacks may wait."""

    def __init__(
        self,
        sockets: SipSockets,
        settings: Settings,
        access: SipAccess,
        on_message: Callable[[SipMessage, Hop], None],
        on_unsent: Callable[[Outbound], None],
        on_lost: Callable[[Hop], None],
    ) -> None:
        self._sockets, self._access = sockets, access
        self._on_message, self._on_unsent = on_message, on_unsent
        self._udp = {opened.family: opened for opened in sockets.udp}
        self._connections = SipConnections(
            ConnectionServices(
                on_message=self._arrived,
                on_unsent=self._give_back,
                on_lost=on_lost,
                server_at=access.server_at,
                timeout=lambda: settings.sip_connect_timeout,
                ca_file=lambda: settings.sip_ca_file,
            )
        )
        self._rates = RateShares(MESSAGES_PER_SECOND, MESSAGE_BURST)
        self._lookups = 0
        self._nursery: trio.Nursery | None = None
        self.counts = SipCounts()
        self._log = RateLimitedLog(log, clock=trio.current_time)

    @property
    def connection_count(self) -> int:
        return len(self._connections)

    async def run(self, *, task_status: trio.TaskStatus[None] = trio.TASK_STATUS_IGNORED) -> None:
        """Receive until cancelled; the sockets are closed then."""
        try:
            async with trio.open_nursery() as nursery:
                self._nursery = nursery
                await nursery.start(self._connections.run)
                for opened in self._sockets.udp:
                    nursery.start_soon(self._receive, trio.socket.from_stdlib_socket(opened))
                for listening in self._sockets.tcp:
                    listener = trio.SocketListener(trio.socket.from_stdlib_socket(listening))
                    nursery.start_soon(self._listen, listener, nursery)
                task_status.started()
        finally:
            self._nursery = None
            self._sockets.close()

    def send(self, outbound: Outbound) -> None:
        """Send it, or give it back."""
        try:
            is_allowed = self._access.may_reach(outbound.hop) or self._access.admits(outbound.hop.host)
        except ValueError:  # a name
            self._look_up(outbound)
            return
        if is_allowed:
            self._send_to_address(outbound)
        else:
            self._give_back(outbound)

    async def ready(self, hop: Hop) -> tuple[str, int] | None:
        """Wait until there is a connection to a server; the address of our end of it. None: there can be none."""
        return await self._connections.ready(hop)

    def keep_alive(self, hops: Iterable[Hop]) -> None:
        """Keep the way from these servers to us open."""
        for hop in hops:
            if not hop.is_reliable:
                self._datagram(PING, hop)
        self._connections.ping()

    # -- sending -----------------------------------------------------------------------------------------------------

    def _send_to_address(self, outbound: Outbound) -> None:
        if isinstance(outbound.message, RequestMessage):
            self._access.note_use(outbound.hop.host)
        if outbound.hop.is_reliable:
            is_sent = self._connections.send(outbound)
        else:
            is_sent = self._datagram(outbound.data, outbound.hop)
        if is_sent:
            self.counts.sent += 1
        else:
            self._give_back(outbound)

    def _datagram(self, data: bytes, hop: Hop) -> bool:
        family = socket.AF_INET6 if ":" in hop.host else socket.AF_INET
        opened = self._udp.get(family)
        if opened is None:
            return False
        try:
            opened.sendto(data, (hop.host, hop.port))
        except BlockingIOError:
            return True  # lost on the way, as datagrams may be: what matters is sent again
        except OSError as error:
            self._log.warning("SIP message cannot be sent", peer=hop.host, why=error.strerror)
            return False
        return True

    def _look_up(self, outbound: Outbound) -> None:
        if self._lookups >= MAX_LOOKUPS or self._nursery is None:
            self._give_back(outbound)
            return
        self._lookups += 1
        self._nursery.start_soon(self._send_to_name, outbound)

    async def _send_to_name(self, outbound: Outbound) -> None:
        try:
            addresses = await self._access.addresses(outbound.hop.host)
        except SipUnreachable:
            self._give_back(outbound)
            return
        finally:
            self._lookups -= 1
        hop = evolve(outbound.hop, host=addresses[0], name=outbound.hop.name or outbound.hop.host)
        self._send_to_address(evolve(outbound, hop=hop))

    def _give_back(self, outbound: Outbound) -> None:
        self.counts.unsent += 1
        self._on_unsent(outbound)

    # -- receiving ---------------------------------------------------------------------------------------------------

    async def _receive(self, opened: trio.socket.SocketType) -> None:
        while True:
            try:
                data, source = await opened.recvfrom(MAX_MESSAGE)
            except OSError as error:  # an ICMP message about what we have sent
                self._log.warning("SIP socket reports an error", why=error.strerror)
                continue
            self._datagram_arrived(data, Hop(transport="udp", host=source[0], port=source[1]))

    def _datagram_arrived(self, data: bytes, source: Hop) -> None:
        if not self._admits(source) or not data.strip(b"\r\n\0"):
            return
        try:
            message = parse_datagram(data)
        except SipError as error:
            self.counts.malformed += 1
            self._log.warning("SIP message is malformed", peer=source.host, why=error.message)
            return
        self._take(message, source)

    def _arrived(self, message: SipMessage, source: Hop) -> None:
        """By a connection."""
        if self._is_within_rate(source):
            self._take(message, source)

    def _take(self, message: SipMessage, source: Hop) -> None:
        self.counts.received += 1
        with crash_guard(lambda error: log.error("SIP message crashed", crash=error, peer=source.host)):
            try:
                self._on_message(message, source)
            except SipError as error:
                self.counts.malformed += 1
                self._log.warning("SIP message is malformed", peer=source.host, why=error.message)

    def _admits(self, source: Hop) -> bool:
        if not self._access.admits(source.host):
            self.counts.strange += 1
            return False
        return self._is_within_rate(source)

    def _is_within_rate(self, source: Hop) -> bool:
        if self._rates.charge(source.host, trio.current_time()) <= 0:
            return True
        self.counts.flooding += 1
        self._log.warning("SIP peer sends too much", peer=source.host, limit=f"{MESSAGES_PER_SECOND:g} per second")
        return False

    async def _listen(self, listener: trio.SocketListener, nursery: trio.Nursery) -> None:
        await accept_connections(listener, self._accepted, nursery, reserve=Reserve.SESSIONS, log=self._log)

    async def _accepted(self, stream: trio.SocketStream) -> None:
        try:
            peer = stream.socket.getpeername()[0]
        except OSError:
            return
        if self._access.admits(peer):
            await self._connections.accept(stream)
        else:
            self.counts.strange += 1
