"""One registration at a registrar (RFC 3261 section 10): REGISTER, its refreshes, and its end.

When to refresh and when to try again is its owner's to decide.
"""

from collections.abc import Sequence
from typing import Final

from attrs import frozen

from protocol.sip.core import ALLOW, SipCore
from protocol.sip.events import RegistrationEnded, RegistrationFailed, RegistrationSucceeded
from protocol.sip.messages.digest import Authenticator
from protocol.sip.messages.headers import (
    CSeq,
    NameAddress,
    SipUri,
    parse_name_address,
    printable,
    seen_in,
    whole_number,
)
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipError, head_of
from protocol.sip.pending_request import PendingRequest
from protocol.sip.transactions.machines import Hop

MAX_EXPIRES: Final = 86_400
_TOO_BRIEF: Final = 423


@frozen(kw_only=True)
class RegistrationPlan:
    """Who registers where. `registrar` is the domain's URI, without a user; `hops` the servers to try in turn."""

    account: NameAddress
    registrar: SipUri
    hops: Sequence[Hop]
    contact_user: str
    routes: tuple[str, ...] = ()
    expires: int = 600


class RegistrationClient:
    """See above. Requests follow each other: while one is under way, a further one waits."""

    def __init__(self, core: SipCore, plan: RegistrationPlan, auth: Authenticator) -> None:
        self.id = core.world.token()
        self.token = core.world.token()
        """What our Contact says, and calls for it say in their Request-URI."""
        self._core, self._plan, self._auth = core, plan, auth
        self._hops = list(plan.hops)
        self._call_id = core.world.token()
        self._tag = core.world.token()
        self._number = 0
        self._expires = plan.expires
        self._contact = "", 0
        """The address that our Contact has named last."""
        self._pending: PendingRequest | None = None
        self._is_ending = False
        self._has_asked_for_end = False
        self._waits = False

    def refresh(self, now: float) -> None:
        """Register, or do so once more."""
        if self._is_ending:
            return
        if self._pending is not None:
            self._waits = True
            return
        self._send(self._expires, now)

    def end(self, now: float) -> None:
        """Have it forgotten; RegistrationEnded follows in any case."""
        if self._is_ending:
            return
        self._is_ending = True
        if self._pending is None:
            self._send(0, now)

    def abandon(self) -> None:
        """No word more about it."""
        self._is_ending = True
        if self._pending is not None:
            self._pending.give_up()

    def _send(self, expires: int, now: float) -> None:
        plan, core = self._plan, self._core
        self._has_asked_for_end = expires == 0

        def compose() -> RequestMessage:
            self._number += 1
            self._contact = core.world.contact_at(pending.hop)
            contact = core.contact(pending.hop, plan.contact_user, self.token)
            fields = (
                *(("Route", route) for route in plan.routes),
                ("From", str(plan.account.with_tag(self._tag))),
                ("To", str(NameAddress(uri=plan.account.uri))),
                ("Call-ID", self._call_id),
                ("CSeq", str(CSeq(number=self._number, method="REGISTER"))),
                ("Contact", f"{contact};expires={expires}"),
                ("Expires", str(expires)),
                ("Allow", ALLOW),
            )
            return RequestMessage(method="REGISTER", uri=str(plan.registrar), headers=head_of(fields))

        pending = self._pending = PendingRequest(core, compose, self._hops, self._auth, self._responded)
        pending.send(now)

    def _responded(self, response: ResponseMessage, now: float) -> None:
        if not response.is_final or self._pending is None:
            return
        hop, self._pending = self._pending.hop, None
        if self._is_ending:
            if self._has_asked_for_end or response.status >= 300:
                self._core.emit(RegistrationEnded(registration=self.id))
            else:
                self._send(0, now)
        elif response.status < 300:
            self._hops.sort(key=lambda each: each != hop)  # the server that has just worked comes first from now on
            self._succeeded(response, hop)
            self._next(now)
        elif response.status == _TOO_BRIEF and self._lengthen(response):
            self._send(self._expires, now)
        else:
            self._failed(response)
            self._next(now)

    def _next(self, now: float) -> None:
        if self._waits:
            self._waits = False
            self._send(self._expires, now)

    def _succeeded(self, response: ResponseMessage, hop: Hop) -> None:
        succeeded = RegistrationSucceeded(
            registration=self.id,
            hop=hop,
            expires=float(self._granted(response)),
            seen_as=self._seen_as(response, hop),
            uses_md5=self._auth.uses_md5,
        )
        self._core.emit(succeeded)

    def _failed(self, response: ResponseMessage) -> None:
        after = whole_number(response.headers.get("Retry-After"))
        failed = RegistrationFailed(
            registration=self.id,
            status=response.status,
            reason=printable(response.reason),
            retry_after=None if after is None else float(after),
        )
        self._core.emit(failed)

    def _lengthen(self, response: ResponseMessage) -> bool:
        wanted = whole_number(response.headers.get("Min-Expires"))
        if wanted is None or not self._expires < wanted <= MAX_EXPIRES:
            return False
        self._expires = wanted
        return True

    def _granted(self, response: ResponseMessage) -> int:
        """How long: what our Contact is given, else what all are, else what we asked for."""
        for value in response.headers.values("Contact"):
            try:
                contact = parse_name_address(value)
            except SipError:
                continue
            if contact.uri.parameters.get("wcsd") == self.token:
                found = whole_number(contact.parameters.get("expires", ""))
                if found is not None:
                    return min(MAX_EXPIRES, found)
        found = whole_number(response.headers.get("Expires"))
        return self._expires if found is None else min(MAX_EXPIRES, found)

    def _seen_as(self, response: ResponseMessage, hop: Hop) -> tuple[str, int] | None:
        """The received and rport that the registrar added to our Via, if they differ from our Contact.

        By TCP it may connect to the port where we listen, as the Contact says. By TLS it can only use our connection,
        which it finds if the Contact names its other end.
        """
        seen_as = seen_in(response.headers)
        return None if hop.transport == "tcp" or seen_as == self._contact else seen_as
