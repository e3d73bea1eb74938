"""The pages that come with the SDK, as they are in its package: nothing of them is changed."""

from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from attrs import define
from playwright.sync_api import Frame, Locator, Page, Route, expect

from tests.support.browsers.sdk_page import PATIENCE, OpenPage
from tests.support.browsers.tabs import Tabs
from tests.support.capture.rtsp_source import make_media, rtsp_source
from tests.support.servers.server_process import ServerProcess
from tests.support.workers.flv_reader import until_written

EXAMPLES = "/sdk/examples/demo/streaming"
CONFERENCE = f"{EXAMPLES}/conference/conference.html"
VIDEO_CHAT = f"{EXAMPLES}/video-chat/video-chat.html"
SCREEN_SHARING = f"{EXAMPLES}/video-chat-and-screen-sharing/video-chat-and-screen-sharing.html"
SNAPSHOT = f"{EXAMPLES}/stream-snapshot/stream-snapshot.html"
RECORDING = f"{EXAMPLES}/stream_recording/recording.html"
SEVERAL_RECORDINGS = f"{EXAMPLES}/several_streams_recording/several_streams_recording.html"
TWO_WAY = f"{EXAMPLES}/two_way_streaming/two_way_streaming.html"
PLAYER = f"{EXAMPLES}/player/player.html"
EMBED_SAMPLE = f"{EXAMPLES}/embed_player/sample.html"
DEVICES = f"{EXAMPLES}/media_devices_manager/media_device_manager.html"


SETTINGS = {
    "snapshot.timeout": 30_000,
    "records.access": "public",
    "records.min_free": 0,
    "capture.allow": "127.0.0.1",
    "capture.linger": 50,
    "public.address": "127.0.0.1",
    "public.port": 0,
}


@define(eq=False)
class Example:
    """A page of the package, and the errors that it has thrown."""

    page: Page
    errors: list[str]

    def __attrs_post_init__(self) -> None:
        self.page.set_default_timeout(PATIENCE)

    def of(self, identifier: str) -> Locator:
        return self.page.locator(f"#{identifier}")

    def shows(self, identifier: str, text: str) -> None:
        expect(self.of(identifier)).to_have_text(text)

    def tells(self, text: str) -> None:
        """The chat of the page has this line."""
        expect(self.of("chat")).to_contain_text(text)

    def says(self, text: str) -> None:
        self.of("message").fill(text)
        self.of("sendMessageBtn").click()

    def sees(self, *displays: str) -> None:
        """The picture moves in each of these places."""
        self.page.wait_for_function(
            """(displays) => {
              const videos = displays.map((one) => document.querySelector(`#${one} video`));
              if (!videos.every((video) => video && video.videoWidth)) return false;
              window.began ??= videos.map((video) => video.currentTime);
              return videos.every((video, index) => video.currentTime > window.began[index] + 0.3);
            }""",
            arg=list(displays),
        )
        self.page.evaluate("window.began = undefined")

    def joins(self, ws_url: str, login: str) -> None:
        """Join as a user does it, without waiting for anything."""
        self.of("url").fill(ws_url)
        self.of("login").fill(login)
        self.of("joinBtn").click()

    def is_in(self) -> str:
        """Wait until the page has joined and its own stream is on; the address by which it invites others."""
        self.shows("localStatus", "PUBLISHING")
        return self.of("inviteAddress").inner_text()


OpenExample = Callable[[str], Example]


@pytest.fixture
def example(tabs: Tabs, site: str, emptied_server: None) -> Iterator[OpenExample]:
    """Opens a page of the package, each in a browser of its own. At the end none may have thrown an error."""
    pages: list[Example] = []

    def open_one(address: str) -> Example:
        errors: list[str] = []
        pages.append(Example(tabs.take(errors.append), errors))
        pages[-1].page.goto(address if address.startswith(site) else site + address)
        return pages[-1]

    yield open_one
    for page in pages:
        tabs.give_back(page.page)
    assert [page.errors for page in pages] == [[]] * len(pages)


def test_conference(example: OpenExample, ws_url: str) -> None:
    ann = example(CONFERENCE)
    ann.joins(ws_url, "ann")
    invitation = ann.is_in()
    ann.tells("chat - room is empty")
    ben, cem = example(invitation), example(invitation)
    ben.joins(ws_url, "ben")
    ben.is_in()
    ben.tells("chat - participants: ann")
    cem.joins(ws_url, "cem")
    cem.is_in()
    cem.tells("chat - participants: ann,ben")
    for page in (ann, ben, cem):
        page.sees("localDisplay", "participant1Display", "participant2Display")
    assert ann.of("participant1Name").inner_text() == "ben"
    assert ann.of("participant2Name").inner_text() == "cem"

    ben.says("hello all")
    for page in (ann, ben, cem):
        page.tells("ben - hello all")

    ben.of("localStopBtn").click()
    ben.shows("localStatus", "UNPUBLISHED")
    ann.shows("participant1Btn", "Play")
    ben.of("localStopBtn").click()
    ann.shows("participant1Btn", "Stop")
    ann.sees("participant1Display")

    cem.of("joinBtn").click()
    cem.shows("joinBtn", "Join")
    ann.tells("cem - left")
    ann.shows("participant2Name", "NONE")


def test_video_chat(example: OpenExample, ws_url: str) -> None:
    ann = example(VIDEO_CHAT)
    ann.joins(ws_url, "ann")
    invitation = ann.is_in()
    ben = example(invitation)
    ben.joins(ws_url, "ben")
    for page in (ann, ben):
        page.sees("localDisplay", "participant1Display")
    third = example(invitation)
    third.joins(ws_url, "cem")
    third.shows("failedInfo", "Current room is full.")
    ann.tells("cem - left")

    ann.says("two\nlines")
    ben.tells("ann - two")
    ben.says("seen")
    ann.tells("ben - seen")

    ann.of("participant1Btn").click()
    ann.shows("participant1Btn", "Play")
    ann.of("participant1Btn").click()
    ann.sees("participant1Display")
    ben.page.close()
    ann.tells("ben - left")
    ann.shows("participant1Name", "NONE")


def test_video_chat_and_screen_sharing(example: OpenExample, ws_url: str) -> None:
    ann = example(SCREEN_SHARING)
    ann.joins(ws_url, "ann")
    ben = example(ann.is_in())
    ben.joins(ws_url, "ben")
    for page in (ann, ben):
        page.sees("localDisplay", "participant1Display")

    ann.of("shareBtn").click()
    ann.shows("shareBtn", "Unshare")
    ben.sees("participant1Display", "sharedDisplay")
    ann.of("shareBtn").click()
    ann.shows("shareBtn", "Share")
    ben.page.wait_for_function("document.querySelector('#sharedDisplay video')?.srcObject == null")
    ben.sees("participant1Display")


def test_two_way_streaming(example: OpenExample, ws_url: str) -> None:
    page = example(TWO_WAY)
    page.of("urlServer").fill(ws_url)
    page.of("connectBtn").click()
    page.shows("connectStatus", "ESTABLISHED")
    page.of("availableBtn").click()
    page.shows("availableStatus", "UNAVAILABLE")
    page.of("publishBtn").click()
    page.shows("publishStatus", "PUBLISHING")
    page.of("availableBtn").click()
    page.shows("availableStatus", "AVAILABLE")
    page.of("playBtn").click()
    page.shows("playStatus", "PLAYING")
    page.sees("localVideo", "remoteVideo")

    page.of("sendDataBtn").click()
    expect(page.of("receivedData")).to_contain_text('{"count":23}')
    page.of("publishBtn").click()
    page.shows("publishStatus", "UNPUBLISHED")
    page.shows("playStatus", "FAILED")
    page.shows("playInfo", "Related publisher stopped its stream or lost connection")


def test_stream_snapshot(example: OpenExample, ws_url: str) -> None:
    page = example(SNAPSHOT)
    page.of("url").fill(f"{ws_url}/news")
    page.of("publishBtn").click()
    page.shows("status", "PUBLISHING")
    page.of("snapshotBtn").click()
    page.page.wait_for_function("document.querySelector('#dynImg').naturalWidth > 0")
    size = page.page.evaluate("[dynImg.naturalWidth, dynImg.naturalHeight]")
    assert size == page.page.evaluate("(video => [video.videoWidth, video.videoHeight])($('#localVideo video')[0])")
    page.shows("snapshotStatus", "")
    expect(page.of("snapshotBtn")).to_be_enabled()


def test_stream_recording(example: OpenExample, ws_url: str, server: ServerProcess) -> None:
    page = example(RECORDING)
    page.page.route("**/client/records/*", lambda route: route.continue_(url=server.http_url(path_of(route))))
    page.of("url").fill(f"{ws_url}/news")
    page.of("publishBtn").click()
    page.shows("status", "PUBLISHING")
    until_recorded(server, 1)
    page.of("publishBtn").click()
    page.shows("status", "UNPUBLISHED")
    page.page.wait_for_function("document.querySelector('#recVideo').videoWidth > 0")
    page.page.evaluate("document.querySelector('#recVideo').play()")
    page.page.wait_for_function("document.querySelector('#recVideo').currentTime > 0.2")


def path_of(route: Route) -> str:
    return urlsplit(route.request.url).path


def test_several_streams_recording(example: OpenExample, ws_url: str, server: ServerProcess) -> None:
    page, before = example(SEVERAL_RECORDINGS), recordings(server)
    page.of("url").fill(ws_url)
    page.of("countStreams").fill("3")
    page.of("publishBtn").click()
    expect(page.of("publishBtn")).to_have_text("Stop")
    page.sees("localVideo")
    until_recorded(server, 3)
    page.of("publishBtn").click()
    page.page.wait_for_function("$('#statusLog').text().split('UNPUBLISHED').length > 3")
    server.wait_until(lambda: len(recordings(server) - before) == 3, what="three files")


def until_recorded(server: ServerProcess, count: int) -> None:
    """Wait until so many streams are being recorded, and something of each is written."""

    def parts() -> list[Path]:
        return list((server.state / "records").glob("*.part"))

    server.wait_until(lambda: len(parts()) == count, what=f"{count} recordings")
    for part in parts():
        until_written(part, 10)


def recordings(server: ServerProcess) -> set[str]:
    """The finished files."""
    return {path.name for path in (server.state / "records").glob("*.webm")}


def test_player(example: OpenExample, connected_page: OpenPage, server: ServerProcess, tmp_path: Path) -> None:
    """It plays a published stream, a source of the server by its name, and a camera by its address."""
    connected_page().published("news")
    page = example(PLAYER)
    page.of("url").fill(server.ws_url())
    page.of("streamName").fill("nothing")
    page.of("playBtn").click()
    page.shows("status", "FAILED")
    page.shows("info", "Session does not exist")
    plays_and_stops(page, "news")
    with rtsp_source(make_media(tmp_path / "cam.mkv", seconds=60), user="admin", password="secret") as camera:
        server.post("/source/add", {"name": "lobby", "uri": camera.url}).raise_for_status()
        plays_and_stops(page, "lobby")
        plays_and_stops(page, camera.url)
    server.post("/source/remove", {"name": "lobby"}).raise_for_status()


def plays_and_stops(page: Example, name: str) -> None:
    page.of("streamName").fill(name)
    page.of("playBtn").click()
    page.shows("status", "PLAYING")
    page.shows("info", "")
    page.sees("remoteVideo")
    expect(page.of("preloader")).to_be_hidden()
    page.of("playBtn").click()
    page.shows("status", "STOPPED")
    page.shows("playBtn", "Start")


def test_embed_player_sample(example: OpenExample, site: str, connected_page: OpenPage, server: ServerProcess) -> None:
    """The sample plays in its own frame, and the code that it offers to other sites plays from the server."""
    connected_page().published("news")
    page = example("/room.html")
    page.page.route("https://use.fontawesome.com/**", lambda route: route.abort())
    page.page.goto(site + EMBED_SAMPLE)
    (public,) = server.addresses["public"]
    page.page.evaluate("(port) => { window.SERVER_PORTS = { legacy: { http: port } }; }", public.port)
    page.of("url").fill(server.ws_url())
    page.of("streamName").fill("news")
    page.of("testBtn").click()
    frame = frame_of(page)
    frame.wait_for_url("**/player.html?**", timeout=PATIENCE)
    frame.locator("#play").click()
    moves(frame)
    expect(frame.locator("#play")).to_be_hidden()
    frame.locator("video").evaluate("(video) => video.pause()")  # as its own controls do
    expect(frame.locator("#play")).to_be_visible()
    server.wait_until(lambda: not server.streams(published=False), what="the play has ended")

    code = page.of("codeTextArea").input_value()
    page.page.goto(f"{site}/room.html")
    page.page.set_content(code)
    frame = frame_of(page)
    frame.locator("#play").click()
    expect(frame.locator("#status")).to_have_text("PLAYING")
    moves(frame)


def frame_of(page: Example) -> Frame:
    """Where the player is shown."""
    frame = page.of("fp_embed_player").element_handle().content_frame()
    assert frame is not None
    return frame


def moves(frame: Frame) -> None:
    """Wait until the picture moves."""
    frame.wait_for_function("() => document.querySelector('video')?.currentTime > 0.3", timeout=PATIENCE)


def test_media_devices_manager(example: OpenExample, ws_url: str) -> None:
    """Its switches choose the transport of what it publishes and of what it plays, each for itself."""
    page = example(DEVICES)
    page.of("urlServer").fill(ws_url)
    page.of("connectBtn").click()
    page.shows("connectStatus", "ESTABLISHED")
    page.page.wait_for_function("audioInput.options.length && videoInput.options.length && audioOutput.options.length")
    for publishing, playing in (("TCP", "UDP"), ("UDP", "TCP")):
        page.of("transportInput").select_option(publishing)
        page.of("publishBtn").click()
        page.shows("publishStatus", "PUBLISHING")
        page.of("transportOutput").select_option(playing)
        page.of("playBtn").click()
        page.shows("playStatus", "PLAYING")
        page.sees("localVideo", "remoteVideo")
        assert [transport(page, "publishStream"), transport(page, "previewStream")] == [publishing, playing]
        page.of("playBtn").click()
        page.shows("playStatus", "STOPPED")
        page.of("publishBtn").click()
        page.shows("publishStatus", "UNPUBLISHED")


def transport(page: Example, stream: str) -> str:
    """What the packets of a stream of the page go over, by the browser."""
    protocol: str = page.page.evaluate(
        """(stream) => new Promise((resolve) => window[stream].getStats((stats) => {
          const selected = stats["transport"][0].selectedCandidatePairId;
          const pair = stats["candidate-pair"].find((one) => one.id === selected);
          resolve(stats["local-candidate"].find((one) => one.id === pair.localCandidateId).protocol);
        }, true))""",
        stream,
    )
    return protocol.upper()
