"""ICE-lite, the server's end (RFC 8445 sections 2.5 and 7.3, RFC 7675).

A lite agent answers the browser's checks, and learns from them where the browser is. This one also sends a few checks,
only to prove that the peer is at the end of a path (`protocol.webrtc.paths`).

    a valid check        its path is known from now on; while no path is in use yet, we check it
    SRTP from elsewhere  the same, if it is authentic: a NAT has given the peer another port
    a proven path        becomes the path in use if the peer wants it: none is in use yet, or the peer's media or
                         nominations came by it later than by the one in use, or that one is silent and this is not
    the handshake        if it went over a single path, it proves that path: nobody else could have completed it

So media follows the peer. Browsers show their choice in different ways: Chromium repeats its nomination of the path it
uses, Firefox nominates every working path at the start and none afterwards, and both send only on the path they chose.
Of several nominated pairs the one of higher priority counts (RFC 5245 section 8.1.1.2), unless the one in use has gone
quiet.

Only authenticated packets on the path in use keep the consent to send alive. Invalid ones leave no trace: they get no
answer and move no deadline. Roles are settled before ICE begins (towards a browser the lite agent is controlled), so
the peer's role is ignored. A controlling agent nominates with its checks.
"""

import base64
import math
from collections.abc import Callable, Sequence

from attrs import field, frozen

from protocol.webrtc.consent import Consent, IceExpiry
from protocol.webrtc.paths import IcePath, OwnCheck, PeerPath, pair_priority
from protocol.webrtc.stun import (
    BINDING,
    Address,
    StunClass,
    StunMessage,
    build_request,
    build_response,
    build_unknown_attributes,
)

SILENCE = 4.0
"""After this many seconds of silence on the path in use, a mere check is enough to prefer another path.

Browsers check every 2.5 to 6 s, and report on media about once a second.
"""

_UFRAG_BYTES = 6
_PWD_BYTES = 18
_PEER_REFLEXIVE = (110 << 24) | (65_535 << 8) | 255
"""PRIORITY of our checks: a candidate that such a check would reveal (RFC 8445 sections 5.1.2.1 and 7.1.1)."""


def make_credentials(entropy: Callable[[int], bytes]) -> tuple[str, str]:
    """Make a user fragment (48 bits, 8 characters) and a password (144 bits, 24 characters) from `entropy`.

    `entropy(n)` returns n random bytes, like `secrets.token_bytes`. They use only ice-char: letters, digits, + and /.
    """
    return base64.b64encode(entropy(_UFRAG_BYTES)).decode(), base64.b64encode(entropy(_PWD_BYTES)).decode()


def recipient(message: StunMessage) -> str | None:
    """The user fragment of the agent that the message claims to be for; None when it names none.

    A request or indication contains it. A response repeats the transaction id of our check, which begins with it.
    """
    if message.kind in (StunClass.REQUEST, StunClass.INDICATION):
        return message.local_ufrag
    return base64.b64encode(message.transaction_id[:_UFRAG_BYTES]).decode()


@frozen(kw_only=True)
class IceEffect:
    """What one request led to.

    response: the datagram to send back to the request's source, on the same socket; None: no response.
    valid: it was a valid check; other packets from that source may be the peer's.
    dropped: paths that are no longer known; forget their mapping.
    """

    response: bytes | None = None
    valid: bool = False
    dropped: tuple[IcePath, ...] = field(default=())


_SILENCE = IceEffect()


class IceLiteAgent:
    """One peer's ICE. `now` is in seconds on any monotonic clock, the same one for all calls.

    ufrag, pwd: our own credentials, single use, from `make_credentials`; remote_ufrag, remote_pwd: the offer's.
    entropy: as for `make_credentials`. controlling: our role. preferences: our candidate's priority on each socket.
    check_timeout: seconds from the start to the first valid check; consent_timeout: seconds without consent after it.
    max_paths: how many paths are known at a time; the one silent longest makes room, never the one in use.

    After each call that may lead to checks of ours, `take_checks` returns them.
    """

    def __init__(
        self,
        ufrag: str,
        pwd: str,
        remote_ufrag: str,
        remote_pwd: str,
        now: float,
        *,
        entropy: Callable[[int], bytes],
        preferences: Sequence[int] = (),
        controlling: bool = False,
        check_timeout: float = 15.0,
        consent_timeout: float = 30.0,
        max_paths: int = 8,
    ) -> None:
        self.ufrag = ufrag
        self._key = pwd.encode()
        self._username = f"{ufrag}:{remote_ufrag}"
        self._remote_key = remote_pwd.encode()
        self._remote_username = f"{remote_ufrag}:{ufrag}"
        self._entropy = entropy
        self._preferences = preferences
        self._controlling = controlling
        self.consent = Consent(now, check_timeout=check_timeout, timeout=consent_timeout)
        self._max_paths = max(2, max_paths)
        self._known: dict[IcePath, PeerPath] = {}
        self._current: PeerPath | None = None
        self._checks: list[OwnCheck] = []

    # -- what is known -------------------------------------------------------------------------------------------

    @property
    def path(self) -> IcePath | None:
        """Where media goes; None until a path is proven."""
        return None if self._current is None else self._current.path

    @property
    def paths(self) -> tuple[IcePath, ...]:
        """All paths from which a valid check came, at most `max_paths`."""
        return tuple(self._known)

    @property
    def deadline(self) -> float:
        """When `on_time` is due, or the agent expires unless it hears from the peer first."""
        return min(
            self.consent.expiry(self._current),
            min((known.next_send for known in self._known.values()), default=math.inf),
        )

    def expired(self, now: float) -> IceExpiry | None:
        """Why the agent has expired; None while it has not."""
        return self.consent.expired(self._current, now)

    def holds(self, path: IcePath, now: float) -> bool:
        """The path is proven, and the peer was heard on it within the consent timeout."""
        known = self._known.get(path)
        return known is not None and known.proven and now < known.heard + self.consent.timeout

    # -- what comes ----------------------------------------------------------------------------------------------

    def handle(self, request: StunMessage, source: Address, now: float, *, size: int, local: int = 0) -> IceEffect:
        """Take a request of `size` bytes from `source`, received on our socket number `local`."""
        if not self._is_authentic(request):
            return _SILENCE
        if request.unknown_required:
            return IceEffect(response=build_unknown_attributes(request, self._key))
        path = IcePath(source, local)
        known = self._known.get(path)
        dropped: tuple[IcePath, ...] = ()
        if known is None:
            known = self._known[path] = PeerPath(path)
            dropped = self._make_room(known, now)
        known.credit(size)
        response = build_response(request, source, self._key)
        known.allow(len(response))
        self._hear_check(known, request, now)
        return IceEffect(response=response, valid=True, dropped=dropped)

    def handle_response(self, response: StunMessage, source: Address, now: float, *, local: int = 0) -> IcePath | None:
        """Take the answer to a check of ours; returns the path that it proves, if any.

        It must come from where the check went (RFC 8445 section 7.2.5.2.1). An error response proves the path as well,
        if it is authentic.
        """
        known = self._known.get(IcePath(source, local))
        if known is None or response.transaction_id != known.transaction_id:
            return None
        if response.kind not in (StunClass.RESPONSE, StunClass.ERROR) or not response.verify(self._remote_key):
            return None
        known.settle()
        known.hear(now)
        self._prove(known, now)
        return known.path

    def touch(self, path: IcePath, now: float) -> bool:
        """An authenticated SRTP or SRTCP packet came by this known path. Returns whether there are checks to send."""
        current = self._current
        if current is not None and current.path == path:
            current.use(now)
            return False
        known = self._known.get(path)
        if known is None:
            return False
        known.use(now)
        if self._wants(known, now):
            self._ask(known, now)
        return bool(self._checks)

    def meet(self, path: IcePath, now: float, *, size: int) -> tuple[IcePath, ...]:
        """An authenticated SRTP or SRTCP packet came from an address that has sent no check yet.

        A NAT may change the port at any time, and the next check may be seconds away. Returns the paths that made room.
        """
        known = self._known.setdefault(path, PeerPath(path))
        known.credit(size)
        known.use(now)
        if self._wants(known, now):
            self._ask(known, now)
        return self._make_room(known, now)

    def shook_hands(self, path: IcePath, now: float) -> None:
        """The handshake is complete, and all of it went over this path."""
        known = self._known.get(path)
        if known is not None:
            known.use(now)
            self._prove(known, now)

    def credit(self, path: IcePath, size: int) -> None:
        """A datagram of `size` bytes came by this path."""
        known = self._known.get(path)
        if known is not None:
            known.credit(size)

    # -- what goes -----------------------------------------------------------------------------------------------

    def allow(self, path: IcePath, size: int) -> bool:
        """Whether a datagram of `size` bytes may be sent there now; if so, it is counted."""
        known = self._known.get(path)
        return known is not None and known.allow(size)

    def ask(self, path: IcePath, now: float) -> None:
        """Check a known path, because another peer claims it too."""
        known = self._known.get(path)
        if known is not None:
            self._ask(known, now)

    def yield_path(self, path: IcePath) -> None:
        """Another peer has proved that it is at the other end of this path."""
        known = self._known.get(path)
        if known is not None:
            known.proven = False

    def on_time(self, now: float) -> None:
        """Repeat the checks that were not answered."""
        for known in self._known.values():
            if now >= known.next_send:
                self._send(known, now)

    def take_checks(self) -> Sequence[OwnCheck]:
        """The checks to send now; each is given once."""
        taken, self._checks = self._checks, []
        return taken

    # -- inside --------------------------------------------------------------------------------------------------

    def _is_authentic(self, request: StunMessage) -> bool:
        return (
            request.kind is StunClass.REQUEST
            and request.method == BINDING
            and request.username == self._username
            and request.verify(self._key)
        )

    def _hear_check(self, known: PeerPath, request: StunMessage, now: float) -> None:
        self.consent.hear_check(now)
        known.hear(now)
        theirs, ours = request.priority or 0, self._preference(known.path.local)
        known.priority = pair_priority(ours, theirs) if self._controlling else pair_priority(theirs, ours)
        if request.use_candidate and self._nomination_counts(known, now):
            known.use(now)
        if self._wants(known, now):
            self._ask(known, now)

    def _preference(self, local: int) -> int:
        return self._preferences[local] if local < len(self._preferences) else 0

    def _nomination_counts(self, known: PeerPath, now: float) -> bool:
        current = self._current
        return current is None or known.priority >= current.priority or now > current.used + SILENCE

    def _wants(self, known: PeerPath, now: float) -> bool:
        """Whether the peer prefers this path to the one in use."""
        current = self._current
        if current is None or known is current:
            return current is None
        is_lost = not current.proven or now > current.heard + SILENCE
        return known.used > current.used or (is_lost and known.heard > current.heard)

    def _prove(self, known: PeerPath, now: float) -> None:
        known.proven = True
        if self._wants(known, now):
            self._current = known

    def _ask(self, known: PeerPath, now: float) -> None:
        if not known.may_ask(now):
            return
        transaction_id = base64.b64decode(self.ufrag)[:_UFRAG_BYTES] + self._entropy(_UFRAG_BYTES)
        datagram = build_request(
            transaction_id=transaction_id,
            username=self._remote_username,
            key=self._remote_key,
            priority=_PEER_REFLEXIVE,
            tie_breaker=int.from_bytes(self._entropy(8)),
            use_candidate=self._controlling,
            controlling=self._controlling,
        )
        known.ask(transaction_id, datagram, now)
        self._send(known, now)

    def _send(self, known: PeerPath, now: float) -> None:
        check = known.next_datagram(now)
        if check is not None:
            self._checks.append(check)

    def _make_room(self, newcomer: PeerPath, now: float) -> tuple[IcePath, ...]:
        """Forget paths not checked within the consent timeout, then the oldest ones beyond the limit."""
        others = [known for known in self._known.values() if known not in (self._current, newcomer)]
        gone = _displaced(others, len(self._known) - self._max_paths, now - self.consent.timeout)
        for path in gone:
            del self._known[path]
        return gone


def _displaced(candidates: list[PeerPath], surplus: int, stale: float) -> tuple[IcePath, ...]:
    """The `surplus` least important of these, and all that were last heard at `stale` or before."""
    candidates.sort(key=lambda known: (known.proven, known.heard))
    return tuple(known.path for index, known in enumerate(candidates) if index < surplus or known.heard <= stale)
