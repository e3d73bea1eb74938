"""Which peer a datagram belongs to: by our user fragment, by where it came from, by its SSRC."""

from collections import Counter
from collections.abc import Iterable
from typing import Generic

from attrs import frozen

from actors.media.peer.peer import P
from protocol.webrtc.paths import IcePath
from protocol.webrtc.stun import Address


@frozen(eq=False)
class Route(Generic[P]):
    """The peer whose packets come from one address. `path` is that address with the socket."""

    peer: P
    path: IcePath


class PeerTable(Generic[P]):
    """All living peers of one media plane with `sockets` sockets."""

    def __init__(self, sockets: int) -> None:
        self.version = 0
        """Goes up with every change of `routes` and `shared`."""
        self.by_ufrag: dict[str, P] = {}
        self.by_ssrc: dict[int, P] = {}
        """By the SSRC of authentic packets; the first peer, should two have the same SSRC."""
        self.routes: list[dict[Address, Route[P]]] = [{} for _ in range(sockets)]
        """For each socket, by the peer's address."""
        self.shared: dict[tuple[IcePath, int], Route[P]] = {}
        """Of peers that share an address, by it and the SSRCs of what they send."""
        self.streams: Counter[str] = Counter()
        """How many peers each signalling session has."""
        self.kinds: Counter[type] = Counter()
        """How many peers serve each kind of handler."""

    def add_socket(self, local: int) -> None:
        """There is a socket of this number, too."""
        while len(self.routes) <= local:
            self.routes.append({})

    def add(self, peer: P) -> None:
        self.by_ufrag[peer.ufrag] = peer
        self.streams[peer.session_id] += 1
        self.kinds[type(peer.end)] += 1
        for path in peer.agent.paths:  # where we call it
            self.route(path, peer)

    def remove(self, peer: P) -> bool:
        """Forget a peer with all its routes and SSRCs; False if it is not here."""
        if self.by_ufrag.pop(peer.ufrag, None) is None:
            return False
        self.kinds[type(peer.end)] -= 1
        self.streams[peer.session_id] -= 1
        if not self.streams[peer.session_id]:
            del self.streams[peer.session_id]
        for path in peer.agent.paths:
            self.unroute(path, peer)
        for ssrc in () if peer.receiver is None else peer.receiver.ssrcs:
            if self.by_ssrc.get(ssrc) is peer:
                del self.by_ssrc[ssrc]
        return True

    def claim(self, path: IcePath, peer: P, now: float) -> bool:
        """A valid check of this peer came by the path. Returns whether packets from there now belong to this peer.

        A valid check claims the path, unless another peer has proven it and was heard there recently. Taking it from
        that peer requires another proof (`route`), because the check's source address may be forged. Where peers share
        an address, none takes another's packets.
        """
        if peer.shares is not None:
            self.route(path, peer)
            return True
        held = self.routes[path.local].get(path.remote)
        if held is None or held.peer is peer or not held.peer.agent.holds(path, now):
            self.route(path, peer)
            return True
        return False

    def route(self, path: IcePath, peer: P) -> None:
        """Packets from this path are the peer's. Another peer loses the path, unless they share it."""
        if peer.shares is not None:
            self._share(path, peer, peer.shares.ssrcs)
            return
        held = self.routes[path.local].get(path.remote)
        if held is not None:
            if held.peer is peer:
                return
            held.peer.agent.yield_path(path)
        self.routes[path.local][path.remote] = Route(peer, path)
        self.version += 1

    def has_room(self, path: IcePath, ssrcs: Iterable[int]) -> bool:
        """Whether nobody at this address sends any of these yet."""
        return not any((path, ssrc) in self.shared for ssrc in ssrcs)

    def _share(self, path: IcePath, peer: P, ssrcs: Iterable[int]) -> None:
        for ssrc in ssrcs:
            held = self.shared.get((path, ssrc))
            if held is None or held.peer is not peer:
                self.shared[path, ssrc] = Route(peer, path)
                self.version += 1

    def unroute(self, path: IcePath, peer: P) -> None:
        for ssrc in () if peer.shares is None else peer.shares.ssrcs:
            held = self.shared.get((path, ssrc))
            if held is not None and held.peer is peer:
                del self.shared[path, ssrc]
                self.version += 1
        held = self.routes[path.local].get(path.remote)
        if held is not None and held.peer is peer:
            del self.routes[path.local][path.remote]
            self.version += 1
