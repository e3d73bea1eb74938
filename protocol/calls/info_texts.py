"""Texts that say why a call has its status. WCS's are unknown; pages pass on any text."""

from enum import StrEnum


class CallInfo(StrEnum):
    """Why a call ended, or was refused."""

    NOT_SERVED = "Calls are not enabled: sip.servers is empty"
    NO_ACCOUNT = "The connection has no SIP account"
    NO_ACCOUNT_FILE = "There is no file of SIP accounts"
    BAD_ACCOUNT_FILE = "The file of SIP accounts cannot be used; the log says why"
    UNKNOWN_ACCOUNT = "There is no such SIP account, or not for this application"
    UNKNOWN_APPLICATION = "There is no such application"
    CALLEE_REFUSED = "This number may not be called"
    CALLEE_MALFORMED = "The callee is neither a number, a name nor a SIP address"
    DOMAIN_REFUSED = "The SIP domain is not among sip.servers"
    TOO_MANY_CALLS = "Too many calls"
    TOO_MANY_ATTEMPTS = "Too many calls in a short time"
    CALL_ID_IN_USE = "A call of this callId is under way"
    NO_COMMON_CODECS = "No common codecs: this call would need a transcoder"
    ONLY_AUDIO = "Video alone cannot be called with"
    NO_PORT = "No port is free for the phone's media"
    TRANSFERRED = "Transferred"
    TAKEN_OVER = "Another session of this client has its calls"
    TOO_LONG = "The call has lasted as long as a call may"
    NOT_ANSWERED = "Nobody has answered"
    SERVER_UNREACHABLE = "The SIP server cannot be found"
    SERVER_IS_DRAINING = "Server is draining"
    SERVER_IS_OVERLOADED = "Server is overloaded"
    STOPPED_BY_SESSION_DISCONNECT = "Stopped by session disconnect"
    TOO_MANY_EVENTS = "Too many events of the call are waiting"
    NO_SRTP = "This call must be encrypted, and cannot be"
    SDES_REFUSED = "SRTP with keys in SDP is not allowed for this call"
    FAILED_BY_MEDIA = "The phone's description of its media cannot be used"


class CallRefused(Exception):
    """The call, or what is wanted of it, is refused for the reason that `info` states; `detail` is for the log."""

    def __init__(self, info: str, detail: str = "", *, sip_status: int = 488) -> None:
        super().__init__(info, detail)
        self.info = info
        self.detail = detail
        self.sip_status = sip_status
