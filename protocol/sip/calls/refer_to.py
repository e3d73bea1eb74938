"""Refer-To: whom the other side of a call wants us to call (RFC 3515), perhaps in another call's place (RFC 3891).

It is a stranger's text that leads to a call of ours: nothing of it is followed but the user at a host, and Replaces.
"""

import re
from typing import Final
from urllib.parse import unquote

from attrs import frozen

from protocol.sip.messages.headers import SipUri, parse_name_address
from protocol.sip.messages.message import HeaderFields, SipError

MAX_REFER_TO: Final = 1_024
MAX_REPLACES: Final = 512
_CALL_ID = re.compile(r"[A-Za-z0-9.!%*_+`'~()<>:\\/\[\]?{}@-]{1,256}")  # a word (RFC 3261 section 25.1), not quoted
_TAG = re.compile(r"[A-Za-z0-9.!%*_+`'~-]{1,128}")


@frozen(kw_only=True)
class ReferTarget:
    """`replaces`: the header field for the INVITE, None if no call is to be replaced."""

    uri: SipUri
    replaces: str | None = None


def read_refer_to(headers: HeaderFields) -> ReferTarget:
    """Whom the REFER with these header fields names. Raises SipError."""
    values = headers.values("Refer-To")
    if len(values) != 1 or len(values[0]) > MAX_REFER_TO:
        raise SipError("not one Refer-To of reasonable length")
    given = parse_name_address(values[0]).uri
    if given.scheme not in ("sip", "sips"):
        raise SipError("Refer-To is no sip URI", status_hint=416)
    if not given.user:
        raise SipError("Refer-To has no user")
    if given.parameters.get("method", "INVITE").upper() != "INVITE":
        raise SipError("Refer-To asks for something else than a call", status_hint=603)
    uri = SipUri(scheme=given.scheme, user=given.user, host=given.host, port=given.port)
    return ReferTarget(uri=uri, replaces=_replaces(given.headers))


def _replaces(text: str) -> str | None:
    found: str | None = None
    for item in filter(None, text.split("&")):
        name, _, value = item.partition("=")
        match name.lower(), unquote(value):
            case "replaces", replaces if found is None:
                found = checked_replaces(replaces)
            case "require", required if required.strip().lower() == "replaces":
                pass
            case _:
                raise SipError("Refer-To has header fields other than Replaces")
    return found


def checked_replaces(text: str) -> str:
    """The value of a Replaces header field, made anew. Raises SipError."""
    call_id, *parameters = (part.strip() for part in text[: MAX_REPLACES + 1].split(";"))
    named = dict(_pair(parameter) for parameter in reversed(parameters))
    tags = [named.get(name, "") for name in ("to-tag", "from-tag")]
    is_right = _CALL_ID.fullmatch(call_id) and all(map(_TAG.fullmatch, tags))
    if len(text) > MAX_REPLACES or not is_right:
        raise SipError("Replaces names no call")
    early = ";early-only" if "early-only" in named else ""
    return f"{call_id};to-tag={tags[0]};from-tag={tags[1]}{early}"


def _pair(parameter: str) -> tuple[str, str]:
    name, _, value = parameter.partition("=")
    return name.strip().lower(), value.strip()
