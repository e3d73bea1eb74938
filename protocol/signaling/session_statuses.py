"""Statuses of sessions and data that the WebSDK and the server exchange, spelled exactly as on the wire.

Those of streams are in `protocol.stream.statuses`, those of calls in `protocol.calls.statuses`. Source: constants of
the Flashphoner WebSDK 2.0 (`SESSION_STATUS` and others). Pages compare these texts, so changing a letter changes the
protocol.
"""

from enum import StrEnum


class SessionStatus(StrEnum):
    """Status of a client's connection; the server reports ESTABLISHED, FAILED and DISCONNECTED to backends."""

    PENDING = "PENDING"
    CONNECTED = "CONNECTED"
    ESTABLISHED = "ESTABLISHED"
    REGISTERED = "REGISTERED"
    FAILED = "FAILED"
    DISCONNECTED = "DISCONNECTED"


class DataStatus(StrEnum):
    """Outcome of a client's `sendData`; any other word makes the SDK throw."""

    ACCEPTED = "ACCEPTED"
    FAILED = "FAILED"
