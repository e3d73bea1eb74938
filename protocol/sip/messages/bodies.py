"""Bodies of SIP messages: the session description in them, alone or as a part of several (RFC 5621), and sipfrag."""

import re
from typing import Final

from protocol.sip.messages.headers import unquoted
from protocol.sip.messages.message import SipError, SipMessage

SDP: Final = "application/sdp"
MAX_PARTS: Final = 16
_FRAGMENT = re.compile(rb"SIP/2\.0 ([1-6][0-9]{2}) ?([^\r\n]{0,200})")


def session_description(message: SipMessage) -> bytes | None:
    """The session description, or None if there is none. Raises SipError (415) if it is in another format."""
    if not message.body.strip():
        return None
    kind, _, parameters = message.headers.get("Content-Type", SDP).partition(";")
    kind = kind.strip().lower()
    if message.headers.get("Content-Encoding", "identity").lower() != "identity":
        raise SipError("an encoded body", status_hint=415)
    if kind == SDP:
        return message.body
    if kind.startswith("multipart/"):
        return _sdp_part(message.body, parameters)
    raise SipError(f"a body that is not {SDP}", status_hint=415)


def readable_description(message: SipMessage) -> bytes | None:
    """The same, where a body that cannot be read is as good as none."""
    try:
        return session_description(message)
    except SipError:
        return None


def _sdp_part(body: bytes, parameters: str) -> bytes:
    found = re.search(r'boundary=("[^"]+"|[^;\s]+)', parameters, re.IGNORECASE)
    if not found:
        raise SipError("a body of parts without a boundary")
    boundary = b"--" + unquoted(found.group(1)).encode("utf-8", "surrogateescape")
    for part in body.split(boundary, MAX_PARTS)[1:]:
        head, _, content = part.lstrip(b"\r\n").partition(b"\r\n\r\n")
        if re.search(rb"^content-type:\s*application/sdp", head, re.IGNORECASE | re.MULTILINE):
            return content.rstrip(b"\r\n") + b"\r\n"
    raise SipError(f"a body without {SDP}", status_hint=415)


def status_of_fragment(body: bytes) -> tuple[int, str] | None:
    """The status line of a message/sipfrag (RFC 3420)."""
    found = _FRAGMENT.match(body)
    return (int(found.group(1)), found.group(2).decode("utf-8", "replace")) if found else None
