"""Calls without a page, calls as streams, and what phones hear in the page's place; through the whole server."""

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

import trio

from actors.calls.call import PhoneCall
from actors.node.ports.singles import SingleTaken, go_on
from config.apps import ALL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from protocol.calls.g711 import encoded
from protocol.calls.info_texts import CallInfo
from protocol.sip.events import CallEnded
from tests.support.calls.page_call import ACCOUNT, PageCall, call, world
from tests.support.calls.rest_calls import CALL, LOGIN, answer, hears, hears_frames, order, until_live, wave
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import allow, deny
from tests.support.media.media_rig import until
from tests.support.servers.full_server import FullServer
from tests.support.session.wcs_client import PATIENCE, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

KEEP_ALIVE: dict[str, Any] = {
    "keep_alive_streaming_sessions_enabled": True,
    "streaming_sessions_keep_alive_interval": 0.1,
    "streaming_sessions_keep_alive_app_keys": ("defaultApp",),
}


async def test_rest_calls_a_phone_that_a_page_hears_and_the_end_of_the_stream_hangs_up(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws")) as client:
        assert await order(server, "startup", **CALL) == 200
        assert await order(server, "startup", **CALL | {"toStream": "other"}) == 409
        assert await order(server, "startup", **CALL | {"callId": "c2"}) == 409
        await answer(phone)
        await until_live(server, "line")
        (shown,) = (await server.rest.get("/rest-api/call/find", params={"callId": "c1"})).json()
        assert (shown["status"], shown["streamName"], shown["callee"]) == ("ESTABLISHED", "line", "1000")
        (stream,) = await server.streams(name="line")
        assert (stream["mediaProvider"], stream["audioCodec"]) == ("SIP", "PCMU")
        player = await client.play("line", peer=MediaPeer(g711=True, video=None))
        phone.media.talk(b"to the player")
        await player.peer.until(lambda: any(packet.payload == b"to the player" for packet in player.peer.received))
        await hears(phone, b"\xff" * 160)  # nobody speaks to it, but it is not left without media
        assert (await server.terminate(name="line")).is_success
        assert (await phone.event(CallEnded)).was_up
        await player.status("FAILED")
        await until(lambda: not server.server.parts.supervisor.count_actors()["call"])


async def test_a_call_and_its_stream_end_together(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await call(client, toStream="line")
        await answer(phone)
        await made.connect()
        assert (await made.status("talk", "ESTABLISHED"))["streamName"] == "line"
        await until_live(server, "line")
        phone.media.talk(b"to both")
        await made.hears(b"to both")
        phone.hang_up()
        await made.status("finish", "FINISH")
        await until(lambda: not list(server.server.parts.supervisor.streams()))
        again = await call(client, toStream="line")
        await phone.is_called()
        phone.refuse(486)
        await again.status("finish", "BUSY")
        await until(lambda: not list(server.server.parts.supervisor.streams()))


async def test_a_phone_hears_a_stream_and_a_sound_in_the_place_of_its_page(tmp_path: Path) -> None:
    (tmp_path / "sounds").mkdir()
    (tmp_path / "sounds" / "tone.wav").write_bytes(wave(5))
    (tmp_path / "sounds" / "text.wav").write_bytes(b"no sound")
    settings = {"push_sounds_folder": tmp_path / "sounds"}
    async with world(tmp_path, **settings) as (server, phone), wcs_client(server.url("ws"), **ACCOUNT) as client:
        made = await call(client, toStream="line")
        one = {"callId": made.id}
        assert await order(server, "inject_stream/startup", **one, streamName="line") == 404
        await answer(phone)
        await made.connect()
        await until_live(server, "line")
        assert await order(server, "inject_stream/startup", **one, streamName="line") == 200
        phone.media.talk(b"an echo")
        await hears(phone, b"an echo")
        before = heard_of_page(server, made)
        made.speak(b"not heard")
        await until(lambda: heard_of_page(server, made) > before)
        assert await order(server, "inject_stream/terminate", **one) == 200
        made.speak(b"heard again")
        await hears(phone, b"heard again")
        assert await order(server, "inject_sound", **one, fileName="tone.wav") == 200
        await hears_frames(phone, 5, encoded(1000, "PCMU"))
        for body, status in (
            ({"fileName": "absent.wav"}, 404),
            ({"fileName": "../tone.wav"}, 404),
            ({"fileName": "text.wav"}, 409),
            ({"fileName": "tone.wav", "callId": "x"}, 404),
        ):
            assert await order(server, "inject_sound", **one | body) == status
        assert len({packet.ssrc for packet in phone.media.received}) == 1
        assert b"not heard" not in [packet.payload for packet in phone.media.received]


def heard_of_page(server: FullServer, made: PageCall) -> int:
    """How many packets of a call's page have come."""
    desk = server.server.parts.sessions.calls
    running = desk and desk.services.table.get(made.id)
    assert isinstance(running, PhoneCall)
    assert running._ends.peer is not None
    return running._ends.peer.statistics().received


async def test_what_cannot_be_begun_is_told_at_once(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, phone):
        for wrong, status, setting in (
            ({"callee": "0049301"}, 403, None),
            ({"callee": "a b"}, 400, None),
            ({"appKey": "absent"}, 400, None),
            ({"sipDomain": "elsewhere.example"}, 400, "sip.servers"),
            ({"rtmpUrl": "rtmp://somewhere/live"}, 501, None),
            ({"hasVideo": "true"}, 501, None),
            ({"account": "support"}, 400, None),
        ):
            answered = await server.rest.post("/rest-api/call/startup", json=CALL | wrong)
            assert answered.status_code == status, wrong
            assert answered.json().get("setting") == setting or setting is None
        named = {key: value for key, value in CALL.items() if key not in LOGIN} | {"account": "support"}
        answered = await server.rest.post("/rest-api/call/startup", json=named)
        assert (answered.status_code, answered.json()["setting"]) == (503, "sip.accounts_file")
        assert phone.events == []


async def test_an_account_of_the_operators_file_keeps_its_password(tmp_path: Path) -> None:
    accounts = tmp_path / "accounts.toml"
    accounts.write_text(
        '[support]\nlogin = "alice"\npassword = "secret"\ndomain = "127.0.0.1"\napps = ["defaultApp"]\n'
    )
    named = {"callId": "c1", "callee": "1000", "account": "support"}
    async with world(tmp_path, sip_accounts_file=accounts) as (server, phone):
        accounts.chmod(0o644)
        assert await order(server, "startup", **named) == 503
        accounts.chmod(0o600)
        assert await order(server, "startup", **named | {"account": "absent"}) == 404
        assert await order(server, "startup", **named) == 200
        arrived = await phone.is_called()
        assert arrived.caller.uri.user == "alice"
        assert await order(server, "terminate", callId="c1") == 200
        assert (await phone.event(CallEnded)).status == 487


async def test_a_backend_decides_about_a_call_without_a_page_and_its_stream(tmp_path: Path) -> None:
    async with open_backend() as backend:
        app_of(backend, tmp_path)
        backend.script("call", deny(), allow)
        backend.script("publishStream", deny(), allow)
        backend.script("StreamKeepAliveEvent", deny())
        with trio.fail_after(PATIENCE):
            async with world(tmp_path, **KEEP_ALIVE) as (server, phone):
                for count in (1, 2):  # neither the call nor its stream is allowed
                    assert await order(server, "startup", **CALL) == 200
                    told = await backend.wait_for("CallStatusEvent", count=count)
                    assert told[-1].body["status"] == "FAILED"
                assert phone.events == []
                assert await order(server, "startup", **CALL) == 200
                await answer(phone)
                assert (await phone.event(CallEnded)).was_up
    last = backend.received("CallStatusEvent")[-1].body
    assert (last["status"], last["info"], last["streamName"]) == ("FINISH", "Terminated by keep-alive", "line")
    assert "StreamStatusEvent" in [each.method for each in backend.calls]
    assert "secret" not in str([each.body for each in backend.calls])


def app_of(backend: ScriptedBackend, folder: Path) -> None:
    """The only application, whose backend this is."""
    (folder / "state").mkdir(mode=0o700)
    app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS))
    (folder / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))


class Elsewhere:
    """Another node has everything."""

    async def claim(
        self, kind: str, key: str, on_lost: Callable[[], Awaitable[None]] = go_on, *, on_trust: bool = False
    ) -> NoReturn:
        raise SingleTaken


async def test_a_call_of_another_node_keeps_its_id(tmp_path: Path) -> None:
    async with world(tmp_path) as (server, _), wcs_client(server.url("ws"), **ACCOUNT) as client:
        desk = server.server.parts.sessions.calls
        assert desk is not None
        desk.services.table.ids.singles = Elsewhere()
        assert await order(server, "startup", **CALL) == 409
        made = await call(client)
        assert (await made.status("finish", "FAILED"))["info"] == CallInfo.CALL_ID_IN_USE
        assert not len(desk.services.table)
