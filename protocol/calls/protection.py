"""Whether media of phones is encrypted: SRTP with keys in SDP (SDES, RFC 4568), and where such keys may be written.

Who reads the keys hears the call, so that they belong into messages that nobody reads on the way.
"""

from collections.abc import Iterable
from enum import StrEnum
from typing import Final

from attrs import frozen

SETTING: Final = "sip.sdes"


class SdesRule(StrEnum):
    """`sip.sdes`. REQUIRED is TLS, and no call without SRTP."""

    OFF = "off"
    TLS = "tls"
    ALWAYS = "always"
    REQUIRED = "required"


@frozen(kw_only=True)
class MediaProtection:
    """What media of a phone may be: `srtp`, `plain` RTP, or either. Neither: there can be no call."""

    srtp: bool
    plain: bool = True


def media_protection(rule: SdesRule, transports: Iterable[str]) -> MediaProtection:
    """What a call may have whose SIP goes by these transports."""
    is_hidden = all(transport == "tls" for transport in transports)
    allows = rule is SdesRule.ALWAYS or (rule is not SdesRule.OFF and is_hidden)
    return MediaProtection(srtp=allows, plain=rule is not SdesRule.REQUIRED)
