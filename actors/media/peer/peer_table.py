"""The sockets, and which peer is reached where. Shared by all transports of one media plane."""

import math
from collections import Counter as CounterOf
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from attrs import frozen

from actors.media.io.sockets import MediaSocket
from actors.media.peer.deadlines import Deadlines
from actors.media.peer.handshakes import Handshake, Handshakes
from actors.media.sending.sender import PacketSender
from actors.media.statistics import Counters
from actors.runtime.logs import RateLimitedLog, get_logger
from config.settings import Settings
from protocol.webrtc.answer import candidate_priorities
from protocol.webrtc.dtls import DtlsContext, DtlsEndpoint
from protocol.webrtc.paths import IcePath
from protocol.webrtc.sdp import Fingerprint
from protocol.webrtc.stun import Address

if TYPE_CHECKING:
    from actors.media.peer.transport import Transport


log = get_logger("media")


@frozen
class Route:
    """Whose packets those from one address are. `path` is that address with the socket."""

    transport: "Transport"
    path: IcePath


class Network:
    """Plain tables and a send function; the media plane's task and the calls of its users are the only ones inside.

    `clock` is monotonic seconds, `entropy(n)` gives n random bytes. `woken` is called when somebody's deadline may have
    become the earliest one.
    """

    def __init__(
        self,
        sockets: Sequence[MediaSocket],
        settings: Settings,
        context: DtlsContext,
        sender: PacketSender,
        *,
        clock: Callable[[], float],
        entropy: Callable[[int], bytes],
        woken: Callable[[float], None],
    ) -> None:
        self.sockets = tuple(sockets)
        self.settings = settings
        self.context = context
        self.sender = sender
        self.clock = clock
        self.entropy = entropy
        self.counters = Counters()
        self.drop_log = RateLimitedLog(get_logger("media"), burst=20, clock=clock)
        self.fresh_from = -math.inf
        """What came before this is too old for any viewer."""
        self.in_picture = False
        """The newest video packet that is on its way to viewers is not the last one of its picture."""
        self.streams: CounterOf[str] = CounterOf()  # by signalling session
        self.deadlines: Deadlines[Transport] = Deadlines()
        self.handshakes: Handshakes[Transport] = Handshakes(settings.max_handshakes)  # DTLS is armed and not yet up
        self.transports: dict[str, Transport] = {}  # by our ICE user fragment
        self.routes: tuple[dict[Address, Route], ...] = tuple({} for _ in sockets)  # by socket and peer address
        self.voices: dict[int, Transport] = {}  # by SSRC of what was authentic; the first one, should two have the same
        self.preferences = _preferences(self.sockets)
        self._unsettled: dict[Transport, None] = {}
        self._woken = woken
        self._refusals = RateLimitedLog(log, clock=clock)

    def random_number(self, bits: int) -> int:
        """A random number of so many bits, a multiple of 8; never 0."""
        return int.from_bytes(self.entropy(bits // 8), "big") or 1

    def schedule(self, transport: "Transport") -> None:
        """The transport's deadline may have changed. One that is closed has none."""
        if transport.closed:
            return
        when = transport.deadline
        self.deadlines.set(transport, when)
        self._woken(when)

    def schedule_later(self, transport: "Transport") -> None:
        """The same, at the end of this wake-up: once, however many packets there were."""
        self._unsettled[transport] = None

    def settle(self) -> None:
        """The wake-up ends."""
        while self._unsettled:
            self.schedule(self._unsettled.popitem()[0])

    def send(self, data: bytes, path: IcePath) -> None:
        """Send one datagram, or lose it: nothing here waits."""
        try:
            self.sockets[path.local].socket.sendto(data, path.remote)
        except OSError:
            self.counters.send_errors += 1

    def claim(self, path: IcePath, transport: "Transport", now: float) -> bool:
        """A valid check of this transport came by the path. Tells whether what comes there is the transport's now.

        Any valid check takes a path back, and keeps it. Only from a peer that has proved to be at its end, and was
        heard there a while ago, it takes another proof (`route`): the check's source address may be anybody's.
        """
        held = self.routes[path.local].get(path.remote)
        if held is None or held.transport is transport or not held.transport.agent.holds(path, now):
            self.route(path, transport)
            return True
        return False

    def route(self, path: IcePath, transport: "Transport") -> None:
        """Packets from this path are the transport's. Another owner loses it."""
        held = self.routes[path.local].get(path.remote)
        if held is not None:
            if held.transport is transport:
                return
            held.transport.agent.yield_path(path)
        self.routes[path.local][path.remote] = Route(transport, path)

    def unroute(self, path: IcePath, transport: "Transport") -> None:
        held = self.routes[path.local].get(path.remote)
        if held is not None and held.transport is transport:
            del self.routes[path.local][path.remote]

    def begin_handshake(self, transport: "Transport", fingerprints: tuple[Fingerprint, ...], address: str) -> Handshake:
        """Make its DTLS, in a place that `admits_handshake` has found free."""
        self.handshakes.add(transport, transport.session_id, address)
        return Handshake(DtlsEndpoint(self.context, fingerprints), self.clock() + self.settings.dtls_timeout)

    def admits_handshake(self, session_id: str, path: IcePath) -> bool:
        """Whether there is a place for one more; if not, a line in the log says what is used up."""
        share = self.handshakes.refusal(session_id, path.remote[0])
        if share is not None:
            self._refusals.warning(
                "handshake put off", session=session_id, address=path.remote[0], limit="max_handshakes", share=share
            )
        return share is None

    def add(self, transport: "Transport") -> None:
        self.transports[transport.ufrag] = transport
        self.streams[transport.session_id] += 1

    def forget(self, transport: "Transport") -> None:
        if self.transports.pop(transport.ufrag, None) is None:
            return
        self.streams[transport.session_id] -= 1
        if not self.streams[transport.session_id]:
            del self.streams[transport.session_id]
        self.handshakes.discard(transport)
        self._unsettled.pop(transport, None)
        self.deadlines.remove(transport)
        for path in transport.agent.paths:
            self.unroute(path, transport)
        for ssrc in () if transport.receiver is None else transport.receiver.ssrcs:
            if self.voices.get(ssrc) is transport:
                del self.voices[ssrc]


def _preferences(sockets: Sequence[MediaSocket]) -> tuple[int, ...]:
    """The best priority among the candidates that lead to each socket."""
    priorities = iter(candidate_priorities([address for entry in sockets for address in entry.advertised]))
    return tuple(max((next(priorities) for _ in entry.advertised), default=0) for entry in sockets)
