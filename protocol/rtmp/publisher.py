"""The client's half of RTMP, for one stream that it publishes. No I/O: bytes in, bytes and the state out.

    HANDSHAKE -> CONNECTING -> CREATING -> ASKING -> PUBLISHING

A target that refuses, at any step or later, raises RtmpRefused; one that does not speak RTMP, RtmpError. One that asks
who publishes raises RtmpUserAsked: another connection is to answer.
"""

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Any, Final

from protocol.rtmp.amf0 import AmfError, read_values, write_values
from protocol.rtmp.authentication import AuthenticationRefused, RtmpUser, next_parameters
from protocol.rtmp.chunks import OUR_CHUNK, ChunkReader, Message, MessageType, RtmpError, write_message

_CONTROL, _COMMANDS, _AUDIO, _VIDEO = 2, 3, 4, 6
"""Chunk streams."""
_VERSION: Final = b"\x03"
_HANDSHAKE: Final = 1536
_PING_REQUEST, _PING_RESPONSE = 6, 7
WINDOW: Final = 2_500_000
LONGEST_REASON: Final = 4000
"""Characters of the target's own words that are kept. A secret that was cut through could not be hidden any more."""
_LONGEST_CHALLENGE: Final = 2000


class RtmpRefused(Exception):
    """The target does not want the stream; the text is its own, shortened."""


class RtmpUserAsked(Exception):
    """Another connection is to say who publishes, by these `parameters`."""

    def __init__(self, parameters: str) -> None:
        super().__init__("the target asks for a user")
        self.parameters = parameters


class PublisherState(Enum):
    """How far the connection is."""

    HANDSHAKE = auto()
    CONNECTING = auto()
    CREATING = auto()
    ASKING = auto()
    PUBLISHING = auto()


class RtmpPublisher:
    """See above. `random` makes as many random bytes as asked for. What is to be sent is in `take_output`.

    `user`: who publishes, if the target asks; `parameters`: what a connection before this one has learned of that.
    """

    def __init__(
        self,
        app: str,
        key: str,
        tc_url: str,
        random: Callable[[int], bytes],
        *,
        user: RtmpUser | None = None,
        parameters: str = "",
    ) -> None:
        self.state = PublisherState.HANDSHAKE
        self._app, self._key, self._tc_url = app + parameters, key, tc_url + parameters
        self._user = user
        self._random = random
        self._output: list[bytes] = [_VERSION, bytes(8), random(_HANDSHAKE - 8)]
        self._greeting = b""
        self._reader = ChunkReader()
        self._stream = 0
        self._received = self._acknowledged = 0
        self._window = WINDOW

    def take_output(self) -> bytes:
        """What is to be sent now."""
        output, self._output = b"".join(self._output), []
        return output

    def receive(self, data: bytes) -> None:
        """Bytes came from the target. Raises RtmpRefused or RtmpError."""
        self._received += len(data)
        if self.state is PublisherState.HANDSHAKE:
            data = self._shake_hands(data)
        for message in self._reader.receive(data):
            self._take(message)
        if self._received - self._acknowledged >= self._window // 2:
            self._acknowledged = self._received
            self._control(MessageType.ACKNOWLEDGEMENT, (self._received & 0xFFFFFFFF).to_bytes(4, "big"))

    # -- what is published ---------------------------------------------------------------------------------------

    def metadata(self, values: Mapping[str, Any]) -> bytes:
        """What the stream is, before its first frame."""
        body = write_values("@setDataFrame", "onMetaData", values)
        return write_message(_AUDIO, Message(MessageType.DATA, self._stream, 0, body))

    def audio(self, timestamp: int, body: bytes) -> bytes:
        """A body of `flv`, at so many milliseconds."""
        return write_message(_AUDIO, Message(MessageType.AUDIO, self._stream, timestamp, body))

    def video(self, timestamp: int, body: bytes) -> bytes:
        """A body of `flv`, at so many milliseconds."""
        return write_message(_VIDEO, Message(MessageType.VIDEO, self._stream, timestamp, body))

    def farewell(self) -> bytes:
        """The stream ends here: the target need not wait for more."""
        commands = (("FCUnpublish", 6, None, self._key), ("deleteStream", 7, None, self._stream))
        return b"".join([_command(0, *command) for command in commands])

    # -- inside --------------------------------------------------------------------------------------------------

    def _shake_hands(self, data: bytes) -> bytes:
        """S0, S1 and S2; what came after them."""
        self._greeting += data
        if self._greeting[:1] not in (b"", _VERSION):
            raise RtmpError("another version than 3")
        if len(self._greeting) < 1 + 2 * _HANDSHAKE:
            return b""
        theirs = self._greeting[1 : 1 + _HANDSHAKE]
        rest, self._greeting = self._greeting[1 + 2 * _HANDSHAKE :], b""
        self._output.append(theirs)
        self._control(MessageType.SET_CHUNK_SIZE, OUR_CHUNK.to_bytes(4, "big"))
        self._connect()
        return rest

    def _connect(self) -> None:
        self.state = PublisherState.CONNECTING
        about = {
            "app": self._app,
            "type": "nonprivate",
            "flashVer": "FMLE/3.0 (compatible; wcsd)",
            "swfUrl": self._tc_url,
            "tcUrl": self._tc_url,
        }
        self._output.append(_command(0, "connect", 1, about))

    def _take(self, message: Message) -> None:
        if message.type == MessageType.COMMAND:
            self._obey(message.body)
        elif message.type == MessageType.WINDOW_SIZE:
            self._window = max(2, int.from_bytes(message.body[:4], "big"))
        elif message.type == MessageType.SET_BANDWIDTH:
            self._control(MessageType.WINDOW_SIZE, WINDOW.to_bytes(4, "big"))
        elif message.type == MessageType.USER_CONTROL and message.body[:2] == _PING_REQUEST.to_bytes(2, "big"):
            self._control(MessageType.USER_CONTROL, _PING_RESPONSE.to_bytes(2, "big") + message.body[2:6])

    def _obey(self, body: bytes) -> None:
        try:
            name, transaction, *arguments = read_values(body)
        except (AmfError, ValueError) as error:
            raise RtmpError(f"a command that is none: {error}") from None
        if name == "_result":
            self._answered(transaction, arguments)
        elif name == "_error" and transaction in (1, 4):  # others refuse what only some servers know
            self._refused(arguments)
        elif name == "onStatus":
            self._told(arguments)
        elif name == "close":
            raise RtmpRefused("closed by the target")

    def _refused(self, arguments: list[Any]) -> None:
        about = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
        asked = str(about.get("description", ""))[:_LONGEST_CHALLENGE]
        try:
            parameters = next_parameters(asked, self._user, self._random)
        except AuthenticationRefused as refused:
            raise RtmpRefused(str(refused)) from None
        if parameters is not None:
            raise RtmpUserAsked(parameters)
        raise RtmpRefused(_reason(arguments))

    def _answered(self, transaction: object, arguments: list[Any]) -> None:
        if transaction == 1 and self.state is PublisherState.CONNECTING:
            self.state = PublisherState.CREATING
            self._output += [
                _command(0, "releaseStream", 2, None, self._key),
                _command(0, "FCPublish", 3, None, self._key),
                _command(0, "createStream", 4, None),
            ]
        elif transaction == 4 and self.state is PublisherState.CREATING:
            number = arguments[-1] if arguments else None
            if not isinstance(number, float) or not 0 <= number < 1 << 32:
                raise RtmpError("a stream without a number")
            self._stream = int(number)
            self.state = PublisherState.ASKING
            self._output.append(_command(self._stream, "publish", 5, None, self._key, "live"))

    def _told(self, arguments: list[Any]) -> None:
        about = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
        if about.get("level") == "error" or about.get("code") == "NetStream.Unpublish.Success":
            raise RtmpRefused(_reason(arguments))
        if about.get("code") == "NetStream.Publish.Start" and self.state is PublisherState.ASKING:
            self.state = PublisherState.PUBLISHING

    def _control(self, kind: MessageType, body: bytes) -> None:
        self._output.append(write_message(_CONTROL, Message(kind, 0, 0, body)))


def _command(stream: int, *values: Any) -> bytes:
    return write_message(_COMMANDS, Message(MessageType.COMMAND, stream, 0, write_values(*values)))


def _reason(arguments: list[Any]) -> str:
    about = arguments[-1] if arguments and isinstance(arguments[-1], dict) else {}
    code, description = str(about.get("code", "")), str(about.get("description", ""))
    text = " ".join(f"{code}: {description}".split()).strip(": ")
    return (text or "refused")[:LONGEST_REASON]
