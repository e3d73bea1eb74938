"""One function for each parser that takes bytes from outside. It returns for any bytes, or has found a fault.

A parser may raise its own error type and no other; what it gives is bounded; what can be written back reads as it was.
"""

import contextlib
from collections.abc import Callable
from ipaddress import ip_address, ip_network
from pathlib import Path
from typing import Any

from attrs import evolve

from config.apps import AppError
from config.loading import SettingsError, load_settings
from config.properties import parse as parse_properties
from config.tables.apps_file import read_apps, write_apps
from protocol.access.client_address import ClientAddress, TrustedProxies
from protocol.access.proxy_protocol import ProxyHeaderError, ProxyHeaderParser
from protocol.capture.name_questions import answer_to, read_question
from protocol.capture.rules import read_rules
from protocol.capture.uri import BadCaptureUri, read_capture_uri, read_host
from protocol.common.json_bounds import MAX_ELEMENTS
from protocol.common.json_decoding import DecodeError, parse_json
from protocol.common.masking import masked
from protocol.containers.mending import mend
from protocol.containers.recording_series import RecordingSeries
from protocol.hooks.methods import HookMethod
from protocol.hooks.policy import RestClientConfig, WrongType
from protocol.hooks.verdicts import read_answer, verdict
from protocol.operator.commands import parse as parse_command
from protocol.operator.grammar import CommandError
from protocol.operator.messages import decode_request
from protocol.rest.access import read_authority
from protocol.rest.errors import RestError
from protocol.rest.http1 import Http1
from protocol.rest.json_body import decode_optional_object
from protocol.rest.query import read_query
from protocol.rest.resources import connections, streams
from protocol.rtmp.chunks import RtmpError
from protocol.rtmp.publisher import RtmpPublisher, RtmpRefused
from protocol.rtmp.target import BadTarget, read_target
from protocol.sfu.keyframe_detection import key_frame
from protocol.signaling.frame_codec import FrameError, decode, weigh_frame
from protocol.taps import TapError, TrackFormat, info_record, rtp_record
from protocol.webrtc.answer import write_answer
from protocol.webrtc.demux import Datagram, ssrc_of
from protocol.webrtc.framing import MAX_FRAME, FramingError, PacketReader
from protocol.webrtc.negotiation import negotiate_play, negotiate_publish
from protocol.webrtc.offer import parse_offer
from protocol.webrtc.roles import ANSWERER
from protocol.webrtc.rtcp import MAX_LOST, Nack, RtcpError, SenderReport, build_sender_report, parse_compound
from protocol.webrtc.rtp import RtpError, extension, pad, parse_header, payload, size_without_padding
from protocol.webrtc.sdp import Direction, SdpError, SourceTrack
from protocol.webrtc.stun import StunError, build_response
from protocol.webrtc.stun import parse as parse_stun
from protocol.webrtc.twcc import TwccRecorder
from tests.fuzz.sip_targets import SIP_TARGETS
from tests.support.webrtc.sdp_texts import PREFERENCE, TRANSPORT

FIXTURES = Path(__file__).parents[1] / "fixtures"
CORPUS = Path(__file__).parent / "corpus"
MTU = 1200
RECORDED = ("OPUS", "PCMU", "VP8", "VP9", "H264", "AV1")
PROXIES = TrustedProxies((ip_network("10.0.0.0/8"),))


def client_frame(data: bytes) -> None:
    with contextlib.suppress(FrameError):
        frame = decode(_text(data))
        assert 0 < weigh_frame(frame) < 400 * len(data) + 4000


def json_value(data: bytes) -> None:
    with contextlib.suppress(DecodeError):
        assert _count(parse_json(_text(data))) <= MAX_ELEMENTS


def rest_body(data: bytes) -> None:
    for read in (
        lambda: streams.parse_terminate(data, allow_all=False),
        lambda: streams.parse_find(decode_optional_object(data)),
        lambda: connections.parse_terminate(data),
        lambda: connections.parse_find(decode_optional_object(data)),
    ):
        with contextlib.suppress(RestError):
            read()


def rest_query(data: bytes) -> None:
    with contextlib.suppress(RestError):
        parameters = read_query(data)
        assert sum(map(len, parameters)) + sum(map(len, parameters.values())) <= len(data)
        streams.parse_dry_run(parameters)
    read_authority(_text(data))


def http_request(data: bytes) -> None:
    """However the bytes are cut, it is the same request, or it is refused."""
    assert _http_outcome([data]) == _http_outcome([data[at : at + 1] for at in range(len(data))])


def proxy_header(data: bytes) -> None:
    """Read to its end and not beyond, or refused."""
    header, left = ProxyHeaderParser(), data
    with contextlib.suppress(ProxyHeaderError):
        while header.wanted and left:
            piece, left = left[: header.wanted], left[header.wanted :]
            header.feed(piece)
        client = None if header.wanted else header.client()
        assert client is None or ip_address(client.address)


def framed_packets(data: bytes) -> None:
    """However the bytes are cut, the same packets come, or an error at the same place; little is kept."""
    assert _packets([data]) == _packets([data[at : at + 1] for at in range(len(data))])


def _packets(pieces: list[bytes]) -> tuple[list[bytes], bool]:
    reader, packets = PacketReader(), list[bytes]()
    try:
        for piece in pieces:
            reader.feed(piece)
            while reader.is_ready:
                packets += reader.take(1)
    except FramingError:
        return packets, False
    assert all(0 < len(packet) <= MAX_FRAME for packet in packets)
    return packets, True


def forwarded_for(data: bytes) -> None:
    client = PROXIES.client_of(ClientAddress(address="10.0.0.1"), data.decode("latin-1").split("\n"))
    assert ip_address(client.address)
    assert 0 <= client.port < 1 << 16


def hook_answer(data: bytes) -> None:
    method = list(HookMethod)[data[0] % len(HookMethod)] if data else HookMethod.CONNECT
    answer = read_answer(200 if len(data) % 2 else 403, data[1:])
    sent: dict[str, Any] = {"name": "news", "custom": {"a": 1}, "nodeId": "node", "hasVideo": True}
    config = RestClientConfig()
    if answer.body is not None:
        with contextlib.suppress(WrongType):
            config, _ = RestClientConfig.parse(answer.body.get("restClientConfig"))
    verdict(method, config.for_method(method), answer, sent)


def sdp_offer(data: bytes) -> None:
    """Whatever is taken can be answered, and no answer has lines that nobody wrote."""
    try:
        offer = parse_offer(_text(data))
    except SdpError:
        return
    transport = evolve(TRANSPORT, setup=ANSWERER.towards(offer.setup).setup)
    with contextlib.suppress(SdpError):
        plans = negotiate_publish(offer, PREFERENCE)
        _check_answer(write_answer(offer, plans, transport, direction=Direction.RECVONLY), len(data))
    with contextlib.suppress(SdpError):
        plans = negotiate_play(offer, SOURCES)
        answer = write_answer(offer, plans, transport, direction=Direction.SENDONLY, cname="server", stream_id="all")
        _check_answer(answer, len(data))


def stun_message(data: bytes) -> None:
    with contextlib.suppress(StunError):
        message = parse_stun(data)
        parse_stun(build_response(message, ("192.0.2.1", 1234), b"password"))


def rtp_packet(data: bytes) -> None:
    with contextlib.suppress(RtpError):
        header = parse_header(data)
        assert len(payload(data, header)) <= len(data)
        for number in (1, 3, 14, 255):
            found = extension(data, header, number)
            assert found is None or len(found) <= 255
        bare = data[: size_without_padding(data)]
        parse_header(pad(bare, 16) if len(bare) >= 12 and not data[0] & 0x20 else data)


def rtcp_compound(data: bytes) -> None:
    with contextlib.suppress(RtcpError):
        packets = parse_compound(data)
        assert sum(len(packet.lost) for packet in packets if isinstance(packet, Nack)) <= MAX_LOST
        for packet in packets:
            if isinstance(packet, SenderReport):
                assert parse_compound(build_sender_report(packet)) == (packet,)


def datagram(data: bytes) -> None:
    kind = Datagram.of(data)
    ssrc = ssrc_of(kind, data)
    assert ssrc is None or kind in {Datagram.RTP, Datagram.RTCP}


def video_payload(data: bytes) -> None:
    for codec in ("VP8", "VP9", "H264", "AV1"):
        found = key_frame(codec, data)
        if found is not None:
            assert min(found.width, found.height) >= 0
            assert max(found.width, found.height) <= 1 << 16


def feedback(data: bytes) -> None:
    """Transport-wide feedback over any arrivals fits a packet and comes to an end."""
    recorder, now = TwccRecorder(), 0
    for at in range(0, len(data) - 3, 4):
        now += int.from_bytes(data[at + 2 : at + 4]) * 100
        recorder.record(int.from_bytes(data[at : at + 2]), now)
    for _ in range(10_000):
        packet = recorder.build_feedback(sender_ssrc=1, media_ssrc=2)
        if packet is None:
            return
        assert len(packet) <= MTU
        parse_compound(packet)
    raise AssertionError("the feedback does not end")


def tap_message(data: bytes) -> None:
    """What a tap could not have sent is refused; the rest is taken, and comes to an end."""
    series = RecordingSeries()
    with contextlib.suppress(TapError):
        series.feed(memoryview(info_record([TrackFormat("VP8", 90_000), TrackFormat("OPUS", 48_000, 2)], 0.0)))
        series.feed(memoryview(data))
    timeline = series.timeline
    timeline.take(series.newest + 20)
    assert sum(len(placed.frame.data) for placed in timeline.rest()) <= len(data)


def rtmp_answers(data: bytes) -> None:
    """Whatever a target says: its connection goes on or is given up, and little is answered."""
    publisher = RtmpPublisher("live", "key", "rtmp://target.example/live", bytes)
    with contextlib.suppress(RtmpError, RtmpRefused):
        publisher.receive(b"\x03" + bytes(2 * 1536))
        publisher.receive(data)
    assert len(publisher.take_output()) < 6_000 + 20 * len(data)


def push_target(data: bytes) -> None:
    """A URL names a target, whose key is not shown, or is refused."""
    text = _text(data)
    for is_full in (True, False):
        with contextlib.suppress(BadTarget):
            target = read_target(text, "rtmp_news", is_full=is_full)
            assert 0 < target.port < 65536
            assert "/" not in target.host
            assert len(target.shown) <= 4 * len(text) + 10


def source_uri(data: bytes) -> None:
    """A name is a URI that can be captured, read in one way, or is refused; user and password are not shown."""
    text = _text(data)
    shown = masked(text)
    assert masked(shown) == shown
    with contextlib.suppress(BadCaptureUri):
        uri = read_capture_uri(text)
        assert uri.is_file or (0 < uri.port < 65536 and read_host(f"[{uri.host}]" if ":" in uri.host else uri.host))
        assert ".." not in uri.file.split("/")
        rest = shown.partition("://")[2]
        assert "@" not in rest or rest.startswith("***@")
    with contextlib.suppress(ValueError):
        read_rules(text.split(",")).allows("camera.example", "127.0.0.1")


def name_question(data: bytes) -> None:
    """A worker's question for an address has an answer that repeats it, or is none."""
    question = read_question(data)
    if question is not None:
        assert question.asked in answer_to(question, "198.18.0.1")
        assert len(answer_to(question, None)) <= len(data)


def recorded_media(data: bytes) -> None:
    """Whatever a publisher sends, a file comes of it that is whole, and can be made whole wherever it is cut.

    The first byte names the codec; before each packet is a byte with its marker and its distance, and its size.
    """
    recording, at, sequence, timestamp = RecordingSeries(), 1, 0, 0
    codec = RECORDED[data[0] % len(RECORDED)] if data else "VP8"
    recording.feed(memoryview(info_record([TrackFormat(codec, 90_000)], 0.0)))
    while at + 2 <= len(data):
        head, size = data[at], data[at + 1]
        sequence, timestamp = sequence + (head >> 4 & 7), timestamp + (head & 0x0F) * 900
        header = bytes((0x80, head & 0x80)) + sequence.to_bytes(2, "big") + timestamp.to_bytes(4, "big") + bytes(4)
        packet = header + data[at + 2 : at + 2 + size]
        recording.feed(memoryview(rtp_record(0, sequence, timestamp / 90_000, packet)))
        at += 2 + size
    file = bytearray()
    for output in (*recording.flush(timestamp / 90_000 + 20), *recording.finish()):
        file += output.data
        for patch in output.patches:
            file[patch.offset : patch.offset + len(patch.data)] = patch.data
    whole = mend(bytes(file))
    assert (whole is not None and len(file) == whole.length + len(whole.append)) if file else whole is None
    mended_file(bytes(file[: len(file) * 2 // 3]))


def mended_file(data: bytes) -> None:
    """What is left of a file is not made longer than by its index, and nothing is written beyond its end."""
    mended = mend(data)
    if mended is not None:
        assert mended.length <= len(data)
        assert len(mended.append) <= 20 * len(data)
        end = mended.length + len(mended.append)
        assert all(0 <= patch.offset <= end for patch in mended.patches)


def applications(data: bytes) -> None:
    with contextlib.suppress(AppError):
        table = read_apps(_text(data), file_name="apps.toml")
        assert read_apps(write_apps(table), file_name="apps.toml") == table


def properties(data: bytes) -> None:
    text = _text(data)
    assert len(parse_properties(text)) <= len(text)
    with contextlib.suppress(SettingsError):
        load_settings(text, file_name="flashphoner.properties")


def operator_request(data: bytes) -> None:
    with contextlib.suppress(CommandError):
        words = decode_request(data).words
        assert sum(map(len, words)) <= len(data)
        if words:
            parse_command(words)


TARGETS: dict[str, Callable[[bytes], None]] = {
    target.__name__: target
    for target in (
        *(client_frame, json_value, rest_body, rest_query, http_request, hook_answer, sdp_offer, stun_message),
        *(proxy_header, forwarded_for, framed_packets),
        *(tap_message, recorded_media, mended_file, rtmp_answers, push_target, source_uri, name_question),
        *SIP_TARGETS,
        *(rtp_packet, rtcp_compound, datagram, video_payload, feedback, applications, properties, operator_request),
    )
}
_FIXTURES = {
    "client_frame": "frames/c2s_*.json",
    "json_value": "frames/*.json",
    "hook_answer": "frames/c2s_p*.json",
    "rest_body": "frames/c2s_stopStream.json",
    "sdp_offer": "sdp/*.sdp",
    "properties": "wcs/*.properties",
}


def inputs(target: str) -> list[bytes]:
    """What is kept for a target: its corpus, and the recordings of tests/fixtures that it reads."""
    paths = [*sorted((CORPUS / target).glob("*")), *sorted(FIXTURES.glob(_FIXTURES.get(target, "no such file")))]
    return [path.read_bytes() for path in paths]


def _sources() -> list[SourceTrack]:
    plans = negotiate_publish(parse_offer((FIXTURES / "sdp/chrome_publish_av_offer.sdp").read_text()), PREFERENCE)
    return [
        SourceTrack(kind=plan.kind, codec=plan.codec, ssrc=number, rtx_ssrc=None)
        for number, plan in enumerate(plans, 1)
    ]


SOURCES = _sources()


def _check_answer(answer: str, offered: int) -> None:
    assert all(line[1:2] == "=" for line in answer.split("\r\n")[:-1]), answer
    assert len(answer) < 10_000 + 20 * offered


def _text(data: bytes) -> str:
    return data.decode(errors="replace")


def _count(value: Any) -> int:
    """How many values there are in a JSON value, itself included."""
    count, left = 0, [value]
    while left:
        each = left.pop()
        count += 1
        left += each.values() if isinstance(each, dict) else each if isinstance(each, list) else ()
    return count


def _http_outcome(pieces: list[bytes]) -> object:
    """The request that the pieces make, with as much of its body as has come; None if it is refused."""
    http, body = Http1(scheme="http"), b""
    try:
        head = None
        for piece in pieces:
            http.feed(piece)
            head = head or http.request()
            while head is not None and (part := http.body()):
                body += part
        return head, body, http.is_body_complete
    except RestError:
        return None
