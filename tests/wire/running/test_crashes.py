"""Faults put into running streams and sessions: the one that crashes ends and is told of, and no other is touched."""

import subprocess
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
import trio
from attrs import frozen

from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.media.ingest.webrtc_ingest import WebRtcIngest
from actors.media.plane import MediaPlane
from actors.media.playback import Playback
from actors.node.directory import Claim
from actors.session.requests.requests import Requests
from actors.stream import PublishedStream, Stream
from protocol.signaling.frames import SessionDebug
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.server_process import FREE_PORTS, ROOT, START_TIMEOUT
from tests.support.session.wcs_client import ClientStream, WcsClient, wcs_client


class PlannedFault(Exception):
    """Put in by a test."""


@frozen(kw_only=True)
class Scene:
    """`bad` is published and played by two clients, `good` by two others."""

    server: FullServer
    bad: tuple[ClientStream, ClientStream]
    good: tuple[ClientStream, ClientStream]

    async def until_bad_is_gone(self) -> None:
        """Both ends of `bad` have heard that their media is over, and nothing of them is left."""
        for stream in self.bad:
            await stream.until_closed()
        assert not await self.server.streams(name="bad")
        counters = await self.server.statistics()
        assert (counters["publishers"], counters["players"], counters["addresses"]) == ("1", "1", "2")

    async def good_goes_on(self) -> None:
        publication, playback = self.good
        publication.send_key_frame(b"still here")
        await playback.until_media(lambda packet: packet.payload.endswith(b"still here"))
        assert [stream.statuses for stream in self.good] == [[("PUBLISHING", None)], [("PLAYING", None)]]


@asynccontextmanager
async def scene(folder: Path) -> AsyncIterator[Scene]:
    async with full_server(folder) as server, wcs_client(server.ws_url()) as one, wcs_client(server.ws_url()) as two:
        async with wcs_client(server.ws_url()) as three, wcs_client(server.ws_url()) as four:
            bad = await one.publish("bad"), await two.play("bad")
            good = await three.publish("good"), await four.play("good")
            yield Scene(server=server, bad=bad, good=good)


async def available_names(client: WcsClient) -> set[str]:
    """Which names can be played."""
    for name in ("good", "bad"):
        await client.send("availableStream", {"mediaSessionId": name, "name": name})
    answers = {name: await client.receive("availableStream", id=name) for name in ("good", "bad")}
    return {name for name, answer in answers.items() if answer["status"] == "true"}


@pytest.fixture(autouse=True)
def _log(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO", logger="wcsd")


def events(caplog: pytest.LogCaptureFixture, event: str) -> list[dict[str, Any]]:
    """The facts of each log line of this event."""
    return [record.__dict__["wcsd_fields"] for record in caplog.records if record.getMessage() == event]


def fail_for(monkeypatch: pytest.MonkeyPatch, kind: type, method: str, is_meant: Callable[..., bool]) -> None:
    """From now on `method` fails before it does anything, for those who are meant."""
    original = getattr(kind, method)

    def faulty(self: Any, *arguments: Any, **named: Any) -> Any:
        if is_meant(self, *arguments):
            raise PlannedFault(method)
        return original(self, *arguments, **named)

    monkeypatch.setattr(kind, method, faulty)


@frozen(kw_only=True)
class Fault:
    """A step of a publication's end that fails, and what then is left undone."""

    kind: type
    method: str
    publisher_is_told: bool = True
    publisher_media_ends: bool = True
    name_is_free: bool = True


FAULTS = (
    Fault(kind=KeepAliveSlot, method="close"),
    Fault(kind=Claim, method="release", name_is_free=False),
    Fault(kind=WebRtcIngest, method="close", publisher_media_ends=False),
    Fault(kind=PublishedStream, method="_enter", publisher_is_told=False),
    Fault(kind=PublishedStream, method="_report"),
    Fault(kind=PublishedStream, method="end_log_fields"),
)


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: f"{fault.kind.__name__}.{fault.method}")
async def test_an_end_goes_on_after_a_step_that_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, fault: Fault
) -> None:
    async with scene(tmp_path) as play:
        publication, playback = play.bad
        with monkeypatch.context() as faults:
            fail_for(faults, fault.kind, fault.method, lambda *_: True)
            assert (await play.server.terminate(mediaSessionId=publication.id)).status_code == 200
        assert (await playback.status("FAILED"))["info"] == "Stopped by publisher stop"
        await playback.until_closed()
        if fault.publisher_is_told:
            assert (await publication.status("FAILED"))["info"] == "Stopped by rest /terminate"
        assert not await play.server.streams(name="bad")
        if fault.publisher_media_ends:
            await play.until_bad_is_gone()
        await play.good_goes_on()
        available = await available_names(play.good[0].client)
        assert available == {"good"} if fault.name_is_free else {"good", "bad"}
    crashes = events(caplog, "stream crashed") + events(caplog, "stream crashed at its end")
    assert f"PublishedStream({publication.id})" in [crash["actor"] for crash in crashes]


async def test_a_stream_that_crashes_while_it_is_set_up_is_failed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as play:
        client = play.good[0].client
        fail_for(monkeypatch, MediaPlane, "publish", lambda *_: True)
        media_session_id = await client.request("publishStream", "news", play.bad[0].peer.publish_offer())
        frame = await client.receive("notifyStreamStatusEvent", mediaSessionId=media_session_id)
        assert (frame["status"], frame["info"]) == ("FAILED", "Failed by error")
        await play.good_goes_on()
    assert len(events(caplog, "stream crashed")) == 1


async def test_a_crash_in_a_handler_ends_one_stream(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as play:
        publication, playback = play.bad
        fail_for(monkeypatch, Stream, "_user_stop", lambda stream: stream.media_session_id == playback.id)
        await playback.client.send("stopStream", {"mediaSessionId": playback.id})
        assert (await playback.status("FAILED"))["info"] == "Failed by error"
        await playback.until_closed()
        assert publication.statuses == [("PUBLISHING", None)]
        await play.good_goes_on()
    (end,) = [end for end in events(caplog, "stream ended") if end["id"] == playback.id]
    assert end["cause"] == "crash"


@pytest.mark.parametrize(("kind", "role"), [(WebRtcIngest, 0), (Playback, 1)])
async def test_a_crash_over_a_packet_ends_the_stream_of_its_peer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type, role: int
) -> None:
    async with scene(tmp_path) as play:
        victim = play.bad[role]
        with monkeypatch.context() as faults:
            fail_for(faults, kind, "on_rtp", lambda *_: True)
            victim.peer.send(victim.peer.rtp(7000, b"\x10" * 20))
            assert (await victim.status("FAILED"))["info"] == "Failed by error"
        await victim.until_closed()
        await play.good_goes_on()
        assert (await play.server.statistics())["crashed"] == "1"
    assert len(events(caplog, "media crashed")) == 1


@pytest.mark.parametrize(("kind", "role"), [(WebRtcIngest, 0), (Playback, 1)])
async def test_a_peer_whose_end_fails_too_is_told_of_and_touches_nobody(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, kind: type, role: int
) -> None:
    async with scene(tmp_path) as play:
        victim = play.bad[role]
        with monkeypatch.context() as faults:
            fail_for(faults, kind, "on_rtp", lambda *_: True)
            fail_for(faults, kind, "on_closed", lambda *_: True)
            victim.peer.send(victim.peer.rtp(7000, b"\x10" * 20))
            assert (await victim.status("FAILED"))["info"] == "Failed by error"
        await victim.until_closed()
        await play.good_goes_on()
    assert len(events(caplog, "media crashed while it ended")) == 1


async def test_a_crash_in_a_session_ends_it_and_its_streams(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with scene(tmp_path) as play:
        publication, playback = play.bad
        fail_for(monkeypatch, Requests, "serve", lambda _, frame: isinstance(frame, SessionDebug))
        await publication.client.send("sessionDebug", {"command": "start"})
        assert (await publication.status("FAILED"))["info"] == "Stopped by session disconnect"
        assert (await playback.status("FAILED"))["info"] == "Stopped by publisher stop"
        with trio.fail_after(60):
            await publication.client.closed.wait()
        await play.until_bad_is_gone()
        await play.good_goes_on()
    assert len(events(caplog, "session crashed")) == 1


async def test_every_end_is_one_line(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async with scene(tmp_path) as play:
        ids = {stream.id for stream in (*play.bad, *play.good)}
        await play.server.terminate(name="bad")
    ends = events(caplog, "stream ended")
    assert sorted(end["id"] for end in ends) == sorted(ids)
    assert all({"name", "cause", "seconds", "peak_mailbox", "bytes", "packets"} <= end.keys() for end in ends)
    causes = {(end["name"], end["published"]): end["cause"] for end in ends}
    assert causes["bad", True] == "rest-terminate"
    assert causes["bad", False] == "publisher-stop"
    sessions = events(caplog, "session ended")
    assert len(sessions) == 4
    assert all({"id", "cause", "seconds", "peak_mailbox"} <= end.keys() for end in sessions)
    published = [end for end in ends if end["published"]]
    assert [(end["packets"], end["bytes"] > 0) for end in published] == [(1, True)] * 2


CRASHING_DAEMON = """
import sys
from actors.daemon import main
from actors.node.directory import Claim
from actors.hooks.lanes.keep_alive_slot import KeepAliveSlot
from actors.media.plane import MediaPlane

async def run(self):
    raise RuntimeError("planned fault")

MediaPlane.run = run
sys.exit(main(sys.argv[1:]))
"""


def test_a_service_that_crashes_takes_the_server_with_it(tmp_path: Path) -> None:
    free = [f"--set={key}={value}" for key, value in FREE_PORTS.items()]
    command = [sys.executable, "-c", CRASHING_DAEMON, f"--state={tmp_path}", "--set=ip=127.0.0.1", *free]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_TIMEOUT)
    assert ended.returncode == 1
    (line,) = [line for line in ended.stderr.splitlines() if "ERROR" in line]
    assert "the server crashed" in line
    assert "planned fault" in line
