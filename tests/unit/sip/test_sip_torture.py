"""The torture tests of RFC 4475 as a whole agent takes them; those about a parser alone are with the parser's tests.

Header fields that a test is not about are as short as they may be. Where the RFC leaves a choice, ours is lenient.
"""

from typing import Final

import pytest

from protocol.sip.events import CallArrived
from protocol.sip.messages.message import SipError, parse_datagram
from protocol.sip.transactions.machines import Hop
from tests.support.calls.sip_network import OFFER, Party, named

SOURCE: Final = Hop(transport="udp", host="192.0.2.1", port=5060)
VIA: Final = "Via: SIP/2.0/UDP t1.example.com;branch=z9hG4bK.1"
TO, FROM = "To: <sip:b@example.com>", "From: <sip:a@example.com>;tag=1"
REST: Final = (VIA, TO, FROM, "Call-ID: x@y", "Max-Forwards: 70")
INVITE: Final = ("INVITE sip:b@example.com SIP/2.0", *REST, "CSeq: 1 INVITE", "Contact: <sip:a@192.0.2.1>")
OPTIONS: Final = ("OPTIONS sip:b@example.com SIP/2.0", *REST, "CSeq: 1 OPTIONS", "Contact: <sip:a@192.0.2.1>")
SDP: Final = "Content-Type: application/sdp"
PARTS: Final = b"--7a9c\r\nContent-Type: text/plain\r\n\r\nHi\r\n--7a9c\r\nContent-Type: application/sdp\r\n\r\n"


def changed(lines: tuple[str, ...], *changes: str) -> tuple[str, ...]:
    """The header with these lines in the place of those of the same name, or added; "-NAME": none of that name."""
    found = list(lines)
    for change in changes:
        name = change.removeprefix("-").partition(":")[0].strip().lower()
        at = next((at for at, line in enumerate(found) if line.partition(":")[0].strip().lower() == name), len(found))
        found[at : at + 1] = [] if change.startswith("-") else [change]
    return tuple(found)


def started(lines: tuple[str, ...], start: str) -> tuple[str, ...]:
    return (start, *lines[1:])


def answers(lines: tuple[str, ...], body: bytes = b"") -> tuple[list[str], Party]:
    """What an agent answers; "dropped" for what it cannot even answer."""
    agent = Party("192.0.2.2")
    data = "\r\n".join((*lines, "", "")).encode() + body
    try:
        agent.agent.receive(parse_datagram(data), SOURCE, 0.0)
    except SipError:
        return ["dropped"], agent
    agent.told += agent.agent.events()
    return [named(each.message) for each in agent.agent.outbound()], agent


@pytest.mark.parametrize(
    ("lines", "body", "answered"),
    [
        pytest.param(started(INVITE, "INVITE sip:null-%00-null@example.com SIP/2.0"), OFFER, "100", id="3.1.1.4"),
        pytest.param(started(OPTIONS, "RE%47IST%45R sip:b@example.com SIP/2.0"), b"", "400", id="3.1.1.5 CSeq"),
        pytest.param(
            changed(started(OPTIONS, "RE%47IST%45R sip:b@example.com SIP/2.0"), "CSeq: 1 RE%47IST%45R"),
            b"", "405", id="3.1.1.5",
        ),
        pytest.param(changed(OPTIONS, "From: caller<sip:a@example.com>;tag=323"), b"", "200", id="3.1.1.6"),
        pytest.param(changed(OPTIONS, f"From: <sip:a@example.com;{'x' * 3000}>;tag=1"), b"", "200", id="3.1.1.7"),
        pytest.param(started(OPTIONS, "OPTIONS sip:user;par=u%40example.net@example.com SIP/2.0"), b"", "200",
                     id="3.1.1.9"),
        pytest.param(
            changed(OPTIONS, f"{VIA}, SIP/2.0/TCP t2;branch=z9hG4bK.2, SIP/2.0/SCTP t3;branch=z9hG4bK.3,"
                    " SIP/2.0/UNKNOWN t4;branch=z9hG4bK.4"),
            b"", "200", id="3.1.1.10",
        ),
        pytest.param(
            changed(INVITE, "Content-Type: multipart/mixed;boundary=7a9c"), PARTS + OFFER + b"--7a9c--\r\n", "100",
            id="3.1.1.11",
        ),
        pytest.param(changed(OPTIONS, "Via: SIP/2.0/UDP 192.0.2.15;;,;,,"), b"", "200", id="3.1.2.1 Via"),
        pytest.param(
            changed(INVITE, 'Contact: "" <> ;,"Joe" <sip:joe@example.org>;;;;'), OFFER, "100", id="3.1.2.1 Contact"
        ),
        pytest.param(changed(INVITE, "Content-Length: 9999"), OFFER, "dropped", id="3.1.2.2"),
        pytest.param(changed(INVITE, "Content-Length: -999"), OFFER, "dropped", id="3.1.2.3"),
        pytest.param(changed(OPTIONS, "CSeq: 36893488147419103232 OPTIONS"), b"", "400", id="3.1.2.4"),
        pytest.param(changed(OPTIONS, "Max-Forwards: 300", "Expires: 1000000000000"), b"", "200", id="3.1.2.4 others"),
        pytest.param(changed(OPTIONS, 'To: "Mr. J. User <sip:j.user@example.com>'), b"", "200", id="3.1.2.6"),
        pytest.param(started(OPTIONS, "OPTIONS <sip:b@example.com> SIP/2.0"), b"", "dropped", id="3.1.2.7"),
        pytest.param(started(OPTIONS, "OPTIONS sip:b@example.com; lr SIP/2.0"), b"", "dropped", id="3.1.2.8"),
        pytest.param(started(OPTIONS, "OPTIONS sip:b@example.com?Route=%3Csip:x%3E SIP/2.0"), b"", "200",
                     id="3.1.2.11"),
        pytest.param(changed(INVITE, "Date: Fri, 01 Jan 2010 16:00:00 EST"), OFFER, "100", id="3.1.2.12"),
        pytest.param(changed(OPTIONS, "To: \"Watson, Thomas\" < sip:t.watson@example.org >"), b"", "200",
                     id="3.1.2.14"),
        pytest.param(changed(OPTIONS, "From: Bell, Alexander <sip:a.g.bell@example.com>;tag=43"), b"", "200",
                     id="3.1.2.15"),
        pytest.param(started(OPTIONS, "OPTIONS sip:b@example.com SIP/7.0"), b"", "dropped", id="3.1.2.16"),
        pytest.param(changed(OPTIONS, "CSeq: 1 INVITE"), b"", "400", id="3.1.2.17"),
        pytest.param(
            changed(started(OPTIONS, "NEWMETHOD sip:b@example.com SIP/2.0"), "CSeq: 1 INVITE"), b"", "400",
            id="3.1.2.18",
        ),
        pytest.param(changed(OPTIONS, "Via: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK"), b"", "200", id="3.2.1"),
        pytest.param(changed(INVITE, "-Call-ID", "-From", "-To"), OFFER, "dropped", id="3.3.1"),
        pytest.param(started(OPTIONS, "OPTIONS nobodyKnowsThisScheme:totally SIP/2.0"), b"", "416", id="3.3.2"),
        pytest.param(started(OPTIONS, "OPTIONS soap.beep://192.0.2.103:3002 SIP/2.0"), b"", "416", id="3.3.3"),
        pytest.param(
            changed(OPTIONS, "To: <isbn:2983792873>", "From: <http://www.example.com>;tag=3"), b"", "416",
            id="3.3.4",
        ),
        pytest.param(
            changed(OPTIONS, "Require: nothingSupportsThis, nothingSupportsThisEither"), b"", "420", id="3.3.5"
        ),
        pytest.param(
            changed(INVITE, "Content-Type: application/unknownformat"), b"<audio/>", "415", id="3.3.6"
        ),
        pytest.param(changed(OPTIONS, "Authorization: NoOneKnowsThisScheme opaque-data=here"), b"", "200",
                     id="3.3.7"),
        pytest.param(changed(INVITE, "CSeq: 5 INVITE\r\nCSeq: 59 INVITE"), OFFER, "dropped", id="3.3.8"),
        pytest.param(
            changed(OPTIONS, "Content-Length: 13\r\nContent-Length: 5"), b"There's no way", "dropped", id="3.3.9"
        ),
        pytest.param(changed(OPTIONS, "Max-Forwards: 0"), b"", "200", id="3.3.11"),
        pytest.param(changed(INVITE, SDP, "Accept: text/nobodyKnowsThis"), OFFER, "100", id="3.3.15"),
        pytest.param(
            changed(INVITE, "Via: SIP/2.0/UDP iftgw.example.com", "-Max-Forwards", "From: <sip:+1@example.net>"),
            OFFER, "100", id="3.4.1",
        ),
    ],
)  # fmt: skip
def test_each_message_is_answered_or_dropped(lines: tuple[str, ...], body: bytes, answered: str) -> None:
    found, agent = answers(lines, body)
    assert found == [answered]
    assert [type(each) for each in agent.told] == ([CallArrived] if found == ["100"] else [])


def test_a_response_that_is_broadcast_to_somebody_else_is_nobodys() -> None:  # 3.3.10
    found, agent = answers(
        (
            "SIP/2.0 200 OK",
            "Via: SIP/2.0/UDP 192.0.2.198;branch=z9hG4bK1",
            TO,
            FROM,
            "Call-ID: 1",
            "CSeq: 1 INVITE",
        )
    )
    assert (found, agent.told) == ([], [])


def test_a_second_request_behind_the_first_in_a_datagram_is_ignored() -> None:  # 3.1.1.8
    first = changed(OPTIONS, "Content-Length: 0")
    found, agent = answers(first, "\r\n".join((*INVITE, "", "")).encode() + OFFER)
    assert found == ["200"]
    assert agent.told == []
