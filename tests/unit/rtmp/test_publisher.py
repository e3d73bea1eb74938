"""The client's half of RTMP, against a server made of the same parts."""

from typing import Any

import pytest

from protocol.rtmp.amf0 import read_values, write_values
from protocol.rtmp.chunks import ChunkReader, Message, MessageType, RtmpError, write_message
from protocol.rtmp.publisher import LONGEST_REASON, WINDOW, PublisherState, RtmpPublisher, RtmpRefused
from protocol.rtmp.target import MAX_LENGTH, without_secrets

HELLO = b"\x03" + bytes(1536) * 2


class Server:
    """Reads what the client sends, and answers by hand."""

    def __init__(self) -> None:
        self.client = RtmpPublisher("live", "key", "rtmp://target.example/live", lambda size: b"r" * size)
        self.reader = ChunkReader()
        assert len(self.client.take_output()) == 1537

    def told(self) -> list[Message]:
        return list(self.reader.receive(self.client.take_output()))

    def commands(self) -> list[list[Any]]:
        return [read_values(each.body) for each in self.told() if each.type == MessageType.COMMAND]

    def answer(self, *values: Any, kind: int = MessageType.COMMAND) -> None:
        self.client.receive(write_message(3, Message(kind, 0, 0, write_values(*values)), size=128))

    def control(self, kind: MessageType, body: bytes) -> None:
        self.client.receive(write_message(2, Message(kind, 0, 0, body), size=128))

    def shake_hands(self) -> list[list[Any]]:
        self.client.receive(HELLO)
        assert self.client.take_output()[:1536] == bytes(1536)
        return []

    def publish(self) -> None:
        self.shake_hands()
        self.answer("_result", 1, None, {"code": "NetConnection.Connect.Success"})
        self.answer("_result", 4, None, 1)
        self.client.take_output()
        self.answer("onStatus", 0, None, {"level": "status", "code": "NetStream.Publish.Start"})


def test_a_stream_is_published_step_by_step() -> None:
    server = Server()
    for piece in (HELLO[:1], HELLO[1:2000], HELLO[2000:]):
        server.client.receive(piece)
    output = server.client.take_output()
    assert output[:1536] == bytes(1536), "S1 is echoed"
    told = list(server.reader.receive(output[1536:]))
    assert told[0] == Message(MessageType.SET_CHUNK_SIZE, 0, 0, (4096).to_bytes(4, "big"))
    connect = read_values(told[1].body)
    assert connect[:2] == ["connect", 1]
    assert connect[2] | {"app": "live", "tcUrl": "rtmp://target.example/live"} == connect[2]

    server.answer("_result", 1, {"fmsVer": "x"}, {"code": "NetConnection.Connect.Success"})
    assert [each[0] for each in server.commands()] == ["releaseStream", "FCPublish", "createStream"]
    server.answer("_error", 2, None, {"level": "error", "description": "what is releaseStream?"})
    server.answer("onFCPublish", 0, None, {})
    server.answer("_result", 4, None, 7)
    (told_publish,) = server.told()
    assert told_publish.stream == 7
    assert read_values(told_publish.body) == ["publish", 5, None, "key", "live"]
    states = [server.client.state]
    server.answer("onStatus", 0, None, {"level": "status", "code": "NetStream.Publish.Start"})
    assert [*states, server.client.state] == [PublisherState.ASKING, PublisherState.PUBLISHING]
    (video,) = server.reader.receive(server.client.video(40, b"\x17"))
    assert video == Message(MessageType.VIDEO, 7, 40, b"\x17")
    names = [read_values(each.body)[0] for each in server.reader.receive(server.client.farewell())]
    assert names == ["FCUnpublish", "deleteStream"]


@pytest.mark.parametrize(
    "refusal",
    [
        ("_error", 1, None, {"code": "NetConnection.Connect.Rejected", "description": "no such app"}),
        ("onStatus", 0, None, {"level": "error", "code": "NetStream.Publish.BadName", "description": "taken"}),
        ("close", 0, None),
    ],
)
def test_a_refusal_tells_what_the_target_says(refusal: tuple[Any, ...]) -> None:
    server = Server()
    server.shake_hands()
    with pytest.raises(RtmpRefused) as refused:
        server.answer(*refusal)
    about = refusal[-1]
    words = f"{about['code']}: {about['description']}" if isinstance(about, dict) else "closed by the target"
    assert str(refused.value) == words


def test_what_a_target_says_is_shortened_to_one_line() -> None:
    server = Server()
    server.shake_hands()
    with pytest.raises(RtmpRefused) as refused:
        server.answer("_error", 1, None, {"description": "a\n" * LONGEST_REASON})
    assert len(str(refused.value)) == LONGEST_REASON
    assert "\n" not in str(refused.value)


def test_a_key_that_a_target_repeats_is_whole_so_that_it_can_be_hidden() -> None:
    server, key = Server(), "k" * (MAX_LENGTH - 100)
    server.shake_hands()
    with pytest.raises(RtmpRefused) as refused:
        server.answer("_error", 1, None, {"description": f"{'a ' * 90}{key}"})
    assert "k" not in without_secrets(str(refused.value), key, "live")


def test_a_stream_that_is_taken_away_later_is_a_refusal() -> None:
    server = Server()
    server.publish()
    with pytest.raises(RtmpRefused):
        server.answer("onStatus", 0, None, {"level": "status", "code": "NetStream.Unpublish.Success"})


def test_pings_are_answered_and_bytes_acknowledged() -> None:
    server = Server()
    server.publish()
    server.control(MessageType.USER_CONTROL, b"\0\x06\x01\x02\x03\x04")
    server.control(MessageType.SET_BANDWIDTH, b"\0\0\0\x0a\x02")
    server.control(MessageType.WINDOW_SIZE, b"\0\0\0\x0a")
    answers = server.told()
    assert Message(MessageType.USER_CONTROL, 0, 0, b"\0\x07\x01\x02\x03\x04") in answers
    assert Message(MessageType.WINDOW_SIZE, 0, 0, WINDOW.to_bytes(4, "big")) in answers
    assert answers[-1].type == MessageType.ACKNOWLEDGEMENT


@pytest.mark.parametrize(
    "values",
    [("_result", 4, None), ("_result", 4, None, "x"), ("_result", 4, None, -1.0), (), ("connect",)],
)
def test_answers_that_make_no_sense_are_errors(values: tuple[Any, ...]) -> None:
    server = Server()
    server.shake_hands()
    server.answer("_result", 1, None, {})
    with pytest.raises(RtmpError):
        server.answer(*values)


@pytest.mark.parametrize("data", [b"HTTP/1.1 400 Bad Request\r\n", b"\x06"])
def test_another_protocol_is_an_error(data: bytes) -> None:
    with pytest.raises(RtmpError):
        Server().client.receive(data)
