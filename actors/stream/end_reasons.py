"""Why a stream ends: causes for the log, and the texts that clients and backends compare."""

from attrs import evolve

from actors.runtime.actor import StopReason
from protocol.stream.info_texts import StreamInfo

USER = StopReason(cause="user", info=StreamInfo.STOPPED_BY_USER)
PUBLISHER_STOP = StopReason(cause="publisher-stop", info=StreamInfo.STOPPED_BY_PUBLISHER_STOP)
SESSION_DISCONNECT = StopReason(cause="session-disconnect", info=StreamInfo.STOPPED_BY_SESSION_DISCONNECT)


def session_ended(reason: StopReason | None) -> StopReason:
    """Why the streams of a session end that has ended for `reason`: with the same text, if one was chosen."""
    kick = None if reason is None else reason.kick
    return SESSION_DISCONNECT if kick is None or kick.reason is None else evolve(SESSION_DISCONNECT, info=kick.reason)


def failed(info: str) -> StopReason:
    """The stream failed for the reason that `info` states."""
    return StopReason(cause=info.lower().replace(" ", "-"), info=info)


def denied(info: str) -> StopReason:
    """The backend refused the stream. `info` is the backend's text, so it is not part of the cause."""
    return StopReason(cause="denied", info=info)
