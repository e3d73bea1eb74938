"""ICE-lite, the server's end (RFC 8445 sections 2.5 and 7.3, RFC 7675).

A lite agent sends no checks of its own: it answers those of the browser, and learns from them where the browser is.

    NEW --valid check--> CONNECTED          an address is validated by every valid check from it
                                            the first one is sent to at once, provisionally
                                            later ones are sent to once a valid check carries USE-CANDIDATE

Only authenticated checks keep the consent to send alive; the owner adds valid SRTP by `touch`. Whatever is not a valid
check leaves no trace: there is no answer to give, and no clock to move. Role conflicts cannot arise with a lite agent
that always is the controlled one, so the peer's role is not looked at.
"""

import base64
import enum
from collections.abc import Callable
from typing import NamedTuple

from attrs import field, frozen

from protocol.webrtc.stun import BINDING, Address, StunClass, StunMessage, build_response, build_unknown_attributes

_UFRAG_BYTES = 6
_PWD_BYTES = 18


def make_credentials(entropy: Callable[[int], bytes]) -> tuple[str, str]:
    """Make a user fragment (48 bits, 8 characters) and a password (144 bits, 24 characters) from `entropy`.

    `entropy(n)` gives n random bytes, as `secrets.token_bytes` does. Only ice-char is used: letters, digits, + and /.
    """
    return base64.b64encode(entropy(_UFRAG_BYTES)).decode(), base64.b64encode(entropy(_PWD_BYTES)).decode()


class IceExpiry(enum.Enum):
    """Why an agent has come to its end."""

    NO_CHECK = "no valid check came in time"
    CONSENT = "the peer's consent to receive was not renewed in time"


class IcePath(NamedTuple):
    """The two ends of a validated pair: the peer's address, and the number of our socket on which it was heard."""

    remote: Address
    local: int


@frozen(kw_only=True)
class IceEffect:
    """What one request led to.

    response: the datagram to send back to where the request came from, on the socket on which it came; None: silence.
    became_valid: the source is newly validated; take DTLS and SRTP from it.
    nominated: the address to send to from now on, when this check changed it, else None.
    dropped: paths that are validated no longer; forget the mapping.
    """

    response: bytes | None = None
    became_valid: bool = False
    nominated: Address | None = None
    dropped: tuple[IcePath, ...] = field(default=())


_SILENCE = IceEffect()


class IceLiteAgent:
    """One peer's ICE. `now` is in seconds on any monotonic clock, the same one for all calls.

    ufrag, pwd: our own credentials, single use, from `make_credentials`; remote_ufrag: the offer's.
    check_timeout: seconds from the start to the first valid check; consent_timeout: seconds without consent after it.
    max_paths: how many validated addresses are kept; the one heard longest ago makes room, never the one in use.
    """

    def __init__(
        self,
        ufrag: str,
        pwd: str,
        remote_ufrag: str,
        now: float,
        *,
        check_timeout: float = 15.0,
        consent_timeout: float = 30.0,
        max_paths: int = 8,
    ) -> None:
        self.ufrag = ufrag
        self._key = pwd.encode()
        self._username = f"{ufrag}:{remote_ufrag}"
        self._consent_timeout = consent_timeout
        self._max_paths = max(2, max_paths)
        self._deadline = now + check_timeout
        self._heard: dict[IcePath, float] = {}
        self._path: IcePath | None = None

    @property
    def path(self) -> IcePath | None:
        """Where to send; None before the first valid check."""
        return self._path

    @property
    def nominated(self) -> Address | None:
        """The address to send to; None before the first valid check."""
        return None if self._path is None else self._path.remote

    @property
    def paths(self) -> tuple[IcePath, ...]:
        """All validated pairs, at most `max_paths`."""
        return tuple(self._heard)

    @property
    def deadline(self) -> float:
        """When the agent expires unless it hears a valid check before."""
        return self._deadline

    def expired(self, now: float) -> IceExpiry | None:
        """Tell whether, and why, the time is over; None while all is well."""
        if now < self._deadline:
            return None
        return IceExpiry.NO_CHECK if self._path is None else IceExpiry.CONSENT

    def touch(self, now: float) -> None:
        """Renew consent because an authenticated SRTP or SRTCP packet came; nothing before the first valid check."""
        if self._path is not None:
            self._deadline = now + self._consent_timeout

    def handle(self, request: StunMessage, source: Address, now: float, *, local: int = 0) -> IceEffect:
        """Take one STUN message from `source`, heard on our socket number `local`."""
        if not self._is_authentic(request):
            return _SILENCE
        if request.unknown_required:
            return IceEffect(response=build_unknown_attributes(request, self._key))
        path = IcePath(source, local)
        became_valid = path not in self._heard
        self._heard[path] = now
        changed = self._path is None or (request.use_candidate and path != self._path)
        if changed:
            self._path = path
        self.touch(now)
        return IceEffect(
            response=build_response(request, source, self._key),
            became_valid=became_valid,
            nominated=source if changed else None,
            dropped=self._make_room(now) if became_valid else (),
        )

    def _is_authentic(self, request: StunMessage) -> bool:
        return (
            request.kind is StunClass.REQUEST
            and request.method == BINDING
            and request.username == self._username
            and request.verify(self._key)
        )

    def _make_room(self, now: float) -> tuple[IcePath, ...]:
        """Forget paths that were not checked for as long as consent lasts, then the oldest ones beyond the bound."""
        others = sorted((heard, path) for path, heard in self._heard.items() if path != self._path)
        surplus = len(self._heard) - self._max_paths
        stale = now - self._consent_timeout
        dropped = tuple(path for index, (heard, path) in enumerate(others) if index < surplus or heard <= stale)
        for path in dropped:
            del self._heard[path]
        return dropped
