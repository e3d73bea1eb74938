"""A dialog (RFC 3261 section 12): who is in it, which way requests take, and their order.

It is made out of the first response with a tag to our INVITE (an early one, of which a proxy that forks brings
several), or of the INVITE that we answer.
"""

from typing import Final

from attrs import define

from protocol.sip.messages.headers import (
    DEFAULT_PORT,
    TLS_PORT,
    CSeq,
    NameAddress,
    SipUri,
    parse_cseq,
    parse_name_address,
)
from protocol.sip.messages.message import HeaderFields, RequestMessage, ResponseMessage, SipError, SipMessage
from protocol.sip.transactions.machines import Hop

_TRANSPORTS: Final = frozenset({"udp", "tcp", "tls"})


@define(eq=False, kw_only=True)
class Dialog:
    """See above. `local` and `remote` carry their tags; `flow` is the hop by which it was made."""

    call_id: str
    local: NameAddress
    remote: NameAddress
    target: SipUri
    routes: tuple[str, ...]
    flow: Hop
    local_number: int
    remote_number: int | None = None

    @property
    def key(self) -> tuple[str, str, str]:
        """What a request within it is recognised by: Call-ID, our tag, their tag."""
        return self.call_id, self.local.tag, self.remote.tag

    def next_hop(self) -> Hop:
        """Where its requests go (RFC 3261 12.2.1.1); the host may be a name."""
        uri = parse_name_address(self.routes[0]).uri if self.routes else self.target
        return hop_of(uri, self.flow)

    def headers(self, method: str, *, number: int | None = None) -> list[tuple[str, str | None]]:
        """The header fields of a request within it, but Via and Contact. Without `number`, it is the next in order."""
        if number is None:
            self.local_number += 1
            number = self.local_number
        return [
            *(("Route", route) for route in self.routes),
            ("From", str(self.local)),
            ("To", str(self.remote)),
            ("Call-ID", self.call_id),
            ("CSeq", str(CSeq(number=number, method=method))),
        ]

    def takes(self, request: RequestMessage) -> bool:
        """Whether the request is in order; if so, those before it are not any more (RFC 3261 12.2.2)."""
        number = parse_cseq(request.headers.get("CSeq")).number
        if self.remote_number is not None and number <= self.remote_number and request.method not in ("ACK", "CANCEL"):
            return False
        self.remote_number = number if request.method not in ("ACK", "CANCEL") else self.remote_number
        return True

    def refresh_target(self, message: SipMessage) -> None:
        """Take the Contact of a request that refreshes the target, or of its 2xx; an unreadable one changes nothing.

        They are INVITE, UPDATE, REFER and NOTIFY (RFC 3261 section 12.2, RFC 5057 section 5.4).
        """
        self.target = contact_of(message.headers) or self.target


def dialog_of_response(request: RequestMessage, response: ResponseMessage, flow: Hop) -> Dialog:
    """As the caller, out of a 1xx or 2xx with a tag. Raises SipError."""
    headers = response.headers
    return Dialog(
        call_id=request.headers.get("Call-ID"),
        local=parse_name_address(request.headers.get("From")),
        remote=parse_name_address(headers.get("To")),
        target=contact_of(headers) or parse_name_address(request.headers.get("To")).uri,
        routes=_loose(tuple(reversed(headers.values("Record-Route")))),
        flow=flow,
        local_number=parse_cseq(request.headers.get("CSeq")).number,
    )


def dialog_of_request(request: RequestMessage, tag: str, flow: Hop, *, local_number: int) -> Dialog:
    """As the callee, out of an INVITE. Raises SipError."""
    headers = request.headers
    remote = parse_name_address(headers.get("From"))
    return Dialog(
        call_id=headers.get("Call-ID"),
        local=parse_name_address(headers.get("To")).with_tag(tag),
        remote=remote,
        target=contact_of(headers) or remote.uri,
        routes=_loose(headers.values("Record-Route")),
        flow=flow,
        local_number=local_number,
        remote_number=parse_cseq(headers.get("CSeq")).number,
    )


def contact_of(headers: HeaderFields) -> SipUri | None:
    """The URI of the first Contact, if it can be read and called."""
    first = next(iter(headers.values("Contact")), "")
    try:
        uri = parse_name_address(first).uri
    except SipError:
        return None
    return uri if uri.host else None


def hop_of(uri: SipUri, flow: Hop) -> Hop:
    """Where a request for this URI is sent: by the transport that it names, or as before."""
    wanted = uri.transport
    transport = wanted if wanted in _TRANSPORTS else flow.transport
    default = TLS_PORT if transport == "tls" else DEFAULT_PORT
    host = uri.parameters.get("maddr") or uri.host
    return Hop(transport=transport, host=host, port=uri.port or default, name=uri.host if transport == "tls" else "")


def _loose(routes: tuple[str, ...]) -> tuple[str, ...]:
    """Routes that can be read; a strict router of RFC 2543 is treated as a loose one."""
    for route in routes:
        parse_name_address(route)
    return routes
