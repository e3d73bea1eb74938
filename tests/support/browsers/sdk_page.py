"""A page with the unmodified WebSDK in a real browser, driven through the harness of `tests/e2e/site`."""

import contextlib
from typing import Any, Protocol

from attrs import define, field, frozen
from playwright.sync_api import Error, Page

PATIENCE = 60_000
"""Milliseconds that any one thing may take in a browser on a busy machine."""
OLD_SDK = "sdk-2.0.180"
"""Of 2021: what became stream events in June 2022 are stream statuses to it."""
NO_STATES = ("RESIZE", "NOT_ENOUGH_BANDWIDTH", "SNAPSHOT_COMPLETE")
"""Statuses that leave the stream as it is: pages of today are told the same by events as well."""
VIDEO_CODECS = ("VP8", "H264", "VP9", "AV1")
SMALL_VIDEO = {"width": 320, "height": 240, "frameRate": 15}


class Tab(Protocol):
    """What a page of any browser is driven through."""

    def evaluate(self, expression: str, arg: Any = None) -> Any:
        """The value of a JavaScript expression, or, if that is a function, of what it returns for the argument."""

    def goto(self, url: str) -> Any:
        """Load another page."""

    def reload(self) -> Any:
        """Load the page anew."""


@frozen
class Seen:
    """A status that the SDK told its page, with the info text it gave then."""

    status: str
    info: str | None = None


@define
class SdkStream:
    """A stream object of the SDK."""

    page: "SdkPage"
    name: str
    id: str
    """Its mediaSessionId."""

    @property
    def history(self) -> list[Seen]:
        """Every state of the stream that the page was told, in order."""
        return [seen for seen in self.told if seen.status not in NO_STATES]

    @property
    def told(self) -> list[Seen]:
        """Every status that the page was told, in order, with those that leave the stream as it is."""
        return [Seen(*entry) for entry in self._ask("historyOf")]

    @property
    def events(self) -> list[dict[str, Any]]:
        """Every stream event (mute, data, resize ...) that the page was told, in order."""
        events: list[dict[str, Any]] = self._ask("eventsOf")
        return [event for event in events if event.get("type")]  # the SDK raises one of its own without a type

    def events_of(self, *types: str) -> list[dict[str, Any]]:
        return [event for event in self.events if event["type"] in types]

    def wait_for(self, status: str, info: str | None = None) -> None:
        """Wait until the stream has had this status, with this info. Another end fails at once."""
        self.page.wait("([id, status]) => harness.reached(id, status)", [self.id, status])
        assert Seen(status, info) in self.told, f"{self.name}: {self.told}"

    def wait_for_end(self) -> None:
        """Wait until the stream has ended, in whatever way."""
        self.page.wait("(id) => harness.reached(id)", self.id)

    def wait_for_event(self, event_type: str, count: int = 1) -> list[dict[str, Any]]:
        """Wait until so many events of the type have come; all of them."""
        self.page.wait(
            "([id, type, count]) => harness.eventsOf(id).filter((event) => event.type === type).length >= count",
            [self.id, event_type, count],
        )
        return self.events_of(event_type)

    def stop(self) -> None:
        self.call("stop")

    def call(self, method: str, *arguments: Any) -> Any:
        """Call a method of the SDK's stream object."""
        return self.page.run(
            "([id, method, given]) => harness.of(id).stream[method](...given)", [self.id, method, list(arguments)]
        )

    def measure(self) -> dict[str, Any]:
        """Counters of the browser; see `measure` in harness.js."""
        measured: dict[str, Any] = self._ask("measure")
        return measured

    def wait_for_growth(self, since: dict[str, Any] | None = None, /, **least: float) -> dict[str, Any]:
        """Wait until each named counter has grown by at least so much, from now on or `since`; the counters then."""
        before = since or self.measure()
        self.page.wait("([id, before, least]) => harness.hasGrown(id, before, least)", [self.id, before, least])
        return self.measure()

    def wait_for_state(self, **wanted: Any) -> None:
        """Wait until each named measure has this value."""
        self.page.wait("([id, wanted]) => harness.isSo(id, wanted)", [self.id, wanted])

    def wait_for_size(self, width: int, height: int) -> None:
        """Wait until the picture on the page has this size."""
        self.wait_for_state(width=width, height=height)

    def wait_for_resolution(self, width: int, height: int) -> None:
        """Wait until the SDK says that the publisher's picture has this size, as the server has told it."""
        self.page.wait(
            "([id, width, height]) => {"
            "  const known = harness.of(id).stream.videoResolution();"
            "  return known.width === width && known.height === height; }",
            [self.id, width, height],
        )

    def wait_for_resize(self, width: int, height: int) -> None:
        """Wait until an event has told the page that the publisher's picture has this size."""
        self.page.wait(
            "([id, width, height]) => harness.eventsOf(id).some(({ type, payload }) => type === 'resize'"
            "  && payload.streamerVideoWidth === width && payload.streamerVideoHeight === height)",
            [self.id, width, height],
        )

    def packets_in_one_second(self) -> int:
        """How many packets, other than ICE checks, come within one second of the browser's counters from now on."""
        before = self.measure()
        self.page.wait("([id, before]) => harness.hasGrown(id, before, { at: 1000 })", [self.id, before])
        return int(self.measure()["transportPackets"] - before["transportPackets"])

    def sees_and_hears(self) -> dict[str, Any]:
        """Wait until pictures and sound of a played stream are decoded and its clock runs on; the counters then."""
        self.wait_for("PLAYING")
        return self.wait_for_growth(framesDecoded=5, audioPackets=20, audioEnergy=1e-9, currentTime=0.3)

    def sees(self) -> dict[str, Any]:
        """Wait until pictures of a played stream are decoded and its clock runs on; the counters then."""
        self.wait_for("PLAYING")
        return self.wait_for_growth(framesDecoded=5, currentTime=0.3)

    def _ask(self, question: str) -> Any:
        return self.page.run("([question, id]) => harness[question](id)", [question, self.id])


@define
class SdkPage:
    """One browser page, with at most one session at a time."""

    page: Tab
    console: list[str] = field(factory=list)

    def run(self, script: str, argument: Any = None) -> Any:
        return self.page.evaluate(script, argument)

    def wait(self, condition: str, argument: Any = None) -> None:
        """Wait until a JavaScript function of the argument holds; it may be asynchronous."""
        script = f"([argument, patience]) => watch.until(() => ({condition})(argument), patience)"
        assert self.run(script, [argument, PATIENCE]), f"did not come true: {condition}, for {argument}"

    # -- session -----------------------------------------------------------------------------------

    def begin_session(self, url: str, **options: Any) -> None:
        """Make a session, without waiting for anything."""
        self.run("(options) => harness.connect(options)", {"urlServer": url, **options})

    def connect(self, url: str, **options: Any) -> None:
        """Make a session, and wait until it is established."""
        self.begin_session(url, **options)
        self.wait_for_session("ESTABLISHED")

    def wait_for_session(self, status: str) -> None:
        self.wait(
            "(status) => ['FAILED', 'DISCONNECTED', status].some((one) => harness.state.sessionHistory.includes(one))",
            status,
        )
        assert status in self.session_history, self.session_history

    @property
    def session_history(self) -> list[str]:
        history: list[str] = self.run("harness.state.sessionHistory")
        return history

    @property
    def warnings(self) -> list[dict[str, Any]]:
        """What came as SESSION_STATUS.WARN."""
        warnings: list[dict[str, Any]] = self.run("harness.state.warnings")
        return warnings

    def wait_for_warning(self) -> dict[str, Any]:
        self.wait("() => harness.state.warnings.length > 0")
        return self.warnings[0]

    def disconnect(self) -> None:
        self.run("harness.state.session.disconnect()")
        self.wait_for_session("DISCONNECTED")

    def send_data(self, payload: Any) -> dict[str, Any]:
        """The session's sendData; how it was answered."""
        answer: dict[str, Any] = self.run("(payload) => harness.sendData(payload)", payload)
        return answer

    # -- streams -----------------------------------------------------------------------------------

    def publish(
        self, name: str, *, codec: str = "VP8", audio: Any = True, video: Any = SMALL_VIDEO, **options: Any
    ) -> SdkStream:
        """Publish the camera with one video codec, without waiting for anything."""
        given = {"name": name, "constraints": {"audio": audio, "video": video}, "stripCodecs": _all_but(codec)}
        return SdkStream(self, name, self.run("(given) => harness.publish(given)", given | options))

    def publish_canvas(self, name: str, *, width: int, height: int, codec: str = "VP8") -> SdkStream:
        """Publish a painted canvas: no sound, and a size that a test can change."""
        given = {"name": name, "width": width, "height": height, "stripCodecs": _all_but(codec)}
        return SdkStream(self, name, self.run("(given) => harness.publishCanvas(given)", given))

    def resize_canvas(self, stream: SdkStream, *, width: int, height: int) -> None:
        self.run("([id, width, height]) => void harness.resizeCanvas(id, width, height)", [stream.id, width, height])

    def play(self, name: str, **options: Any) -> SdkStream:
        """Play a stream, without waiting for anything."""
        return SdkStream(self, name, self.run("(given) => harness.play(given)", {"name": name, **options}))

    def published(self, name: str, **options: Any) -> SdkStream:
        """Publish, and wait until it is on."""
        stream = self.publish(name, **options)
        stream.wait_for("PUBLISHING")
        return stream

    def played(self, name: str, **options: Any) -> SdkStream:
        """Play, and wait until pictures move."""
        stream = self.play(name, **options)
        stream.sees()
        return stream

    def new_stream(self, name: str) -> SdkStream:
        """A stream object that is neither published nor played."""
        return SdkStream(self, name, self.run("(given) => harness.createOnly(given)", {"name": name}))

    def available(self, name: str) -> dict[str, Any]:
        """What available() of a new stream object says: `available`, and `info` if it is not."""
        answer: dict[str, Any] = self.run("(name) => harness.available(name)", name)
        return answer

    # -- looking behind ----------------------------------------------------------------------------

    def hold_answers(self) -> None:
        """Keep the server's SDP answers from the browser: the media of new streams does not come up."""
        self.run("watch.holdAnswers()")

    def release_answers(self) -> None:
        self.run("watch.releaseAnswers()")

    def keep_peers_open(self) -> None:
        """Let nothing on the page close a peer connection: from now on only the server ends its transport."""
        self.run("watch.keepPeersOpen = true")

    def frames(self, message: str, *, sent: bool = False) -> list[Any]:
        """The `data` of every frame with this message that went over the page's WebSockets."""
        frames: list[Any] = self.run(
            "([message, sent]) => watch.frames.filter((one) => one.message === message && one.sent === sent)"
            ".map((one) => one.data)",
            [message, sent],
        )
        return frames

    def wait_for_frames(self, message: str, count: int) -> None:
        """Wait until so many frames with this message have come from the server."""
        self.wait(
            "([message, count]) => watch.frames.filter((one) => one.message === message && !one.sent).length >= count",
            [message, count],
        )

    def kill(self) -> None:
        """End the page's process, of Chromium: no handler runs, nothing is said to the server."""
        assert isinstance(self.page, Page)
        with self.page.expect_event("crash", timeout=PATIENCE), contextlib.suppress(Error):
            self.page.goto("chrome://crash", timeout=PATIENCE)

    def story(self) -> str:
        """What happened on the page, for the report of a failed test."""
        log: list[str] = self.run("watch.log")
        return "\n".join([*log, "-- console --", *self.console])


def _all_but(codec: str) -> str:
    return ",".join(other for other in VIDEO_CODECS if other != codec)


def all_see(*streams: SdkStream) -> None:
    """As `sees` of each played stream, all at the same time."""
    for stream in streams:
        stream.wait_for("PLAYING")
    starts = [stream.measure() for stream in streams]
    for stream, start in zip(streams, starts, strict=True):
        stream.wait_for_growth(start, framesDecoded=5, currentTime=0.3)


class OpenPage(Protocol):
    """Opens another page."""

    def __call__(self, sdk: str = "sdk") -> SdkPage:
        """`sdk` is the folder of the SDK that it loads: the newest, or `OLD_SDK`."""
