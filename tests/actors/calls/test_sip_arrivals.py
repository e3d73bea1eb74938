"""Calls that come to the endpoint, whatever the owners of registrations do."""

import pytest

from actors.calls.sip.endpoint import SipEndpoint
from actors.calls.sip.phone_line import CallListener, PhoneLine
from protocol.sip.events import CallArrived, RegistrationEvent
from protocol.sip.messages.headers import NameAddress, parse_name_address, parse_uri
from protocol.sip.messages.message import parse_datagram
from protocol.sip.registration import RegistrationPlan
from protocol.sip.transactions.machines import Hop
from tests.support.calls.sip_registrar import MemoryTransport, memory_endpoint

SERVER = Hop(transport="udp", host="192.0.2.10", port=5060)
PLAN = RegistrationPlan(
    account=NameAddress(uri=parse_uri("sip:alice@192.0.2.10")),
    registrar=parse_uri("sip:192.0.2.10"),
    hops=[SERVER],
    contact_user="alice",
)
INVITE = """INVITE {contact} SIP/2.0
Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1;rport
From: <sip:bob@192.0.2.10>;tag=b
To: <sip:alice@192.0.2.10>
Call-ID: c1
CSeq: 1 INVITE
Contact: <sip:bob@192.0.2.10>
Content-Length: 0

"""


class CrashingHolder:
    """Holds a registration, and has a defect."""

    def registration_event(self, event: RegistrationEvent) -> None:
        pass

    def call_arrived(self, event: CallArrived, line: PhoneLine) -> CallListener | int:
        raise LookupError("a defect")


def invite(endpoint: SipEndpoint, transport: MemoryTransport) -> None:
    contact = parse_name_address(transport.requests[0][1].headers.get("Contact")).uri
    text = INVITE.format(contact=contact).replace("\n", "\r\n")
    transport.on_message(parse_datagram(text.encode()), SERVER)


async def test_a_defect_of_who_is_called_is_told_to_the_caller(
    autojump_clock: object, caplog: pytest.LogCaptureFixture
) -> None:
    async with memory_endpoint() as (endpoint, transport, _):
        endpoint.register(PLAN, None, CrashingHolder())
        invite(endpoint, transport)
        assert [response.status for response in transport.responses] == [100, 500]
        assert (endpoint.call_count, endpoint.arrivals.refused) == (0, 1)
    assert "owner of a SIP registration crashed" in caplog.text
