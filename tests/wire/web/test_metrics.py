"""`/metrics` of a whole server: against traffic that is known, and under clients that would like to fill it."""

import re
from pathlib import Path

import pytest
import trio

from actors.calls.all_calls.call_counts import PAGE, PHONE, RESULTS
from actors.metrics.exposition import CONTENT_TYPE
from config.apps import USUAL_METHODS, App, AppTable
from config.loading import SettingsError
from config.tables.apps_file import write_apps
from protocol.hooks import HookMethod
from protocol.hooks.breaker import BreakerState
from protocol.metrics.families import CALLS, CLUSTER, FAMILIES, SIP
from protocol.metrics.hook_counts import HookOutcome
from protocol.metrics.labels import CAUSES, CODECS, METHODS, OTHER
from protocol.node.server_events import EventType
from protocol.operator.callers import Operator
from protocol.operator.messages import ErrorKind
from protocol.operator.syntax import VERBS
from protocol.sip.traffic import CLASSES
from protocol.stream.statuses import StreamStatus
from tests.support.hooks.backend import open_backend
from tests.support.servers.full_server import FullServer, full_server
from tests.support.servers.metrics import Scrape, scrape
from tests.support.session.wcs_client import PATIENCE, wcs_client
from tests.support.web.stream_world import StreamWorld
from tests.support.web.web_rig import routes_of


async def test_the_metrics_tell_what_has_happened(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        async with wcs_client(server.ws_url()) as page:
            publication = await page.publish("news")
            playback = await page.play("news")
            publication.send_key_frame(b"picture")
            await playback.until_media(lambda packet: packet.payload.endswith(b"picture"))
            during = await scrape(server.server.metrics)
            await server.terminate(name="news", published=True)
            await publication.status("FAILED")
        await server.until_idle()
        after = await scrape(server.server.metrics)

    assert during.value("wcsd_sessions", app="defaultApp", status="ESTABLISHED") == 1
    assert during.value("wcsd_streams", direction="publish", status="PUBLISHING") == 1
    assert during.value("wcsd_streams", direction="play", status="PLAYING") == 1
    assert during.value("wcsd_stream_codecs", direction="publish", kind="video") == 1
    assert during.value("wcsd_audience_max_viewers") == 1
    assert during.value("wcsd_media_peers") == 2
    for direction in ("publish", "play"):
        assert during.value("wcsd_media_packets_total", direction=direction) >= 1
        assert during.value("wcsd_stream_setup_seconds_count", direction=direction) == 1
        assert after.value("wcsd_media_bytes_total", direction=direction) >= during.value(
            "wcsd_media_bytes_total", direction=direction
        )
    assert after.value("wcsd_streams") == after.value("wcsd_sessions") == 0
    assert after.value("wcsd_streams_ended_total", direction="publish", cause="rest-terminate") == 1
    assert after.value("wcsd_streams_ended_total", direction="play", cause="publisher-stop") == 1
    assert after.value("wcsd_sessions_started_total", app="defaultApp", result="established") == 1
    assert after.value("wcsd_sessions_ended_total") == after.value("wcsd_session_duration_seconds_count") == 1
    assert after.value("wcsd_http_requests_total", route="/rest-api/stream/terminate", code="200") == 1
    assert after.value("wcsd_crashes_total") == 0
    check_signalling_and_handshakes(during, after)


def check_signalling_and_handshakes(during: Scrape, after: Scrape) -> None:
    """One client, two streams, one terminate."""
    assert after.value("wcsd_terminations_total", source="rest", result="stopped") == 1
    assert after.value("wcsd_terminate_duration_seconds_count") == 1
    assert after.value("wcsd_media_handshakes_total", result="ok") == 2
    assert after.value("wcsd_media_handshake_seconds_count") == 2
    assert during.value("wcsd_media_forward_delay_seconds_count") >= 1
    assert during.value("wcsd_media_forward_delay_seconds_sum") > 0
    assert during.value("wcsd_media_key_frame_wait_seconds_count") == 1
    assert after.value("wcsd_media_handshakes_total", result="unfinished") == 0
    assert after.value("wcsd_http_connections", listener="http") == 1
    for direction in ("in", "out"):
        assert during.value("wcsd_media_socket_buffer_bytes", direction=direction) > 0
        assert 3 <= during.value("wcsd_signalling_frames_total", direction=direction) <= 20
        assert during.value("wcsd_signalling_bytes_total", direction=direction) > 300
    assert after.value("wcsd_signalling_backlog_bytes") == 0


async def test_what_backends_operators_and_settings_do_is_counted(tmp_path: Path) -> None:
    async with open_backend() as backend:
        with_backend(tmp_path, backend.url)
        async with full_server(tmp_path) as server:
            desk = server.server.parts.command_desk()
            async with wcs_client(server.ws_url()) as page:
                await page.publish("news")
                await page.send("publishStream", {"mediaSessionId": 5})
                await page.receive("notifyStreamStatusEvent", mediaSessionId="5")
                for words in (
                    ("terminate", "name=news", "--yes"),
                    ("terminate", "name=news", "--yes"),
                    ("show", "bans"),
                ):
                    await desk.answer(words, Operator(who="operator"))
            with pytest.raises(SettingsError):
                await server.server.reload(by="operator")
            await refused_bytes(server)
            with trio.fail_after(PATIENCE):
                await backend.wait_for("ConnectionStatusEvent", count=2)
                seen = await scrape(server.server.metrics)
                while seen.value("wcsd_hook_calls_total", app="defaultApp") < len(backend.calls):
                    seen = await scrape(server.server.metrics)  # the last one is still under way

    assert seen.value("wcsd_operator_commands_total", command="terminate", result="done") == 1
    assert seen.value("wcsd_operator_commands_total", command="terminate", result="refused") == 1
    assert seen.value("wcsd_operator_commands_total", command="show bans", result="done") == 1
    assert seen.value("wcsd_terminations_total", source="wcs", result="stopped") == 1
    assert seen.value("wcsd_terminations_total", source="wcs", result="none") == 1
    assert seen.value("wcsd_config_reloads_total", result="refused") == 1
    assert seen.value("wcsd_config_last_reload_timestamp_seconds") == 0
    assert seen.value("wcsd_signalling_refused_total", reason="frame") == 1
    assert seen.value("wcsd_http_refused_total", reason="not_understood") == 1
    calls = seen.value("wcsd_hook_calls_total", app="defaultApp")
    assert calls == seen.value("wcsd_hook_wait_seconds_count", app="defaultApp") == len(backend.calls) > 2
    assert seen.value("wcsd_audit_errors_total") == 0


async def refused_bytes(server: FullServer) -> None:
    """Send something to the HTTP port that is no request."""
    (address,) = server.addresses["http"]
    stream = await trio.open_tcp_stream("127.0.0.1", address.port)
    async with stream:
        await stream.send_all(b"no request\r\n\r\n")
        with trio.fail_after(PATIENCE):
            assert b" 400 " in await stream.receive_some()


def with_backend(folder: Path, url: str) -> None:
    (folder / "state").mkdir(mode=0o700)
    app = App(name="defaultApp", key="defaultApp", url=url, methods=frozenset(USUAL_METHODS))
    (folder / "state" / "apps.toml").write_text(write_apps(AppTable((app,))))


async def test_every_family_is_there_from_the_start(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        answer = await server.rest.get("/metrics")
        again = await server.rest.get("/?action=stat&format=prometheus")
    expected = {each.name: str(each.kind) for each in FAMILIES if each not in (*CALLS, *SIP, *CLUSTER)}
    for each in (answer, again):  # their values differ if they are more than a second apart
        assert dict(re.findall(r"^# TYPE (wcsd_\w+) (\w+)$", each.text, re.MULTILINE)) == expected
        assert each.headers["content-type"] == CONTENT_TYPE


async def test_hostile_clients_make_no_series(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server:
        await provoke(server)
        seen = await scrape(server.server.metrics)

    routes = {route.path for route in routes_of(StreamWorld())}
    allowed = {
        "app": {"defaultApp", OTHER},
        "cause": {*CAUSES, OTHER},
        "method": {*METHODS, *HookMethod, OTHER},
        "route": {*routes, OTHER},
        "status": {*StreamStatus, "ESTABLISHED"},
        "outcome": set(HookOutcome),
        "class": set(CLASSES),
        "codec": {*CODECS, OTHER},
        "scheme": {"none", "basic", "bearer", OTHER},
        "result": {
            *("established", "refused", "valid", "ignored", "ok", "malformed", "held_back"),
            *("stopped", "late", "none", "unfinished", "done", *ErrorKind, *RESULTS),
        },
        "by": {PAGE, PHONE},
        "direction": {"publish", "play", "in", "out"},
        "source": {"rest", "wcs", OTHER},
        "command": set(VERBS),
        "listener": {"http", "https"},
        "level": {"debug", "info", "warning", "error", "critical"},
        "kind": {"session", "stream", "room", "call", "audio", "video", "end", "other"},
        "program": {"recorder", "remuxer"},
        "part": {"session", "stream", "room", "media"},
        "generation": {"0", "1", "2"},
        "type": set(EventType),
        "state": {"leased", "available", "pending", *(state.label for state in BreakerState)},
        "to": {state.label for state in BreakerState},
    }
    assert {name: seen.labels(name) - values for name, values in allowed.items()} == {name: set() for name in allowed}
    assert all(re.fullmatch(r"[1-5]\d\d", code) for code in seen.labels("code"))
    free = {"reason", "code", "version", "sender", "python", "le"}
    assert {label for family in FAMILIES for label in family.labels} <= allowed.keys() | free
    assert seen.value("wcsd_sessions_started_total", app=OTHER, result="refused") == 5
    assert seen.value("wcsd_http_requests_total", route=OTHER) >= 10


async def provoke(server: FullServer) -> None:
    """Names, keys, paths and methods that nobody has seen before."""
    for number in range(5):
        async with wcs_client(server.ws_url(), established=False) as page:
            await page.send("connection", {"appKey": f"app-{number}", "mediaProviders": ["WebRTC"]})
            await page.closed.wait()
    for number in range(5):
        await server.rest.get(f"/made/up/{number}")
        await server.rest.request(f"METHOD{number}", f"/rest-api/stream/find{number}")
        await server.rest.post(f"/EchoApp/{number}/connect", json={})
        await server.terminate(name=f"name-{number}")
    async with wcs_client(server.ws_url()) as page:
        await page.publish('a"}b\n# TYPE wcsd_x counter')
