"""Session timers (RFC 4028): a call whose other side has vanished ends, even if no packet of media says so.

One side refreshes the session at half its time. Who does not hear of a refresh in time ends the call.
"""

from collections.abc import Callable
from typing import Final

from protocol.sip.messages.headers import whole_number
from protocol.sip.messages.message import RequestMessage, ResponseMessage
from protocol.sip.transactions.timers import Timer, Timers

EXPIRES: Final = 1800
MIN_EXPIRES: Final = 90
_LONGEST: Final = 86_400
_MOST_REFUSALS: Final = 4
"""Times that a call is tried with a longer interval: each proxy on the way may want one, and whoever is called."""

HeaderPairs = tuple[tuple[str, str | None], ...]


class SessionTimer:
    """See above. Idle until both sides have agreed on a time."""

    def __init__(
        self, timers: Timers, *, on_refresh: Callable[[float], None], on_expired: Callable[[float], None]
    ) -> None:
        self._timers = timers
        self._on_refresh, self._on_expired = on_refresh, on_expired
        self.interval = EXPIRES
        """In seconds; what we propose, until it is agreed."""
        self._min = MIN_EXPIRES
        self._refusals = 0
        self._is_agreed = False
        self._we_refresh = True
        self._refresh: Timer | None = None
        self._expiry: Timer | None = None

    def headers(self) -> HeaderPairs:
        """What an INVITE or UPDATE of ours proposes."""
        refresher = f";refresher={'uac' if self._we_refresh else 'uas'}" if self._is_agreed else ""
        return (("Session-Expires", f"{self.interval}{refresher}"), ("Min-SE", str(self._min)))

    def lengthen(self, response: ResponseMessage) -> bool:
        """Take the Min-SE of a 422; False if it says nothing new, or there were many before."""
        self._refusals += 1
        wanted = whole_number(response.headers.get("Min-SE"))
        if wanted is None or self._refusals > _MOST_REFUSALS or not self.interval < wanted <= _LONGEST:
            return False
        self.interval = self._min = wanted
        return True

    def is_too_short(self, request: RequestMessage) -> bool:
        """Whether a request is to be refused by 422."""
        wanted = whole_number(request.headers.get("Session-Expires"))
        return wanted is not None and wanted < MIN_EXPIRES

    def agreed(self, response: ResponseMessage, now: float) -> None:
        """The 2xx to an INVITE or UPDATE of ours."""
        value = response.headers.get("Session-Expires")
        seconds = whole_number(value)
        if seconds is None:
            self.stop()
        else:
            self._begin(seconds, we_refresh=_refresher(value) != "uas", now=now)

    def asked(self, request: RequestMessage, now: float) -> HeaderPairs:
        """An INVITE or UPDATE that we accept: what our 2xx says about it."""
        value = request.headers.get("Session-Expires")
        seconds = whole_number(value)
        if seconds is None:
            self.stop()
            return ()
        they_can = "timer" in request.headers.tokens("Supported") | request.headers.tokens("Require")
        refresher = (_refresher(value) or "uac") if they_can else "uas"
        self._begin(seconds, we_refresh=refresher == "uas", now=now)
        require = "timer" if refresher == "uac" else None
        return (("Session-Expires", f"{self.interval};refresher={refresher}"), ("Require", require))

    def stop(self) -> None:
        """No time any more, until one is agreed anew."""
        self._is_agreed = False
        for timer in (self._refresh, self._expiry):
            if timer is not None:
                timer.cancel()

    def _begin(self, seconds: int, *, we_refresh: bool, now: float) -> None:
        self.stop()
        self.interval = min(_LONGEST, max(MIN_EXPIRES, seconds))
        self._is_agreed, self._we_refresh = True, we_refresh
        if we_refresh:
            self._refresh = self._timers.at(now + self.interval / 2, self._on_refresh)
        self._expiry = self._timers.at(now + self.interval - min(32, self.interval / 3), self._on_expired)


def _refresher(value: str) -> str:
    parameters = {name.strip().lower(): text.strip().lower() for name, _, text in _pairs(value)}
    refresher = parameters.get("refresher", "")
    return refresher if refresher in ("uac", "uas") else ""


def _pairs(value: str) -> list[tuple[str, str, str]]:
    return [part.partition("=") for part in value.split(";")[1:]]
