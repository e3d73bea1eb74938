"""A DTLS handshake under way, and who may begin one: each costs memory and time, so their number is limited."""

import math
from collections import Counter
from collections.abc import Hashable
from typing import Generic, TypeVar

from attrs import frozen

from config.media_addresses import client_key
from protocol.webrtc.dtls import DtlsEndpoint
from protocol.webrtc.paths import IcePath

T = TypeVar("T", bound=Hashable)

SESSION_SHARE = 10
"""A session may have one in this many of all handshakes under way."""
ADDRESS_SHARE = 2
"""An IPv4 address, or IPv6 /64 network, may have one in this many: whole companies share one."""
RESERVE_SHARE = 10
"""One in this many is reserved for sessions that have no handshake under way."""


class Handshake:
    """A transport's DTLS endpoint, the path of its datagrams, and its deadline.

    It lives on after the handshake, for what the peer repeats, and for its close_notify.
    """

    def __init__(self, dtls: DtlsEndpoint, until: float) -> None:
        self.dtls = dtls
        self.until = until
        """When the handshake is given up; math.inf once it is done."""
        self.path: IcePath | None = None
        """Where the newest datagram came from; ours go there."""
        self._changes = 0
        self._retransmit_at = math.inf

    @property
    def deadline(self) -> float:
        """When `on_time` is due, or the time is over."""
        return min(self.until, self._retransmit_at)

    def excuse(self, until: float) -> None:
        """We have not listened for a while: the handshake is not given up before `until`."""
        self.until = max(self.until, until)

    @property
    def is_single_path(self) -> bool:
        """Whether everything came by `path`, and so everything of ours went there."""
        return self._changes == 1

    def feed(self, data: bytes, here: IcePath, now: float) -> None:
        """A datagram came by this path."""
        self._follow(here)
        self.dtls.feed(data)
        self._set_timer(now)

    def first_flight(self, here: IcePath, now: float) -> list[bytes]:
        """A path is proved. If we are the client, and have not begun, begin on it with these datagrams."""
        if self.path is not None or not self.dtls.is_client:
            return []
        self._follow(here)
        self._set_timer(now)
        return self.dtls.take_datagrams()

    def _follow(self, here: IcePath) -> None:
        if here != self.path:
            self.path = here
            self._changes += 1

    def on_time(self, now: float) -> bool:
        """Repeat the last flight; False if that is not yet due."""
        if now < self._retransmit_at:
            return False
        self.dtls.handle_timeout()
        self._set_timer(now)
        return True

    def _set_timer(self, now: float) -> None:
        timeout = self.dtls.next_timeout()
        self._retransmit_at = math.inf if timeout is None else now + timeout


@frozen(kw_only=True)
class _Holder:
    session_id: str
    network: str


class Handshakes(Generic[T]):
    """The handshakes under way, `limit` at most. A share is one place at least."""

    def __init__(self, limit: int) -> None:
        self.limit = limit
        self._holders: dict[T, _Holder] = {}
        self._by_session: Counter[str] = Counter()
        self._by_network: Counter[str] = Counter()

    def __len__(self) -> int:
        return len(self._holders)

    def refusal(self, session_id: str, address: str) -> str | None:
        """What is used up for a handshake of this session with this address (session, address or all); None: begin."""
        under_way = self._by_session[session_id]
        reserve = self.limit // RESERVE_SHARE if under_way else 0
        if len(self._holders) >= self.limit - reserve:
            return "all"
        if under_way >= max(1, self.limit // SESSION_SHARE):
            return "session"
        if self._by_network[client_key(address)] >= max(1, self.limit // ADDRESS_SHARE):
            return "address"
        return None

    def add(self, owner: T, session_id: str, address: str) -> None:
        """It begins."""
        self.discard(owner)
        holder = self._holders[owner] = _Holder(session_id=session_id, network=client_key(address))
        self._by_session[holder.session_id] += 1
        self._by_network[holder.network] += 1

    def discard(self, owner: T) -> None:
        """It has ended, if there was one."""
        holder = self._holders.pop(owner, None)
        if holder is None:
            return
        for counts, key in ((self._by_session, holder.session_id), (self._by_network, holder.network)):
            counts[key] -= 1
            if not counts[key]:
                del counts[key]
