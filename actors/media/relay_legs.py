"""The legs by which streams pass between nodes: one end of each is here.

An origin serves a leg by the sockets that serve browsers. An edge has a socket for each leg, for two legs from the same
origin come from the same address, which is how peers are told apart. All of these sockets are read in one task, so
packets of many legs that came together are forwarded together.
"""

import contextlib
import errno
import selectors
import socket
from collections.abc import Callable, Sequence
from ipaddress import ip_address
from typing import Final

import trio

from actors.media.datagram_router import DatagramRouter
from actors.media.events import MediaRefused, Post
from actors.media.guard import PeerGuard
from actors.media.ingest.relay_ingest import RelayIngest
from actors.media.io.datagrams import Datagrams
from actors.media.io.receiver import Receiver
from actors.media.io.rest_timer import RestTimer
from actors.media.io.sockets import UdpSocket
from actors.media.io.wakeup_coalescing import WakeupCoalescer
from actors.media.peer.transport import TransportServices
from actors.media.publication import Publication
from actors.media.relay_playback import RelayPlayback
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.ice import make_credentials
from protocol.webrtc.paths import IcePath
from protocol.webrtc.relay_leg import LegEnd, LegTrack
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.sdp import Fingerprint, SdpError, Setup
from protocol.webrtc.stun import Address

BUFFER: Final = 1 << 20
"""Bytes that the system keeps of what has come by one leg."""


class _LegSocket:
    """The socket of one leg at the edge."""

    def __init__(self, udp: UdpSocket, local: int, receiver: Receiver) -> None:
        self.udp, self.local, self.receiver = udp, local, receiver


class RelayLegs:
    """See above. `after` ends a pass of the plane."""

    def __init__(
        self, services: TransportServices, guard: PeerGuard, datagrams: Datagrams, after: Callable[[], None]
    ) -> None:
        self._services, self._guard, self._datagrams, self._after = services, guard, datagrams, after
        self._sockets: dict[RelayIngest, _LegSocket] = {}
        self._selector = selectors.DefaultSelector()
        self._coalescer, self._timer = WakeupCoalescer(), RestTimer()

    def __len__(self) -> int:
        """Legs that come here."""
        return len(self._sockets)

    @property
    def fingerprint(self) -> Fingerprint:
        """Of this node's certificate."""
        return self._services.handshakes.fingerprint

    @property
    def candidates(self) -> tuple[Address, ...]:
        """Where browsers reach this node, and then the addresses that its sockets are bound to."""
        port = self._services.port
        return tuple(dict.fromkeys((*port.candidates, *(entry.local for entry in port.sockets))))

    def new_credentials(self) -> tuple[str, str]:
        """For one leg."""
        return make_credentials(self._services.context.entropy)

    # -- both ends -----------------------------------------------------------------------------------------------

    def serve(self, edge: LegEnd, publication: Publication, *, pull: str, post: Post) -> RelayPlayback:
        """Wait for the edge of this pull, to send it the publication. Raises MediaRefused."""
        tracks = [LegTrack.of(source) for source in publication.sources]
        try:
            return RelayPlayback(self._services, edge, tracks, publication, pull, post)
        except SdpError as error:
            raise _refusal(error.message) from None

    def pull(
        self,
        origin: LegEnd,
        tracks: Sequence[LegTrack],
        address: Address,
        *,
        pull: str,
        credentials: tuple[str, str],
        post: Post,
        source: str | None,
        heeds_requests: bool,
        continues: Publication | None = None,
    ) -> RelayIngest:
        """Call the origin of this pull at `address`, from `source` if it is given. Raises MediaRefused.

        `end` must follow.
        """
        try:
            leg = self._open(address, source)
        except (OSError, ValueError) as error:
            raise _refusal(f"no way to {address[0]} port {address[1]}: {error}") from None
        path = IcePath(leg.udp.getpeername()[:2], leg.local)
        roles = PeerRoles(setup=Setup.ACTIVE, controlling=True, calls=path, credentials=credentials)
        try:
            ingest = RelayIngest(
                self._services,
                origin,
                tracks,
                pull,
                post,
                roles,
                heeds_requests=heeds_requests,
                continues=continues,
            )
        except (SdpError, ValueError) as error:
            self._close(leg)
            raise _refusal(str(error)) from None
        self._sockets[ingest] = leg
        return ingest

    def end(self, ingest: RelayIngest) -> None:
        """Close a leg and its socket. Idempotent."""
        ingest.close()
        leg = self._sockets.pop(ingest, None)
        if leg is not None:
            self._close(leg)

    # -- the edge's sockets --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read them until cancelled."""
        clock = self._services.context.clock
        while True:
            rest = self._coalescer.rest_until - clock()
            if rest > 0:
                await self._timer.sleep(rest)
            else:
                await trio.lowlevel.wait_readable(self._selector)
            self._drain()
            self._services.context.in_picture = False
            self._after()

    def _drain(self) -> None:
        context = self._services.context
        woke_at, total = context.clock(), 0
        context.counters.wake_ups += 1
        for key, _ in self._selector.select(0):
            receiver: Receiver = key.data
            try:
                total += receiver.drain()
            except OSError:  # such as an origin whose port is closed
                context.counters.receive_errors += 1
            context.quality.forward_delay.came(receiver.oldest)
        self._coalescer.took(total, woke_at, is_all=True)

    def close(self) -> None:
        """At the end of the plane."""
        for leg in list(self._sockets.values()):
            self._close(leg)
        self._sockets.clear()
        self._selector.close()
        self._timer.close()

    def _open(self, address: Address, source: str | None) -> _LegSocket:
        """A socket that hears the origin alone."""
        udp = _connected(address, source)
        udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
        services = self._services
        local = services.port.add(udp)
        services.peers.add_socket(local)
        router = DatagramRouter(services, self._guard, local)
        receiver = Receiver(udp, services.context.clock, router.take, self._datagrams)
        self._selector.register(udp, selectors.EVENT_READ, receiver)
        return _LegSocket(udp, local, receiver)

    def _close(self, leg: _LegSocket) -> None:
        self._selector.unregister(leg.udp)
        self._services.port.take_away(leg.local)
        leg.receiver.close()
        leg.udp.close()


def _connected(address: Address, source: str | None) -> UdpSocket:
    """Raises OSError; ValueError for what is no address: no name is looked up here."""
    remote = ip_address(address[0])
    if not 0 < address[1] < 65536:
        raise ValueError("no port")
    family = socket.AF_INET6 if remote.version == 6 else socket.AF_INET
    udp = socket.socket(family, socket.SOCK_DGRAM)
    try:
        udp.setblocking(False)
        if source is not None and ip_address(source).version == remote.version:
            with contextlib.suppress(OSError):  # it is another machine's, which stands before this one
                udp.bind((source, 0))
        udp.connect((str(remote), address[1]))
    except OSError as error:
        udp.close()
        raise OSError(error.errno or errno.EINVAL, error.strerror) from None
    return udp


def _refusal(detail: str) -> MediaRefused:
    return MediaRefused(StreamInfo.FAILED_TO_CONNECT_TO_ORIGIN_STREAM, detail)
