"""SIP messages as they are read: the torture tests of RFC 4475 that concern a user agent, framing, and oddities."""

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import protocol.sip.messages.message as sip_message
from protocol.sip.messages.headers import (
    NameAddress,
    SipUri,
    escaped_user,
    parse_cseq,
    parse_host_port,
    parse_name_address,
    parse_uri,
    parse_via,
    printable,
)
from protocol.sip.messages.message import (
    MAX_HEADERS,
    MAX_LINE,
    MAX_MESSAGE,
    HeaderFields,
    RequestMessage,
    ResponseMessage,
    SipError,
    SipMessage,
    StreamParser,
    encode,
    head_of,
    parse_datagram,
)

TORTUOUS = (  # RFC 4475 section 3.1.1.1
    b"INVITE sip:vivekg@chair-dnrc.example.com;unknownparam SIP/2.0\r\n"
    b"TO :\r\n sip:vivekg@chair-dnrc.example.com ;   tag    = 1918181833n\r\n"
    b'from   : "J Rosenberg \\\\\\""       <sip:jdrosen@example.com>\r\n  ;\r\n  tag = 98asjd8\r\n'
    b"MaX-fOrWaRdS: 0068\r\n"
    b"Call-ID: wsinv.ndaksdj@192.0.2.1\r\n"
    b"Content-Length   : 3\r\n"
    b"cseq: 0009\r\n  INVITE\r\n"
    b"Via  : SIP  /   2.0\r\n /UDP\r\n    192.0.2.2;branch=390skdjuw\r\n"
    b"s :\r\n"
    b"NewFangledHeader:   newfangled value\r\n continued newfangled value\r\n"
    b"UnknownHeaderWithUnusualValue: ;;,,;;,;\r\n"
    b"Content-Type: application/sdp\r\n"
    b"Route:\r\n <sip:services.example.com;lr;unknownwith=value;unknown-no-value>\r\n"
    b"v:  SIP  / 2.0  / TCP     spindle.example.com   ;\r\n  branch  =   z9hG4bK9ikj8  ,\r\n"
    b" SIP  /    2.0   / UDP  192.168.255.111   ; branch=\r\n z9hG4bK30239\r\n"
    b'm:"Quoted string \\"\\"" <sip:jdrosen@example.com> ; newparam =\r\n      newvalue ;\r\n'
    b"  secondparam ; q = 0.33\r\n"
    b"\r\nv=0"
)


def request(head: str, body: bytes = b"") -> bytes:
    lines = ["OPTIONS sip:a@b SIP/2.0", *filter(None, head.split("\n"))]
    return "".join(f"{line}\r\n" for line in lines).encode() + b"\r\n" + body


def test_a_short_tortuous_invite() -> None:
    message = parse_datagram(TORTUOUS)
    assert isinstance(message, RequestMessage)
    headers = message.headers
    assert (message.method, message.body) == ("INVITE", b"v=0")
    assert message.uri == "sip:vivekg@chair-dnrc.example.com;unknownparam"
    assert parse_name_address(headers.get("To")).tag == "1918181833n"
    sender = parse_name_address(headers.get("From"))
    assert (sender.display_name, sender.tag) == ('J Rosenberg \\"', "98asjd8")
    assert [parse_via(via).branch for via in headers.values("Via")] == ["390skdjuw", "z9hG4bK9ikj8", "z9hG4bK30239"]
    assert parse_via(headers.values("Via")[1]).transport == "TCP"
    assert parse_cseq(headers.get("CSeq")).number == 9
    contact = parse_name_address(headers.get("Contact"))
    assert (contact.display_name, contact.parameters["q"]) == ('Quoted string ""', "0.33")
    assert parse_name_address(headers.get("Route")).uri.parameters["unknownwith"] == "value"
    assert headers.get("Subject") == ""


def test_the_wide_range_of_characters() -> None:  # 3.1.1.2
    line = (
        b"!interesting-Method0123456789_*+`.%indeed'~ sip:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*"
        b":&it+has=1,weird!*pas$wo~d_too.(doesn't-it)@example.com SIP/2.0\r\n"
    )
    message = parse_datagram(line + b"Call-ID: intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{\r\n\r\n")
    assert isinstance(message, RequestMessage)
    assert message.method == "!interesting-Method0123456789_*+`.%indeed'~"
    uri = parse_uri(message.uri)
    assert (uri.host, uri.user) == ("example.com", "1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*")


def test_escapes_stay_as_they_are() -> None:  # 3.1.1.3
    uri = parse_uri("sip:sips%3Auser%40example.com@example.net")
    assert (uri.user, uri.host) == ("sips%3Auser%40example.com", "example.net")


def test_bytes_that_are_not_utf_8_go_out_as_they_came_in() -> None:  # 3.1.1.10
    data = b'OPTIONS sip:a@b SIP/2.0\r\nFrom: "\xc0\xafJos\xe9" <sip:a@b>;tag=1\r\nContent-Length: 0\r\n\r\n'
    message = parse_datagram(data)
    assert encode(message) == data
    assert parse_name_address(message.headers.get("From")).display_name == "\ufffd\ufffdJos\ufffd"


def test_a_response_without_reason_and_one_in_utf_8() -> None:  # 3.1.1.12, 3.1.1.13
    assert parse_datagram(b"SIP/2.0 100 \r\n\r\n") == ResponseMessage(status=100, reason="", headers=HeaderFields())
    assert parse_datagram(b"SIP/2.0 100\r\n\r\n").headers == HeaderFields()
    found = parse_datagram("SIP/2.0 200 = 2**3 * 5**2 но сто девяносто девять - простое\r\n\r\n".encode())
    assert isinstance(found, ResponseMessage)
    assert found.reason.endswith("простое")


def test_bytes_behind_the_body_of_a_datagram_are_ignored() -> None:  # 3.1.1.7, 3.3.?
    assert parse_datagram(request("Content-Length: 2", b"abcdef")).body == b"ab"
    assert parse_datagram(request("", b"abcdef")).body == b"abcdef"
    assert parse_datagram(b"\r\n\r\n" + request("")).body == b""


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (request("Content-Length: 9999", b"short"), 400),  # 3.1.2.2
        (request("Content-Length: -999"), 400),  # 3.1.2.3
        (request("Content-Length: 1\nContent-Length: 2", b"ab"), 400),
        (request("CSeq: 1 A\nCSeq: 2 A"), 400),
        (b"INVITE <sip:user@example.com> SIP/2.0\r\n\r\n", 400),  # 3.1.2.7
        (b"INVITE sip:user@example.com; lr SIP/2.0\r\n\r\n", 400),  # 3.1.2.8
        (b"INVITE  sip:user@example.com  SIP/2.0\r\n\r\n", 400),  # 3.1.2.9
        (b"OPTIONS sip:t@example.com SIP/7.0\r\n\r\n", 505),  # 3.1.2.16
        (b"SIP/2.0 4294967301 better not break\r\n\r\n", 400),  # 3.1.2.19
        (b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", 400),
        (b"OPTIONS sip:a@b SIP/2.0\r\nno colon\r\n\r\n", 400),
        (b"OPTIONS sip:a@b SIP/2.0\r\nA: b", 400),
        (b"", 400),
        (request("X: " + "a" * MAX_LINE), 513),
        (request("\n".join(f"X{n}: y" for n in range(MAX_HEADERS + 1))), 513),
        (b"a" * (MAX_MESSAGE + 1), 513),
    ],
)
def test_what_is_no_message(data: bytes, status: int) -> None:
    with pytest.raises(SipError) as caught:
        parse_datagram(data)
    assert caught.value.status_hint == status


@pytest.mark.parametrize(
    ("text", "status"),
    [
        ("nobodyKnowsThisScheme:totallyopaquecontent", 416),  # RFC 4475 3.3.7
        ("http://example.com", 416),
        ("sip:", 400),
        ("sip:user@host:port", 400),
        ("sip:user@host:99999", 400),
        ("sip:user@[::zz]", 400),
        ("sip:us er@host", 400),
        ("sip:<user@host", 400),
        ("user@host", 416),
    ],
)
def test_what_is_no_uri(text: str, status: int) -> None:
    with pytest.raises(SipError) as caught:
        parse_uri(text)
    assert caught.value.status_hint == status


@pytest.mark.parametrize(
    "text",
    [
        "sip:alice@example.com",
        "sips:alice@example.com:5061;transport=tcp;lr",
        "sip:[2001:db8::10]:5070",
        "sip:alice@example.com?Replaces=a%3Bto-tag%3Db",
        "tel:+1-201-555-0123;phone-context=example.com",
    ],
)
def test_a_uri_is_written_as_it_was_read(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_parameters_without_angle_brackets_belong_to_the_header_field() -> None:
    found = parse_name_address("sip:alice@example.com;tag=1")
    assert (found.tag, found.uri.parameters) == ("1", {})
    found = parse_name_address('"A, <B>" <sip:alice@example.com;x=1>;tag=2')
    assert (found.tag, found.display_name, found.uri.parameters["x"]) == ("2", "A, <B>", "1")


def test_a_display_name_cannot_break_out() -> None:
    name = 'Eve" <sip:x@y>\r\nX: 1\\'
    written = str(NameAddress(uri=SipUri(user="a", host="b"), display_name=name))
    assert "\r" not in written
    assert "\n" not in written
    assert parse_name_address(written).display_name == printable(name)
    with pytest.raises(ValueError, match="line break"):
        head_of([("X", "a\r\nY: b")])


def test_a_user_is_escaped() -> None:
    assert escaped_user("1 2@ä<>") == "1%202%40%C3%A4%3C%3E"


def test_hosts() -> None:
    assert parse_host_port("Example.COM : 5070") == ("example.com", 5070)
    assert parse_host_port("[2001:DB8::1]") == ("2001:db8::1", None)


def test_lists_are_split_outside_of_quotes_and_brackets() -> None:
    headers = HeaderFields((("m", '"a, b" <sip:a@b;x=1,2>, <sip:c@d>'), ("Contact", "<sip:e@f>")))
    assert headers.values("Contact") == ('"a, b" <sip:a@b;x=1,2>', "<sip:c@d>", "<sip:e@f>")
    assert headers.replaced("contact", "*").fields == (("contact", "*"),)


STREAM = [
    request("A: 1\nContent-Length: 4", b"\r\n\r\n"),
    request("l: 0"),
    b"SIP/2.0 200 OK\r\nContent-Length: 3\r\n\r\nabc",
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
def test_a_stream_in_any_pieces(size: int) -> None:
    data = b"\r\n\r\n".join(STREAM) + b"\r\n\r\n"
    parser, found = StreamParser(), list[SipMessage]()
    for start in range(0, len(data), size):
        found += parser.feed(data[start : start + size])
    assert [message.body for message in found] == [b"\r\n\r\n", b"", b"abc"]
    assert parser.pings == 3
    assert not parser.is_within_message


@pytest.mark.parametrize(
    "data",
    [
        request("A: 1"),
        request(f"Content-Length: {MAX_MESSAGE}"),
        b"a" * (MAX_MESSAGE + 1),
        b"nonsense\r\n\r\n",
    ],
)
def test_a_stream_that_cannot_go_on(data: bytes) -> None:
    parser = StreamParser()
    assert len(parser.feed(STREAM[0] + data)) == 1
    assert parser.error is not None
    assert parser.feed(STREAM[0]) == []


@settings(max_examples=50)
@given(st.binary(max_size=200), st.integers(0, len(TORTUOUS)), st.integers(0, 40))
def test_any_bytes_are_a_message_or_an_error(noise: bytes, at: int, cut: int) -> None:
    for data in (noise, TORTUOUS[:at] + noise + TORTUOUS[at + cut :]):
        try:
            message = parse_datagram(data)
        except SipError:
            continue
        again = parse_datagram(encode(message))
        assert (again.body, type(again)) == (message.body, type(message))
        for parse in (parse_name_address, parse_via, parse_cseq, parse_uri):
            for _, value in message.headers.fields:
                try:
                    parse(value)
                except SipError:
                    continue


def test_blanks_in_a_via_cost_no_more_than_their_length() -> None:
    def cost(blanks: int) -> float:
        began = time.process_time()
        with pytest.raises(SipError):
            parse_via(f"SIP{' ' * blanks}x")
        return time.process_time() - began

    assert min(cost(8_000) for _ in range(3)) < 0.02 + 100 * min(cost(80) for _ in range(3))


@pytest.mark.parametrize("text", ["tel:\udcff", "tel:1\x002", "tel:\u200b"])
def test_a_number_that_is_none(text: str) -> None:
    with pytest.raises(SipError):
        parse_uri(text)


def test_the_head_of_a_message_that_drips_in_is_read_once(monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[bytes] = []
    read = sip_message._parse_head

    def counted(head: bytes) -> SipMessage:
        heads.append(head)
        return read(head)

    monkeypatch.setattr(sip_message, "_parse_head", counted)
    parser = StreamParser()
    one = b"OPTIONS sip:a@b SIP/2.0\r\nContent-Length: 100\r\n\r\n" + b"\r\n" * 50
    found = [each for byte in one + one for each in parser.feed(bytes([byte]))]
    assert [each.body for each in found] == [b"\r\n" * 50] * 2
    assert len(heads) == 2


@pytest.mark.parametrize("name", ["Authorization", "Proxy-Authorization", "proxy-authorization"])
def test_digests_are_not_shown(name: str) -> None:
    headers = HeaderFields((("To", "<sip:a@b>"), (name, 'Digest username="a", response="0123abcd"')))
    shown = repr(RequestMessage(method="BYE", uri="sip:a@b", headers=headers))
    assert "<sip:a@b>" in shown
    assert "0123abcd" not in shown
