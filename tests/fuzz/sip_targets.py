"""The parsers of SIP, and the user agent behind them: whatever comes, one kind of error at most, and bounded memory."""

import contextlib
import math
from itertools import count
from typing import Final
from urllib.parse import quote

from protocol.sip.accounts.callee import CalleeRefused, check_callee, read_callee, read_patterns
from protocol.sip.accounts.servers import read_servers
from protocol.sip.calls.refer_to import MAX_REPLACES, checked_replaces, read_refer_to
from protocol.sip.core import Surroundings
from protocol.sip.events import CallAcknowledged, CallArrived, TransferAsked
from protocol.sip.messages.headers import (
    parse_challenges,
    parse_cseq,
    parse_name_address,
    parse_uri,
    parse_via,
    printable,
)
from protocol.sip.messages.media_description import Origin, parse_description, write_answer, write_offer
from protocol.sip.messages.message import (
    MAX_MESSAGE,
    HeaderFields,
    SipError,
    SipMessage,
    StreamParser,
    encode,
    parse_datagram,
)
from protocol.sip.transactions.machines import Hop
from protocol.sip.user_agent import UserAgent

PEER = Hop(transport="udp", host="192.0.2.1", port=5060)
SERVERS = read_servers("example.com")


def sip_message(data: bytes) -> None:
    with contextlib.suppress(SipError):
        message = parse_datagram(data)
        again = parse_datagram(encode(message))
        assert again.body == message.body
        assert again.headers.replaced("Content-Length") == message.headers.replaced("Content-Length")
        _read_fields(message)


def _read_fields(message: SipMessage) -> None:
    for name, value in message.headers.fields:
        for parse in (parse_name_address, parse_via, parse_cseq, parse_uri):
            with contextlib.suppress(SipError):
                str(parse(value))
        parse_challenges(message.headers, name)
        printable(value).encode()


def sip_stream(data: bytes) -> None:
    whole, pieces = _streamed(data, len(data) or 1), _streamed(data, 7)
    assert whole == pieces


def _streamed(data: bytes, size: int) -> list[SipMessage]:
    parser, found = StreamParser(), list[SipMessage]()
    for start in range(0, len(data), size):
        found += parser.feed(data[start : start + size])
    return found


def sip_agent(data: bytes) -> None:
    """Messages one after the other, separated by NUL; calls are answered."""
    agent = _agent()
    for step, part in enumerate(data.split(b"\0")[:50]):
        with contextlib.suppress(SipError):
            agent.receive(parse_datagram(part), PEER, float(step))
        for event in agent.events():
            if isinstance(event, CallArrived):
                agent.ring(event.call, float(step))
                agent.answer(event.call, b"v=0\r\n", float(step))
        _check_outbound(agent)
    _run_out(agent)


def _agent(*, accepts_refer: bool = False) -> UserAgent:
    tokens = count()
    return UserAgent(
        Surroundings(
            sent_by=lambda hop: ("192.0.2.9", 5060),
            contact_at=lambda hop: ("192.0.2.9", 5060),
            token=lambda: f"t{next(tokens)}",
            uniform=lambda low, high: low,
            accepts_refer=accepts_refer,
        )
    )


def _check_outbound(agent: UserAgent) -> None:
    for outbound in agent.outbound():
        assert len(outbound.data) < 2 * MAX_MESSAGE
        parse_datagram(outbound.data)


def _run_out(agent: UserAgent) -> None:
    for _ in range(1_000):
        if agent.deadline == math.inf:
            break
        agent.on_time(agent.deadline)
        agent.outbound()
    assert (agent.transaction_count, agent.deadline) == (0, math.inf)


def refer_to(data: bytes) -> None:
    """What is read of Refer-To and Replaces is safe to be sent, and reads as it was."""
    text = data.decode("utf-8", "surrogateescape")
    with contextlib.suppress(SipError):
        found = read_refer_to(HeaderFields((("Refer-To", text),)))
        assert not set(str(found.uri)) & set('\r\n<>" ')
        assert read_refer_to(HeaderFields((("Refer-To", f"<{found.uri}>"),))).uri == found.uri
        if found.replaces is not None:
            _check_replaces(found.replaces)
    with contextlib.suppress(SipError):
        _check_replaces(checked_replaces(text))


def _check_replaces(replaces: str) -> None:
    assert len(replaces) <= MAX_REPLACES
    assert replaces.isprintable()
    assert checked_replaces(replaces) == replaces
    by_uri = f"<sip:a@b?Replaces={quote(replaces, safe='')}>"
    with contextlib.suppress(SipError):  # percent signs may make it too long
        assert read_refer_to(HeaderFields((("Refer-To", by_uri),))).replaces == replaces


_WITHIN: Final = (
    "{method} sip:wcsd@192.0.2.9 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK{number}\r\nMax-Forwards: 70\r\n"
    "From: <sip:bob@example.com>;tag=b{other}\r\nTo: <sip:alice@example.com>{tag}\r\nCall-ID: call{other}\r\n"
    "CSeq: {number} {method}\r\nContact: <sip:bob@192.0.2.1>\r\n"
)


def sip_transfers(data: bytes) -> None:
    """A call is up; REFERs within it and INVITEs that replace it come, with what their header fields say after NUL."""
    agent = _agent(accepts_refer=True)
    kept: list[CallArrived] = []
    _come(agent, "INVITE", b"Content-Length: 0\r\n", 1, kept)
    agent.answer(kept[0].call, b"v=0\r\n", 1.0)
    tag = ";tag=" + _our_tag(agent)
    _come(agent, "ACK", b"", 1, kept, tag=tag)
    for step, part in enumerate(data.split(b"\0")[:10], 2):
        if part[:1] == b"R":
            _come(agent, "REFER", b"Refer-To: " + part[1:], step, kept, tag=tag)
        else:
            _come(agent, "INVITE", b"Replaces: " + part[1:].replace(b"OURS", tag[5:].encode()), step, kept)
    for call in kept:
        agent.hang_up(call.call, 40.0)
        agent.tell_transfer(call.call, 487, "over", 40.0)
    _check_outbound(agent)
    _run_out(agent)


def _our_tag(agent: UserAgent) -> str:
    answers = [each.message for each in agent.outbound()]
    return parse_name_address(answers[-1].headers.get("To")).tag


def _come(agent: UserAgent, method: str, more: bytes, number: int, kept: list[CallArrived], *, tag: str = "") -> None:
    """A request with further header fields; what it asks for is done."""
    now, other = float(number), "" if number == 1 or tag else str(number)
    head = _WITHIN.format(method=method, number=number, tag=tag, other=other)
    with contextlib.suppress(SipError):
        agent.receive(parse_datagram(head.encode() + more + b"\r\n\r\n"), PEER, now)
    for event in agent.events():
        match event:
            case TransferAsked():
                assert not set(str(event.target)) & set('\r\n<>" ')
                agent.answer_transfer(event.call, 202, now)
                agent.tell_transfer(event.call, 200, "OK", now)
            case CallArrived():
                assert event.replaces in (None, *(call.call for call in kept))
                kept.append(event)
            case CallAcknowledged():
                pass
    if number > 1:
        _check_outbound(agent)


def sip_texts(data: bytes) -> None:
    text = data.decode("utf-8", "replace")
    with contextlib.suppress(CalleeRefused):
        uri = read_callee(text, "example.com", SERVERS)
        assert uri.host == "example.com"
        assert not set(str(uri)) & set('\r\n<>" ')
        check_callee(uri, read_patterns(["*"]), read_patterns(["+*", "00*"]))
        assert not uri.user.startswith(("+", "00"))
    with contextlib.suppress(ValueError):
        read_servers(text)


def phone_description(data: bytes) -> None:
    with contextlib.suppress(SipError):
        found = parse_description(data)
        origin = Origin(session_id=1, version=1, address="192.0.2.9")
        assert parse_description(write_offer(origin, found.audio)).audio.codecs == found.audio.codecs
        write_answer(origin, found.audio, found)


SIP_TARGETS: Final = (sip_message, sip_stream, sip_agent, sip_texts, sip_transfers, refer_to, phone_description)
