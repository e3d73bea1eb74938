"""Values of labels. Each is one of few, so that nobody can make the server keep and show any number of series.

A label never is a name, an id, an address, a URL, or a text that a client or a backend has written.
"""

from collections.abc import Callable, Iterable
from typing import Final

from protocol.stream.info_texts import StreamInfo

OTHER: Final = "other"
"""In place of what is not one of the known values."""
MAX_APPS: Final = 50
"""Applications that have their own series."""

Labels = tuple[str, ...]
"""The values of a family's labels, in order."""

PUBLISH: Final = "publish"
PLAY: Final = "play"
DIRECTIONS: Final = (PUBLISH, PLAY)

_FIXED_CAUSES = """
client-closed client-does-not-read client-floods client-gone connection-lost crash denied empty idle keep-alive
media-transport-unsupported no-players no-connection-frame no-room ping-timeout protocol-error publisher-stop refused
rest-connection-terminate rest-terminate room-kick room-terminate session-disconnect shutdown unwritable-frame user
call-over moved stream-over wcs-terminate worker-died
"""
CAUSES: Final = frozenset(_FIXED_CAUSES.split()) | {info.lower().replace(" ", "-") for info in StreamInfo}
"""Why sessions and streams end."""

TERMINATORS: Final = {"rest-terminate": "rest", "rest-connection-terminate": "rest", "wcs-terminate": "wcs"}
"""Who has streams and sessions stopped, by the cause of their ends."""

CODECS: Final = frozenset({"OPUS", "G722", "PCMA", "PCMU", "H264", "VP8", "VP9", "AV1"})
"""Canonical names."""
DROPS: Final = (
    "malformed", "too_large", "over_bitrate", "over_packet_rate", "over_control_rate", "stale", "skipped", "unexpected",
    "unknown_address", "withheld", "srtp_errors", "receive_errors", "send_errors", "forward_dropped", "forward_failed",
    "kernel_drops", "queue_drops", "tcp_dropped",
)  # fmt: skip
"""The counters of `MediaStatistics` that count packets which went no further; their names are the reasons."""
TOLD_DROPS: Final = tuple(
    reason
    for reason in DROPS
    if reason not in {"malformed", "skipped", "unexpected", "unknown_address", "withheld", "srtp_errors"}
)
"""Those that mean a limit or too little room. The rest is what strangers and healthy networks cause as well."""
METHODS: Final = frozenset({"GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE"})


def one_of(value: str, known: Iterable[str]) -> str:
    """`value` if it is one of those `known`, else OTHER."""
    return value if value in known else OTHER


def direction(*, published: bool) -> str:
    return PUBLISH if published else PLAY


class AppLabels:
    """Applications as labels: the first MAX_APPS that are used, all others together as OTHER.

    `exists`: whether a key is in the table of applications. Clients may send any key.
    """

    def __init__(self, exists: Callable[[str], bool]) -> None:
        self._exists = exists
        self._known: set[str] = set()

    def of(self, key: str) -> str:
        """The label of an application."""
        if key in self._known:
            return key
        if len(self._known) >= MAX_APPS or not self._exists(key):
            return OTHER
        self._known.add(key)
        return key

    def known(self, key: str) -> str | None:
        """The key, if it is in the table of applications."""
        return key if self._exists(key) else None


def one_app() -> AppLabels:
    """Labels of a server that tells no applications apart."""
    return AppLabels(lambda key: False)
