"""The legs by which streams pass between nodes: one end of each is here.

An origin serves legs by the sockets that serve browsers. An edge calls from one socket for all of its legs, which is
read as those are, so packets of many legs that came together are read and forwarded together. Legs between the same two
nodes have the same addresses; `protocol.webrtc.shared_address` says how they are told apart.
"""

from collections import deque
from collections.abc import Awaitable, Callable, Sequence
from ipaddress import ip_address
from typing import Final

import trio

from actors.media.events import MediaRefused, Post
from actors.media.ingest.relay_ingest import RelayIngest
from actors.media.io.calling_socket import open_calling_socket, reached
from actors.media.io.receiver import Receiver
from actors.media.io.sockets import UdpSocket
from actors.media.peer.transport import TransportServices
from actors.media.publication import Publication
from actors.media.relay_playback import RelayPlayback
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.ice import make_credentials
from protocol.webrtc.paths import IcePath
from protocol.webrtc.relay_leg import LegEnd, LegTrack, edge_roles
from protocol.webrtc.sdp import Fingerprint, SdpError
from protocol.webrtc.shared_address import report_ssrc
from protocol.webrtc.stun import Address

MOST_PROMISED: Final = 1_000
"""Credentials that may be given out before the leg of the first of them is there."""


class RelayLegs:
    """See above. `receiver` makes one for a socket that many peers send to, `receive` reads it until cancelled."""

    def __init__(
        self,
        services: TransportServices,
        receiver: Callable[[int, UdpSocket], Receiver],
        receive: Callable[[Receiver], Awaitable[None]],
    ) -> None:
        self._services, self._receiver, self._receive = services, receiver, receive
        self._sockets: dict[tuple[int, str | None], list[int]] = {}  # by IP version, and the address they call from
        self.receivers: list[Receiver] = []
        """Of the edge's sockets."""
        self._legs: dict[RelayIngest, int] = {}  # with the SSRC that each reports under
        self._promised = deque[int](maxlen=MOST_PROMISED)
        self._nursery: trio.Nursery | None = None

    def __len__(self) -> int:
        """Legs that come here."""
        return len(self._legs)

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
        """For one leg. Its reports have an SSRC that no other leg has: an origin tells them apart by that."""
        taken = {*self._legs.values(), *self._promised}
        while report_ssrc((credentials := make_credentials(self._services.context.entropy))[0]) in taken:
            pass
        self._promised.append(report_ssrc(credentials[0]))
        return credentials

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
            path = self._path(address, source, tracks)
        except (OSError, ValueError) as error:
            raise _refusal(f"no way to {address[0]} port {address[1]}: {error}") from None
        try:
            ingest = RelayIngest(
                self._services,
                origin,
                tracks,
                pull,
                post,
                edge_roles(path, credentials, origin, tracks),
                heeds_requests=heeds_requests,
                continues=continues,
            )
        except (SdpError, ValueError) as error:
            raise _refusal(str(error)) from None
        self._legs[ingest] = report_ssrc(credentials[0])
        return ingest

    def end(self, ingest: RelayIngest) -> None:
        """Close a leg. Idempotent."""
        ingest.close()
        self._legs.pop(ingest, None)

    # -- the edge's sockets --------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Read them until cancelled."""
        try:
            async with trio.open_nursery() as self._nursery:
                for receiver in self.receivers:
                    self._nursery.start_soon(self._receive, receiver)
                await trio.sleep_forever()
        finally:
            self._nursery = None

    def close(self) -> None:
        """At the end of the plane, which closes the sockets."""
        for receiver in self.receivers:
            receiver.close()

    def _path(self, address: Address, source: str | None, tracks: Sequence[LegTrack]) -> IcePath:
        """The way there. Raises OSError; ValueError for what is no address: no name is looked up here."""
        remote = ip_address(address[0])
        if not 0 < address[1] < 65536:
            raise ValueError("no port")
        if source is not None and ip_address(source).version != remote.version:
            source = None
        there, key = reached(remote, address[1]), (remote.version, source)
        ssrcs = [ssrc for track in tracks for ssrc in track.ssrcs]
        paths = [IcePath(there, local) for local in self._sockets.setdefault(key, [])]
        path = next((path for path in paths if self._services.peers.has_room(path, ssrcs)), None)
        return path or IcePath(there, self._open(*key))

    def _open(self, version: int, source: str | None) -> int:
        """One more socket; its number."""
        services = self._services
        entry = open_calling_socket(version, source, services.context.settings.media_socket_buffer)
        local = services.port.add(entry)
        services.peers.add_socket(local)
        self._sockets[version, source].append(local)
        receiver = self._receiver(local, entry.socket)
        self.receivers.append(receiver)
        if self._nursery is not None:
            self._nursery.start_soon(self._receive, receiver)
        return local


def _refusal(detail: str) -> MediaRefused:
    return MediaRefused(StreamInfo.FAILED_TO_CONNECT_TO_ORIGIN_STREAM, detail)
