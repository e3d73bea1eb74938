"""Whom a page wants to call: a number, a name, or a sip or tel URI; and which of them it may (`sip.callee_allow`).

Calls cost money: a callee is a user at the account's own domain unless its domain is a listed server's too, and nothing
of what it says becomes a header field.
"""

import re
from collections.abc import Iterable
from typing import Final
from urllib.parse import unquote

from attrs import frozen

from protocol.sip.accounts.servers import SipServers
from protocol.sip.messages.headers import SipUri, escaped_user, parse_uri
from protocol.sip.messages.message import SipError

MAX_CALLEE: Final = 128
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f<>\";?\\,]")
_VISUAL_SEPARATORS = re.compile(r"[().-]")
_NUMBER = re.compile(r"[0-9+*#]+")


class CalleeRefused(Exception):
    """Nobody may be called by this text. `setting` names the one that forbids it, if one does."""

    def __init__(self, message: str, setting: str = "") -> None:
        super().__init__(message)
        self.setting = setting


@frozen(kw_only=True)
class CalleePatterns:
    """Patterns of callees: `*` is any text, `?` any character, all else itself, without case."""

    patterns: tuple[str, ...] = ()

    def match(self, user: str) -> int | None:
        """How many characters the closest pattern gives that is the whole user part; None if none is."""
        found = (pattern for pattern in self.patterns if _expression(pattern).fullmatch(user))
        return max((len(pattern) - pattern.count("*") for pattern in found), default=None)


def read_callee(text: str, domain: str, servers: SipServers) -> SipUri:
    """The URI to call for an account at `domain`. Raises CalleeRefused."""
    text = text.strip()
    if not text or len(text) > MAX_CALLEE or _FORBIDDEN.search(text) or not text.isprintable():
        raise CalleeRefused("the callee is empty, too long, or has characters that it must not have")
    scheme, colon, rest = text.partition(":")
    if colon and scheme.lower() == "tel":
        number = _VISUAL_SEPARATORS.sub("", rest)
        if not number:
            raise CalleeRefused("the callee has no number")
        return SipUri(user=escaped_user(number), host=domain)
    if not colon and "@" not in text:
        return SipUri(user=escaped_user(text), host=domain)
    try:
        uri = parse_uri(text if colon else f"sip:{text}")
    except SipError as error:
        raise CalleeRefused(f"the callee is {error.message}") from None
    if not uri.user:
        raise CalleeRefused("the callee has no user part")
    if uri.host != domain.lower() and not servers.may_name(uri.host):
        raise CalleeRefused("the callee is at a domain that is not listed", "sip.servers")
    return SipUri(scheme="sip", user=uri.user, host=uri.host, port=uri.port)


def check_callee(uri: SipUri, allow: CalleePatterns, deny: CalleePatterns) -> None:
    """Whether this user may be called: the closer pattern counts, `deny` if both are. Raises CalleeRefused.

    A number counts as it is without separators: many servers call 0-049 as they do 0049.
    """
    user = unquote(uri.user)
    number = _VISUAL_SEPARATORS.sub("", user)
    if _NUMBER.fullmatch(number):
        user = number
    allowed, denied = allow.match(user), deny.match(user)
    if denied is not None and (allowed is None or allowed <= denied):
        raise CalleeRefused(f"calls to {user} are denied", "sip.callee_deny")
    if allowed is None:
        raise CalleeRefused(f"calls to {user} are not allowed", "sip.callee_allow")


def read_patterns(items: Iterable[str]) -> CalleePatterns:
    """Read the list. Raises ValueError, whose text completes "the setting ..."."""
    patterns = tuple(dict.fromkeys(items))
    for pattern in patterns:
        if _FORBIDDEN.search(pattern.replace("?", "")):
            raise ValueError(f"has {pattern!r}, which no callee could match")
    return CalleePatterns(patterns=patterns)


def _expression(pattern: str) -> re.Pattern[str]:
    parts = (".*" if each == "*" else "." if each == "?" else re.escape(each) for each in pattern)
    return re.compile("".join(parts), re.IGNORECASE | re.DOTALL)
