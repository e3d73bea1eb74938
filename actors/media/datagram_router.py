"""Which datagram is whose: by its first bytes what it is, by its source, user fragment or SSRC which peer's."""

from collections.abc import Hashable, Sequence
from itertools import islice

from actors.media.guard import PeerGuard
from actors.media.io.datagrams import STRIDE, Datagrams
from actors.media.peer.peer_table import Route
from actors.media.peer.transport import Transport, TransportServices
from protocol.webrtc.demux import Datagram, ssrc_of
from protocol.webrtc.ice import recipient
from protocol.webrtc.paths import IcePath
from protocol.webrtc.stun import Address, StunClass, StunError
from protocol.webrtc.stun import parse as parse_stun

MAX_NAMES = 10_000
"""Sources whose route is remembered under the name that the kernel has for them."""

_IS_RTP = bytes(first >> 6 == 0b10 for first in range(256))  # by the first byte (`protocol.webrtc.demux`)
_IS_NO_RTCP = bytes(second >> 5 != 0b110 for second in range(256))


class DatagramRouter:
    """What comes to the plane's socket number `local`.

    Media of one peer that was read together is handled together, as a run: what a run needs once is done once. The
    order of what a peer sent is kept; only media of different peers may change places. `is_shared`: media of many peers
    comes from one source, so it is known by its SSRC too.
    """

    def __init__(self, services: TransportServices, guard: PeerGuard, local: int, *, is_shared: bool = False) -> None:
        self._peers = services.peers
        self._counters = services.context.counters
        self._guard = guard
        self._local = local
        self._keys = _names_and_ssrcs if is_shared else _names
        self._is_shared = is_shared
        self._by_key: dict[Hashable, Route[Transport]] = {}
        self._version = -1  # of the table of peers that the names are from

    def take(self, datagrams: Datagrams) -> None:
        """Handle each of the datagrams."""
        first, count = datagrams.first, datagrams.count
        self._counters.datagrams += count - first
        memory, end = datagrams.memory, count * STRIDE
        ones, twos = bytes(memory[0:end:STRIDE]).translate(_IS_RTP), bytes(memory[1:end:STRIDE]).translate(_IS_NO_RTCP)
        by_key, runs = self._known(), dict[Route[Transport], list[int]]()
        heads = zip(range(count), ones, twos, datagrams.sizes, self._keys(datagrams), strict=True)
        for index, is_rtp, is_no_rtcp, size, key in islice(heads, first, None) if first else heads:
            route = by_key.get(key) if is_rtp and is_no_rtcp and size > 1 else None
            if route is None:
                self._take_runs(datagrams, runs)
                self._guard.run(self._take_single, datagrams, index, key)
                by_key = self._known()
            elif route in runs:
                runs[route].append(index)
            else:
                runs[route] = [index]
        self._take_runs(datagrams, runs)

    def _known(self) -> dict[Hashable, Route[Transport]]:
        """The routes by the kernel's names, as far as they are still right."""
        if self._version != self._peers.version or len(self._by_key) > MAX_NAMES:
            self._version = self._peers.version
            self._by_key.clear()
        return self._by_key

    def _take_runs(self, datagrams: Datagrams, runs: dict[Route[Transport], list[int]]) -> None:
        for route, indices in runs.items():
            self._guard.run(route.peer.on_srtp, datagrams, indices, route.path, peer=route.peer)
        runs.clear()

    def _take_single(self, datagrams: Datagrams, index: int, key: Hashable) -> None:
        data, source, now = datagrams.data(index), datagrams.source(index), datagrams.arrivals[index]
        kind = Datagram.of(data)
        if kind is Datagram.STUN:
            self._take_stun(data, IcePath(source, self._local), now)
            return
        route = self._route(kind, data, source)
        if route is None:
            self._take_stray(kind, datagrams, index, IcePath(source, self._local))
            return
        self._guard.current = transport = route.peer
        if kind is Datagram.RTP:
            if self._is_shared or route.peer.shares is None:
                self._known()[key] = route
            transport.on_srtp(datagrams, [index], route.path)
        elif kind is Datagram.RTCP:
            transport.on_srtcp(data, route.path, now)
        elif kind is Datagram.DTLS:
            transport.on_dtls(data, route.path, now)
        else:
            self._counters.unexpected += 1

    def _route(self, kind: Datagram, data: bytes, source: Address) -> Route[Transport] | None:
        """Whose media or control it is, by its source, and where peers share that by its SSRC."""
        peers, ssrc = self._peers, ssrc_of(kind, data)
        shared = None if ssrc is None or not peers.shared else peers.shared.get((IcePath(source, self._local), ssrc))
        return shared or peers.routes[self._local].get(source)

    def _take_stray(self, kind: Datagram, datagrams: Datagrams, index: int, here: IcePath) -> None:
        """Not STUN, from an unknown address: perhaps a peer whose address has changed."""
        self._counters.unknown_address += 1
        ssrc = ssrc_of(kind, datagrams.data(index))
        self._guard.current = transport = None if ssrc is None else self._peers.by_ssrc.get(ssrc)
        if transport is not None:
            transport.on_stray(kind, datagrams, index, here)

    def _take_stun(self, data: bytes, here: IcePath, now: float) -> None:
        """STUN that is not for a living user fragment gets no answer, so nothing can be amplified."""
        try:
            message = parse_stun(data)
        except StunError:
            self._counters.stun_ignored += 1
            return
        self._guard.current = transport = self._peers.by_ufrag.get(recipient(message) or "")
        if transport is None:
            self._counters.stun_ignored += 1
        elif message.dtls is not None and message.kind is StunClass.INDICATION:
            self._take_wrapped(transport, message.dtls, here, now)
        else:
            transport.on_stun(message, here, len(data), now)

    def _take_wrapped(self, transport: Transport, datagram: bytes, here: IcePath, now: float) -> None:
        """DTLS of one of several peers at an address. As any other it is from a checked address, or nothing."""
        is_from_peer = transport.shares is not None and here in transport.agent.paths
        if is_from_peer and Datagram.of(datagram) is Datagram.DTLS:
            transport.on_dtls(datagram, here, now)
        else:
            self._counters.unexpected += 1


def _names(datagrams: Datagrams) -> Sequence[Hashable]:
    return datagrams.names


def _names_and_ssrcs(datagrams: Datagrams) -> Sequence[Hashable]:
    """As the header has it; in a datagram without one, whatever there is."""
    words = datagrams.memory[: datagrams.count * STRIDE].cast("I")
    return list(zip(datagrams.names, words[2 :: STRIDE // 4].tolist(), strict=True))
