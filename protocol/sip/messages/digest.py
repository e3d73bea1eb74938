"""Digest authentication of a SIP client (RFC 3261 section 22, RFC 7616, RFC 8760).

One `Authenticator` is for one account at one server. It chooses the strongest challenge that it knows (SHA-512-256,
SHA-256, MD5), counts the uses of a nonce, and is loyal to the realms that have once accepted it: a registrar, and one
proxy. A proxy of another realm may ask at first, outside of calls (RFC 3261 section 22.3), before it sends the request
on; once its realm has let a request pass, no third one may.
"""

import hashlib
from collections.abc import Callable, Iterable
from typing import Final

from attrs import define, field, frozen

from protocol.sip.messages.headers import Challenge

_HASHES: Final[dict[str, Callable[[bytes], str]]] = {
    "sha-512-256": lambda data: hashlib.new("sha512_256", data).hexdigest(),
    "sha-256": lambda data: hashlib.sha256(data).hexdigest(),
    "md5": lambda data: hashlib.md5(data, usedforsecurity=False).hexdigest(),
}
"""In order of preference."""
MAX_REALMS: Final = 2
"""Realms to which an account is loyal."""
PROXY: Final = "Proxy-Authorization"
"""What a proxy is answered by."""


@define(eq=False)
class AcceptedRealms:
    """The realms that have accepted somebody's credentials: MAX_REALMS at most."""

    names: set[str] = field(factory=set)


@frozen(kw_only=True)
class SipCredentials:
    """Whom an account's server lets in. All that the account does answers only the realms that have `accepted` it."""

    username: str
    password: str = field(repr=False)
    accepted: AcceptedRealms = field(factory=AcceptedRealms, eq=False, repr=False)


class CannotAuthenticate(Exception):
    """No challenge can be answered; the text says why, without a secret."""


@define(eq=False)
class _Session:
    """One challenge that is being answered, again and again as long as its nonce holds."""

    challenge: Challenge
    name: str
    uses: int = 0


class Authenticator:
    """See above. `token` makes a fresh random text for each cnonce."""

    def __init__(self, credentials: SipCredentials | None, token: Callable[[], str]) -> None:
        self._credentials = credentials
        self._token = token
        self._sessions: dict[str, _Session] = {}
        self._accepted = AcceptedRealms() if credentials is None else credentials.accepted
        self._is_settled = False
        self.uses_md5 = False
        """Whether the server has offered nothing better than MD5."""

    def challenged(
        self, challenges: Iterable[Challenge], header: str, *, is_repeated: bool = False, is_forwarded: bool = False
    ) -> None:
        """Take the challenges of a 401 or 407; `header` is the field that answers. Raises CannotAuthenticate.

        `is_repeated`: the request that is challenged was one that answered a challenge already. `is_forwarded`: it has
        been sent on, so that anybody may have challenged it.
        """
        if self._credentials is None:
            raise CannotAuthenticate("the server asks for a password, and none is given")
        chosen = _strongest(challenges)
        realm = chosen.get("realm")
        if not self._may_ask(realm, is_first_proxy=header == PROXY and not is_forwarded):
            raise CannotAuthenticate("another realm than before asks for the password")
        if self._is_settled and realm not in self._realms:
            raise CannotAuthenticate("somebody asks for the password who has not done so at first")
        known = self._sessions.get(header)
        is_same = known is not None and bool(known.uses) and known.challenge.get("nonce") == chosen.get("nonce")
        if is_same or (is_repeated and chosen.get("stale").lower() != "true"):
            raise CannotAuthenticate("the server does not accept the password")
        self._sessions[header] = _Session(chosen, header)
        self.uses_md5 = _algorithm(chosen) == "md5"

    def settle(self) -> None:
        """From now on, who has not asked yet may not: within a call, that may be anybody's phone."""
        self._is_settled = True

    def accepted(self) -> None:
        """A request with these credentials has succeeded."""
        used = {each.challenge.get("realm") for each in self._sessions.values() if each.uses}
        if len(self._accepted.names | used) <= MAX_REALMS:
            self._accepted.names |= used

    def headers(self, method: str, uri: str, body: bytes) -> list[tuple[str, str]]:
        """The header fields that go with a request; none before the first challenge."""
        if self._credentials is None:
            return []
        return [(each.name, self._answer(each, self._credentials, method, uri, body)) for each in self._all()]

    def _may_ask(self, realm: str, *, is_first_proxy: bool) -> bool:
        """Whether the realm has accepted the account, or is that of the proxy that has not asked before."""
        names = self._accepted.names
        return not names or realm in names or (is_first_proxy and len(names) < MAX_REALMS)

    @property
    def _realms(self) -> set[str]:
        """Those that have asked and were answered, and those that have accepted."""
        return {each.challenge.get("realm") for each in self._sessions.values()} | self._accepted.names

    def _all(self) -> Iterable[_Session]:
        return self._sessions.values()

    def _answer(self, session: _Session, credentials: SipCredentials, method: str, uri: str, body: bytes) -> str:
        session.uses += 1
        challenge, qop = session.challenge, _qop(session.challenge)
        cnonce, count = self._token(), f"{session.uses:08x}"
        response = digest_response(challenge, credentials, method, uri, cnonce=cnonce, nonce_count=count, body=body)
        fields = [
            ("username", _quote(credentials.username)),
            ("realm", _quote(challenge.get("realm"))),
            ("nonce", _quote(challenge.get("nonce"))),
            ("uri", _quote(uri)),
            ("response", _quote(response)),
        ]
        if challenge.get("algorithm"):
            fields.append(("algorithm", challenge.get("algorithm")))
        if challenge.get("opaque"):
            fields.append(("opaque", _quote(challenge.get("opaque"))))
        if qop or _is_session(challenge):
            fields.append(("cnonce", _quote(cnonce)))
        if qop:
            fields += [("qop", qop), ("nc", count)]
        return "Digest " + ", ".join(f"{name}={value}" for name, value in fields)


def digest_response(
    challenge: Challenge,
    credentials: SipCredentials,
    method: str,
    uri: str,
    *,
    cnonce: str,
    nonce_count: str,
    body: bytes = b"",
) -> str:
    """The response of RFC 7616 section 3.4.1, in hex."""
    digest = _HASHES[_algorithm(challenge)]
    nonce, qop = challenge.get("nonce"), _qop(challenge)

    def hashed(*parts: str) -> str:
        return digest(":".join(parts).encode("utf-8", "surrogateescape"))

    secret = hashed(credentials.username, challenge.get("realm"), credentials.password)
    if _is_session(challenge):
        secret = hashed(secret, nonce, cnonce)
    request = hashed(method, uri, digest(body)) if qop == "auth-int" else hashed(method, uri)
    return hashed(secret, nonce, nonce_count, cnonce, qop, request) if qop else hashed(secret, nonce, request)


def _strongest(challenges: Iterable[Challenge]) -> Challenge:
    usable = [each for each in challenges if each.scheme == "digest" and _is_usable(each)]
    if not usable:
        raise CannotAuthenticate("no challenge of the server is digest with a known algorithm")
    order = list(_HASHES)
    return min(usable, key=lambda each: order.index(_algorithm(each)))


def _is_usable(challenge: Challenge) -> bool:
    return _algorithm(challenge) in _HASHES and bool(challenge.get("nonce")) and _qop(challenge) is not None


def _algorithm(challenge: Challenge) -> str:
    return (challenge.get("algorithm") or "md5").lower().removesuffix("-sess")


def _is_session(challenge: Challenge) -> bool:
    return challenge.get("algorithm").lower().endswith("-sess")


def _qop(challenge: Challenge) -> str | None:
    """auth before auth-int; "" if the server knows no qop; None if it knows only others."""
    if not challenge.get("qop"):
        return ""
    offered = {each.strip().lower() for each in challenge.get("qop").split(",")}
    return next((each for each in ("auth", "auth-int") if each in offered), None)


def _quote(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
