"""Where a message belongs: to a transaction, to a call, or to nobody; and what nobody's are answered."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from attrs import evolve

from protocol.sip.calls.call import SipCall
from protocol.sip.calls.call_directory import CallDirectory
from protocol.sip.calls.dialog import Dialog
from protocol.sip.calls.incoming_call import IncomingCall
from protocol.sip.calls.refer_to import checked_replaces
from protocol.sip.calls.session_timer import MIN_EXPIRES
from protocol.sip.core import ALLOW, SDP, SipCore
from protocol.sip.events import CallArrived
from protocol.sip.messages.bodies import session_description
from protocol.sip.messages.digest import Authenticator
from protocol.sip.messages.headers import NameAddress, SipUri, parse_cseq, parse_name_address, parse_uri, parse_via
from protocol.sip.messages.message import RequestMessage, ResponseMessage, SipError, SipMessage
from protocol.sip.traffic import IN
from protocol.sip.transactions.machines import Hop, client_key_of, identity_of, server_key_of

MAX_TRANSACTIONS: Final = 2_000
RETRY_AFTER: Final = ("Retry-After", "10")
_WITHIN_CALLS: Final = frozenset({"BYE", "INFO", "PRACK", "UPDATE", "REFER", "NOTIFY"})
_NEEDED: Final = ("Via", "From", "To", "Call-ID", "CSeq")


class MessageRouter:
    """See above. Raises SipError for a message that cannot even be answered."""

    def __init__(self, core: SipCore, calls: CallDirectory) -> None:
        self._core, self._calls = core, calls
        self.refused = 0
        """Requests answered by 503, since there are too many transactions."""

    def receive(self, message: SipMessage, hop: Hop, now: float) -> None:
        """A message that has come from `hop`."""
        self._core.traffic.note(IN, message)
        if isinstance(message, ResponseMessage):
            client = self._core.clients.get(client_key_of(message))
            if client is not None:
                client.receive(message, now)
            return
        for name in _NEEDED:
            if not message.headers.has(name):
                raise SipError(f"no {name}")
        self._request(_with_source(message, hop), hop, now)

    def _request(self, request: RequestMessage, hop: Hop, now: float) -> None:
        known = self._core.servers.get(server_key_of(request))
        if request.method == "ACK":
            if known is not None:
                known.receive(request, now)
            self._acknowledged(request, now)
        elif known is not None:
            self._core.traffic.repeated[IN] += 1
            known.receive(request, now)
        elif len(self._core.servers) + len(self._core.clients) >= MAX_TRANSACTIONS:
            self.refused += 1
            self._core.transmit(self._core.response(request, 503, headers=(RETRY_AFTER,)), hop)
        else:
            self._new(request, hop, now)

    def _acknowledged(self, request: RequestMessage, now: float) -> None:
        found = self._dialog_of(request)
        if found is not None:
            found[0].acknowledged(request, now)

    def _new(self, request: RequestMessage, hop: Hop, now: float) -> None:
        try:
            to = _check(request)
        except SipError as error:
            self._core.refuse(request, hop, error.status_hint, now)
            return
        wanted = request.headers.tokens("Require") if request.method != "CANCEL" else frozenset()
        unknown = wanted - frozenset(self._core.supported.split(", "))
        if unknown:
            self._core.refuse(request, hop, 420, now, ("Unsupported", ", ".join(sorted(unknown))))
        elif request.method == "CANCEL":
            self._cancelled(request, hop, now)
        elif to.tag:
            self._within_dialog(request, hop, now)
        else:
            self._outside_dialog(request, to, hop, now)

    def _within_dialog(self, request: RequestMessage, hop: Hop, now: float) -> None:
        found = self._dialog_of(request)
        if found is None:
            self._core.refuse(request, hop, 481, now)
            return
        call, dialog = found
        call.receive(request, dialog, self._core.accept(request, hop), now)

    def _dialog_of(self, request: RequestMessage) -> tuple[SipCall, Dialog] | None:
        headers = request.headers
        try:
            to, sender = parse_name_address(headers.get("To")), parse_name_address(headers.get("From"))
        except SipError:
            return None
        return self._calls.of_dialog(headers.get("Call-ID"), to.tag, sender.tag)

    def _cancelled(self, request: RequestMessage, hop: Hop, now: float) -> None:
        key = (server_key_of(request)[0], "INVITE")
        invite = self._core.servers.get(key)
        if invite is None:
            self._core.refuse(request, hop, 481, now)
            return
        transaction = self._core.accept(request, hop)
        transaction.respond(self._core.response(request, 200, tag=self._core.world.token()), now)
        call = self._calls.of_invite(key)
        if call is not None:
            call.cancelled(now)
        elif (found := self._dialog_of(invite.request)) is not None:
            found[0].offers.cancelled(invite, now)

    def _outside_dialog(self, request: RequestMessage, to: NameAddress, hop: Hop, now: float) -> None:
        match request.method:
            case "INVITE":
                self._invited(request, hop, now)
            case "OPTIONS":
                headers = (("Allow", ALLOW), ("Supported", self._core.supported), ("Accept", SDP))
                response = self._core.response(request, 200, tag=self._core.world.token(), headers=headers)
                self._core.accept(request, hop).respond(response, now)
            case method if method in _WITHIN_CALLS:
                self._core.refuse(request, hop, 481, now)
            case _:
                self._core.refuse(request, hop, 405, now, ("Allow", ALLOW))

    def _invited(self, request: RequestMessage, hop: Hop, now: float) -> None:
        core = self._core
        if self._is_merged(request):
            core.refuse(request, hop, 482, now)
            return
        try:
            uri, offer = parse_uri(request.uri), session_description(request)
            caller = parse_name_address(request.headers.get("From"))
            replaced = self._replaced(request)
        except SipError as error:
            core.refuse(request, hop, error.status_hint, now, ("Accept", SDP))
            return
        transaction = core.accept(request, hop)
        token = uri.parameters.get("wcsd", "")
        auth = Authenticator(None, core.world.token)
        call = IncomingCall(core, self._calls, auth, transaction, user=uri.user, token=token)
        if call.session_timer.is_too_short(request):
            call.respond(transaction, 422, now, ("Min-SE", str(MIN_EXPIRES)))
            return
        transaction.respond(core.response(request, 100), now)
        self._calls.add(call)
        self._calls.bind(call.known_dialog(), call)
        core.emit(_arrived(call, caller, uri, offer, replaced))

    def _replaced(self, request: RequestMessage) -> str | None:
        """The call in which the caller takes the other side's place. Raises SipError: there is none, or it must not.

        Where transfers by others are not followed, it is a call as any other.
        """
        text = request.headers.get("Replaces")
        if not text or not self._core.world.accepts_refer:
            return None
        call_id, to, sender, *early = (part.partition("=")[2] or part for part in checked_replaces(text).split(";"))
        found = self._calls.of_dialog(call_id, to, sender)
        if found is None or not found[0].is_up:
            raise SipError("Replaces names no call that is up", status_hint=481)
        if early:
            raise SipError("the call that is to be replaced has been answered", status_hint=486)
        return found[0].id

    def _is_merged(self, request: RequestMessage) -> bool:
        """Whether it has come here by another way already (RFC 3261 8.2.2.2)."""
        identity = identity_of(request)
        return any(each.identity == identity for each in self._core.servers.values())


def _arrived(
    call: IncomingCall, caller: NameAddress, uri: SipUri, offer: bytes | None, replaced: str | None
) -> CallArrived:
    request = call.invite.request
    return CallArrived(
        call=call.id,
        caller=caller,
        callee=uri,
        contact_token=call.token,
        offer=offer,
        source=call.invite.hop,
        replaces=replaced,
        request=request,
    )


def _check(request: RequestMessage) -> NameAddress:
    """The To of a request that is in order. Raises SipError."""
    if parse_cseq(request.headers.get("CSeq")).method != request.method:
        raise SipError("CSeq is for another method")
    parse_name_address(request.headers.get("From"))
    parse_uri(request.uri)
    return parse_name_address(request.headers.get("To"))


def _with_source(request: RequestMessage, hop: Hop) -> RequestMessage:
    """The request with what its topmost Via does not say: where it has come from (RFC 3581)."""
    first, *others = request.headers.values("Via")
    via = parse_via(first)
    parameters: Mapping[str, str] = {**via.parameters, "received": hop.host}
    if "rport" in via.parameters:
        parameters = {**parameters, "rport": str(hop.port)}
    marked = evolve(via, parameters=MappingProxyType(dict(parameters)))
    return request.with_header("Via", str(marked), *others)
