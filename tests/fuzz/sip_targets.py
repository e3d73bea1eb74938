"""The parsers of SIP, and the user agent behind them: whatever comes, one kind of error at most, and bounded memory."""

import contextlib
import math
from itertools import count

from protocol.sip.accounts.callee import CalleeRefused, check_callee, read_callee, read_patterns
from protocol.sip.accounts.servers import read_servers
from protocol.sip.core import Surroundings
from protocol.sip.events import CallArrived
from protocol.sip.messages.headers import (
    parse_challenges,
    parse_cseq,
    parse_name_address,
    parse_uri,
    parse_via,
    printable,
)
from protocol.sip.messages.media_description import Origin, parse_description, write_answer, write_offer
from protocol.sip.messages.message import MAX_MESSAGE, SipError, SipMessage, StreamParser, encode, parse_datagram
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
    tokens = count()
    agent = UserAgent(
        Surroundings(
            sent_by=lambda hop: ("192.0.2.9", 5060),
            contact_at=lambda hop: ("192.0.2.9", 5060),
            token=lambda: f"t{next(tokens)}",
            uniform=lambda low, high: low,
        )
    )
    for step, part in enumerate(data.split(b"\0")[:50]):
        with contextlib.suppress(SipError):
            agent.receive(parse_datagram(part), PEER, float(step))
        for event in agent.events():
            if isinstance(event, CallArrived):
                agent.ring(event.call, float(step))
                agent.answer(event.call, b"v=0\r\n", float(step))
        for outbound in agent.outbound():
            assert len(outbound.data) < 2 * MAX_MESSAGE
            parse_datagram(outbound.data)
    for _ in range(1_000):
        if agent.deadline == math.inf:
            break
        agent.on_time(agent.deadline)
        agent.outbound()
    assert (agent.transaction_count, agent.deadline) == (0, math.inf)


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
