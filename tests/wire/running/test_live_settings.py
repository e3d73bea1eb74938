"""Every setting that a reload can change is read anew in a running server."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import attrs
from attrs import evolve

from actors.server import Server
from config.apps import ALL_METHODS, App, AppTable
from config.settings import TABLE, Settings
from config.tables.apps_file import write_apps
from tests.support.hooks.backend import open_backend
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import WcsClient, wcs_client
from tests.support.web.web_server import make_certificate
from tests.support.webrtc.media_peer import MediaPeer

LIVE = {known.attribute for known in TABLE.values() if known.live}
PUSH = ("allow", "timeout", "reconnect_attempts", "reconnect_delay", "transcode_bitrate", "ca_file", "sounds_folder")
LATER = {
    **{f"push_{name}": "a push that begins: tests/wire/workers/test_push.py" for name in PUSH},
    "cluster_answer_timeout": "a cluster: tests/wire/cluster/test_cluster.py",
    "cluster_max_relays": "a cluster: tests/wire/cluster/test_cluster_relay.py",
    "cluster_registry_down": "a cluster: tests/wire/cluster/test_cluster.py",
    "cluster_relay_linger": "a cluster: tests/wire/cluster/test_cluster_relay.py",
    "capture_allow": "a page that plays a source by its URI: tests/wire/capture/test_capture_names.py",
    "capture_transcode_bitrate": "a capture that transcodes: tests/wire/capture/test_capture_files.py",
    "records_hook_timeout": "a program for recorded files: tests/wire/recording/test_record_hook.py",
    "capture_linger": "a capture without players: tests/wire/capture/test_capture_files.py",
    "codecs_exclude_sip": "a call: tests/wire/calls/test_call_media.py",
    **{
        f"sip_max_{name}": "a SIP server: tests/wire/calls/test_calls.py"
        for name in (
            *("calls", "calls_per_app", "calls_per_account", "calls_per_session", "calls_per_minute"),
            *("minutes_per_day", "call_duration"),
        )
    },
    "rtp_activity_detecting": "a call: tests/wire/calls/test_call_media.py",
    **{
        f"sip_{name}": "SIP: tests/wire/calls/test_sip_endpoint.py, tests/actors/calls/test_sip_registration.py"
        for name in ("ca_file", "connect_timeout", "registration_expires", "max_registrations")
    },
    "sip_sdes": "a call: tests/wire/calls/test_call_srtp.py",
    "sip_accounts_file": "a call by REST: tests/wire/calls/test_call_orders.py",
    "keep_alive_session_timeout": "a client with a call: tests/wire/calls/test_call_parking.py",
    "sip_callee_allow": "a call",
    "sip_callee_deny": "a call",
    "sip_accept_refer": "a SIP server: tests/wire/calls/test_call_referrals.py",
    "shutdown_timeout": "the end of the process",
    "shutdown_drain_timeout": "a signal",
    "log_format": "the daemon: tests/wire/running/test_reload.py",
    "log_level": "the daemon: tests/wire/running/test_reload.py",
}
"""Live settings that are read when something happens that cannot happen here, and where."""


class WatchedSettings(Settings):
    """Settings that know which of them were read."""

    read: ClassVar[set[str]] = set()

    def __getattribute__(self, name: str) -> Any:
        WatchedSettings.read.add(name)
        return super().__getattribute__(name)


def watched(settings: Settings) -> Settings:
    return WatchedSettings(**{entry.name: getattr(settings, entry.name) for entry in attrs.fields(Settings)})


async def use_everything(server: FullServer, client: WcsClient) -> None:
    """Do once whatever settings are for."""
    async with wcs_client(server.url("wss")) as other:
        publication = await client.publish("news", record=True)
        playback = await other.play("news")
        event = {"mediaSessionId": publication.id, "type": "data", "payload": {}}
        await client.send("sendStreamEvent", event)
        join = {"command": "join", "options": {"name": "lobby"}}
        await client.send("sendData", {"operationId": "1", "payload": join})
        await client.send("snapshot", {"mediaSessionId": "s", "name": "news"})
        await client.receive("notifyStreamEvent", mediaSessionId="s")
        await client.send("sessionDebug", {"command": "start"})
        await client.receive("notifySessionDebugEvent")
        answer = await client.receive("DataStatusEvent", operationId="1")
        assert answer["status"] == "ACCEPTED", answer
        await server.rest.post("/rest-api/push/startup", json={"streamName": "news", "rtmpUrl": "rtmp://127.0.0.1/x"})
        publication.peer.close()
        await publication.status("FAILED")
        await playback.status("FAILED")
    rest = server.rest
    await rest.post("/rest-api/data/send", json={"nodeId": "n", "sessionId": ["x"], "operationId": "1", "payload": "x"})
    await rest.post("/rest-api/data/broadcast", json={"payload": "x"})
    await rest.post("/rest-api/connection/terminate", json={"sessionId": "x"})
    await server.terminate(name="x")
    await rest.post("/rest-api/rtsp/startup", json={"uri": "rtsp://127.0.0.1:9/"})
    peer = MediaPeer()
    headers = {"Content-Type": "application/sdp"}
    await rest.post("/whip/other", content=peer.publish_offer(), headers=headers)
    peer.udp.close()
    async with rest.stream("GET", "/rest-api/events") as events:
        assert events.is_success
    await rest.request("OPTIONS", "/rest-api/stream/find", headers={"Origin": "http://127.0.0.1"})


async def test_each_one_is_read_again_after_a_reload(tmp_path: Path) -> None:
    async with open_backend() as backend:
        (tmp_path / "state").mkdir(mode=0o700)
        app = App(name="defaultApp", key="defaultApp", url=backend.url, methods=frozenset(ALL_METHODS), rooms=True)
        (tmp_path / "state" / "apps.toml").write_text(write_apps(AppTable(apps=(app,))))
        own = make_certificate(tmp_path)
        settings = {
            "keep_alive_server_interval": 0.1,
            "keep_alive_probes": 1000,
            "rest_hook_send_hash": True,
            "rest_hook_secret_key": "k",
            "keep_alive_streaming_sessions_enabled": True,
            "wss_cert": own.cert,
            "wss_key": own.key,
        }
        async with full_server(tmp_path, **settings) as server, wcs_client(server.ws_url()) as early:
            WatchedSettings.read.clear()
            server.live.replace(watched(server.live.now))
            async with wcs_client(server.ws_url(), custom={"login": "alice"}) as client:
                await use_everything(server, client)
            assert sorted(LIVE - WatchedSettings.read - set(LATER)) == []
            assert not early.closed.is_set()


COPIES: dict[str, tuple[Any, Callable[[Server], Any]]] = {
    "ws_max_arrivals": (77, lambda server: server.parts.gateway._arrivals.limit),
    "ws_max_arrivals_per_address": (77, lambda server: server.parts.gateway._arrivals.share),
    "ws_max_upgrades_per_address": (77, lambda server: server.parts.sessions.admission._rates._rate),
    "ws_max_frame_elements": (7777, lambda server: server.parts.decoder.max_elements),
    "max_client_memory": (77_777, lambda server: server.parts.gateway._inflows._memory.limit),
    "ws_max_frames_per_second_in_all": (77, lambda server: server.parts.gateway._inflows._rate._rate),
    "max_outbox_total": (77_777, lambda server: server.parts.outboxes.limit),
    "max_handshakes": (77, lambda server: server.parts.plane._services.handshakes._under_way.limit),
    "overload_max_loop_lag": (7.0, lambda server: server.parts.overload.limit),
    "rest_lanes_total": (77, lambda server: server.parts.dispatcher.backlog.limit),
    "rest_client_request_retry_count": (7, lambda server: server.parts.dispatcher.sender._retries),
}
"""What parts keep a copy of: another value, and where the copy is."""


async def test_copies_are_replaced_too(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        for name, (value, copy) in COPIES.items():
            assert copy(server.server) != value, name
        server.live.replace(evolve(server.live.now, **{name: value for name, (value, _) in COPIES.items()}))
        for name, (value, copy) in COPIES.items():
            assert copy(server.server) == value, name


async def test_rules_of_rest_and_of_pages_change_for_the_next_request(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as early:
        origin = {"Origin": "https://shop.example"}
        assert (await server.rest.get("/rest-api/stream/find", headers=origin)).status_code == 403
        await early.publish("news")
        server.live.replace(
            evolve(
                server.live.now,
                rest_access_control_allow_origin=("https://shop.example",),
                rest_max_body_size=1024,
                ws_allowed_origins=("https://shop.example",),
                max_streams_per_session=1,
            )
        )
        allowed = await server.rest.get("/rest-api/stream/find", headers=origin)
        assert allowed.headers["access-control-allow-origin"] == "https://shop.example"
        large = await server.rest.post("/rest-api/stream/find", content=b" " * 1025)
        assert (large.status_code, large.json()["setting"]) == (413, "rest.max_body_size")
        refused = await early.request("publishStream", "more", "v=0")
        frame = await early.receive("notifyStreamStatusEvent", mediaSessionId=refused)
        assert frame["info"] == "Failed to add stream to proxy"
