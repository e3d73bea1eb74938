"""The daemon as a process: what it says when it is up, how it refuses to start, and how it ends."""

import json
import re
import signal
import socket
import ssl
import subprocess
import sys
from collections.abc import Callable
from contextlib import ExitStack
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import trio

from actors.runtime.signals import MEANINGS, Meaning, name_of
from config.apps import USUAL_METHODS, App, AppTable
from config.tables.apps_file import write_apps
from tests.support.hooks.backend import ScriptedBackend, open_backend
from tests.support.hooks.behaviours import Behaviour, hang, held
from tests.support.network import plain_http
from tests.support.network.ports import unused_port
from tests.support.servers.server_process import FREE_PORTS, ROOT, START_TIMEOUT, Address, ServerProcess, running_server
from tests.support.session.wcs_client import PATIENCE, WcsClient, wcs_client
from tests.support.webrtc.media_peer import MediaPeer

LOOPBACK = {"ip": "127.0.0.1"}
PORTS = {"wss.port": "wss", "http.port": "http", "media_port_from": "media"}


# -- starting ----------------------------------------------------------------------------------------------------------


def test_the_ready_line_tells_every_address_as_it_is_bound(tmp_path: Path) -> None:
    settings = {"ws.address": "::1", "https.address": "::1", "ip": "127.0.0.1,::1"}
    with running_server(tmp_path, settings) as server:
        v4, v6 = r"127\.0\.0\.1:\d+", r"\[::1\]:\d+"
        pattern = rf"wcsd ready ws={v6} wss=\[::\]:\d+ http={v4} https={v6} media={v4},{v6}\n"
        assert re.fullmatch(pattern, server.ready_line), server.ready_line
        for listener in ("ws", "wss", "http", "https"):
            (address,) = server.addresses[listener]
            socket.create_connection((address.host, address.port), PATIENCE).close()
        assert len({address.port for address in server.addresses["media"]}) == 1
        for address in server.addresses["media"]:
            with pytest.raises(OSError, match="in use"):
                bind_udp(address)
        assert httpx.get(server.https_url("/readyz"), verify=False, trust_env=False).json()["ready"] is True


def test_what_cannot_start_says_why_in_one_line(tmp_path: Path) -> None:
    with running_server(tmp_path, LOOPBACK) as server:
        taken = {key: server.addresses[listener][0].port for key, listener in PORTS.items()}
        for key, port in taken.items():
            fault = refused_start(f"--state={tmp_path / key}", f"--set={key}={port}")
            assert f' ERROR cannot start cause="{key}={port}: ' in fault
        fault = refused_start("--state", str(server.state))
        assert f"{server.state}: another wcsd uses this state folder (process {server.pid})" in fault
        assert plain_http.get(server.http_url("/readyz")).is_success
    (tmp_path / "wcs.sock").mkdir()
    fault = refused_start(f"--state={tmp_path}", "--set=ip=127.0.0.1")
    assert "cannot start cause=\"cannot open the operator's socket" in fault
    assert "something else is there" in fault


def test_a_bad_setting_is_named_in_one_line(tmp_path: Path) -> None:
    fault = refused_start(f"--state={tmp_path}", "--set=ws.prot=1", "--set=log.level=loud")
    assert fault.startswith("--set: log.level: ")


def test_the_settings_file_of_a_wcs_installation_starts_the_server(tmp_path: Path) -> None:
    stock = ROOT / "tests" / "fixtures" / "wcs" / "flashphoner.properties"
    with running_server(tmp_path, config=stock) as server:
        assert plain_http.get(server.http_url("/readyz")).is_success
        assert "keytool -importkeystore -srckeystore wss.jks " in server.log()
        assert "not-to-be-shown" not in server.log()


def test_certificate_and_node_id_outlive_a_restart(tmp_path: Path) -> None:
    seen = []
    for _ in range(2):
        with running_server(tmp_path, LOOPBACK) as server:
            (address,) = server.addresses["https"]
            certificate = ssl.get_server_certificate((address.host, address.port), timeout=PATIENCE)
            seen.append((certificate, (server.state / "node-id").read_text()))
    assert seen[0] == seen[1]


# -- the log -----------------------------------------------------------------------------------------------------------


async def test_the_whole_log_in_json_and_without_secrets(tmp_path: Path) -> None:
    token = "customers-secret-token"
    with running_server(tmp_path, LOOPBACK | {"log.format": "json", "log.level": "debug"}) as server:
        async with wcs_client(server.ws_url(), custom={"token": token}) as client:
            user_data = client.of("getUserData")[0]
            publication = await client.publish("news", custom={"token": token})
            playback = await client.play("news", custom={"token": token})
            await client.send("publishStream", {"mediaSessionId": 5, "custom": {"token": token}})
            await client.send("connection", {"appKey": token * 2, "custom": {"token": token}})
            assert await in_thread(server.terminate, {"name": "news"})
            await publication.status("FAILED")
            peers = [publication.peer, playback.peer]
        await in_thread(server.wait_until_empty)
        lines = server.log().splitlines()
    secrets = [token, user_data["authToken"]]
    secrets += [secret for peer in peers for secret in (peer.pwd, peer.answer.pwd)]
    entries = [json.loads(line) for line in lines]
    assert all({"time", "level", "logger", "event"} <= entry.keys() for entry in entries)
    assert {"serving", "session established", "stream ended", "session ended"} <= {entry["event"] for entry in entries}
    assert not [line for line in lines for secret in secrets if secret in line]


# -- ending ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
async def test_a_signal_ends_everything_and_everybody_is_told(tmp_path: Path, number: signal.Signals) -> None:
    own: dict[str, Any] = {
        key: unused_port() for key in FREE_PORTS
    }  # nobody else is given them when they are free again
    with running_server(tmp_path, {**LOOPBACK, **own}) as server:
        async with wcs_client(server.ws_url()) as one, wcs_client(server.wss_url()) as other:
            publication, playback = await one.publish("news"), await other.play("news")
            server.send_signal(number)
            for stream in (publication, playback):
                assert (await stream.status("FAILED"))["info"] in (
                    "Stopped by session disconnect", "Stopped by publisher stop"
                )  # fmt: skip
                await stream.until_closed()
            for client in (one, other):
                await until_closed(client)
            assert await in_thread(server.wait) == 0
            for stream in (publication, playback):
                stream.peer.poll()
                assert stream.peer.after_close == 0
        for listener in ("ws", "wss", "http", "https"):
            (address,) = server.addresses[listener]
            with pytest.raises(ConnectionRefusedError):
                socket.create_connection((address.as_seen_by_client(None).rpartition(":")[0], address.port))
        for address in server.addresses["media"]:
            bind_udp(address)
        assert not (server.state / "wcs.sock").exists()


def test_every_other_signal_is_told_and_changes_nothing(tmp_path: Path) -> None:
    numbers = [number for number, meaning in MEANINGS.items() if meaning is not Meaning.STOP]
    with running_server(tmp_path, LOOPBACK) as server:
        server.send_signal(signal.SIGHUP)
        server.wait_until(lambda: "settings reloaded" in server.log(), what="a reload")
        for name in ("SIGUSR1", "SIGUSR2", "SIGALRM"):
            server.send_signal(signal.Signals[name])
            line = f"signal without a meaning here signal={name}"
            server.wait_until(partial(is_logged, server, line), what=line)
        for number in (*numbers, signal.SIGPIPE, signal.SIGWINCH):
            server.send_signal(number)
        assert plain_http.get(server.http_url("/healthz")).is_success


def test_no_signal_that_would_kill_is_forgotten() -> None:
    defects = {"SIGILL", "SIGTRAP", "SIGABRT", "SIGBUS", "SIGFPE", "SIGSEGV", "SIGSYS"}
    harmless = {"SIGCHLD", "SIGCONT", "SIGTSTP", "SIGTTIN", "SIGTTOU", "SIGURG", "SIGWINCH", "SIGPIPE", "SIGXFSZ"}
    left = {name_of(number) for number in signal.valid_signals() - set(MEANINGS)}
    assert left == defects | harmless | {"SIGKILL", "SIGSTOP"}  # Python itself ignores SIGPIPE and SIGXFSZ


async def test_while_hooks_are_sent_the_server_is_alive_but_not_ready(tmp_path: Path) -> None:
    gate = trio.Event()
    async with open_backend() as backend:
        with running_server(with_backend(tmp_path, backend.url), LOOPBACK) as server:
            async with wcs_client(server.ws_url()) as client:
                await backend_hangs(backend, held(gate))
                server.send_signal(signal.SIGTERM)
                await until_closed(client)
            ready = await in_thread(plain_http.get, server.http_url("/readyz"))
            assert (ready.status_code, ready.json()) == (503, {"ready": False, "missing": ["shutting down"]})
            assert (await in_thread(plain_http.get, server.http_url("/healthz"))).is_success
            gate.set()
            assert await in_thread(server.wait) == 0
    assert [call.body["status"] for call in backend.received("ConnectionStatusEvent")] == [
        "ESTABLISHED",
        "DISCONNECTED",
    ]


async def test_a_shutdown_that_takes_too_long_is_cut_and_says_what_was_left(tmp_path: Path) -> None:
    settings = LOOPBACK | {"shutdown_timeout": 300, "rest_request_timeout": 0}
    async with open_backend() as backend:
        with running_server(with_backend(tmp_path, backend.url), settings) as server:
            async with wcs_client(server.ws_url()):
                await backend_hangs(backend)
            with trio.fail_after(PATIENCE):
                await backend.wait_for("ConnectionStatusEvent", count=2)
            server.send_signal(signal.SIGTERM)
            assert await in_thread(server.wait) == 0
            told = r"ERROR shutdown took too long setting=shutdown_timeout left=\S+ hooks=1"
            assert re.search(told, server.log()), server.log()


@pytest.mark.parametrize("stalled", [False, True], ids=["hanging backend", "and a client that reads nothing"])
async def test_a_second_signal_ends_at_once(tmp_path: Path, stalled: bool) -> None:
    settings = LOOPBACK | {"shutdown_timeout": 3_600_000, "rest_request_timeout": 0}
    async with open_backend() as backend:
        folder, module = with_backend(tmp_path, backend.url), "tests.support.servers.patient_daemon"
        with running_server(folder, settings, module=module) as server, ExitStack() as sockets:
            async with wcs_client(server.ws_url()) as client:
                if stalled:
                    await stalled_websocket(server, client, sockets)
                await backend_hangs(backend)
                server.send_signal(signal.SIGTERM)
                await until_closed(client)
                server.send_signal(signal.SIGINT)
                assert await in_thread(server.wait) == 0
        assert "WARNING stopping at once signal=SIGINT" in server.log()


async def test_clients_that_stall_do_not_hold_the_shutdown(tmp_path: Path) -> None:
    with running_server(tmp_path, LOOPBACK) as server, ExitStack() as sockets:
        async with wcs_client(server.ws_url()) as client:
            await stalled_websocket(server, client, sockets)
            offer = idle_offer("sendonly", padding="x" * 60_000)
            for number in range(60):
                await client.request("publishStream", f"stream{number}", offer)
            await in_thread(server.wait_until, lambda: len(server.streams()) == 62, what="60 more streams")
            stalled_rest_clients(server, sockets)
            silent_clients(server, sockets)
            server.send_signal(signal.SIGTERM)
            assert await in_thread(server.wait) == 0
        assert "took too long" not in server.log()


# -- helpers -----------------------------------------------------------------------------------------------------------


async def in_thread(call: Callable[..., Any], *arguments: Any, **named: Any) -> Any:
    """Wait for something that blocks, while clients and peers go on."""
    return await trio.to_thread.run_sync(partial(call, *arguments, **named))


def is_logged(server: ServerProcess, text: str) -> bool:
    return text in server.log()


async def until_closed(client: WcsClient) -> None:
    """Wait until the server has closed the WebSocket."""
    with trio.fail_after(PATIENCE):
        await client.closed.wait()


async def backend_hangs(backend: ScriptedBackend, behaviour: Behaviour = hang) -> None:
    """From the end of the session on, the backend behaves like this."""
    with trio.fail_after(PATIENCE):
        await backend.wait_for("ConnectionStatusEvent")
    backend.script("ConnectionStatusEvent", behaviour)


def with_backend(folder: Path, url: str) -> Path:
    """Let the server in `folder` ask this backend."""
    (folder / "state").mkdir()
    app = App(name="defaultApp", key="defaultApp", url=url, methods=frozenset(USUAL_METHODS))
    (folder / "state" / "apps.toml").write_text(write_apps(AppTable((app,))))
    return folder


def refused_start(*arguments: str) -> str:
    """Start a daemon that must end with exit code 2 and no word on standard output; its one line of complaint."""
    free = [f"--set={key}={value}" for key, value in FREE_PORTS.items()]
    command = [sys.executable, "-m", "actors.daemon", *free, "--set=ip=127.0.0.1", *arguments]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=START_TIMEOUT)
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    harmless = (" INFO ", " WARNING media socket buffer is small ")  # the latter where only root may have a larger one
    (fault,) = [line for line in ended.stderr.splitlines() if not any(each in line for each in harmless)]
    return fault


def bind_udp(address: Address) -> None:
    with socket.socket(socket.AF_INET6 if ":" in address.host else socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind((address.host, address.port))


async def stalled_websocket(server: ServerProcess, publisher: WcsClient, sockets: ExitStack) -> None:
    """A player that stops reading while megabytes are on their way to it."""
    publication = await publisher.publish("news")
    (address,) = server.addresses["ws"]
    raw = sockets.enter_context(small_socket())
    raw.connect(("127.0.0.1", address.port))
    raw.sendall(
        b"GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )
    assert raw.recv(12) == b"HTTP/1.1 101"
    play = {"mediaSessionId": "stalled", "name": "news", "mediaProvider": "WebRTC", "sdp": idle_offer("recvonly")}
    raw.sendall(websocket_text({"message": "connection", "data": [{"appKey": "defaultApp"}]}))
    await in_thread(server.wait_until, lambda: established(server) == 2, what="the player's session")
    raw.sendall(websocket_text({"message": "playStream", "data": [play]}))
    await in_thread(server.wait_until, lambda: watched(server), what="the player")
    event = {"mediaSessionId": publication.id, "type": "data", "payload": "x" * 900_000}
    for _ in range(8):  # more than the system takes, less than the session does
        await publisher.send("sendStreamEvent", event)
    await publisher.send("ping", None)
    await publisher.receive("pong")


def stalled_rest_clients(server: ServerProcess, sockets: ExitStack) -> None:
    """One whose request is incomplete, and one that takes no more than the first bytes of a long answer."""
    (address,) = server.addresses["http"]
    for request in (
        b"POST /rest-api/stream/terminate HTTP/1.1\r\nHost: localhost\r\nContent-Length: 50\r\n\r\n{",
        b"GET /rest-api/stream/find_all HTTP/1.1\r\nHost: localhost\r\n\r\n",
    ):
        raw = sockets.enter_context(small_socket())
        raw.settimeout(PATIENCE)
        raw.connect((address.host, address.port))
        raw.sendall(request)
    assert raw.recv(12) == b"HTTP/1.1 200"


def established(server: ServerProcess) -> int:
    return sum(session["status"] == "ESTABLISHED" for session in server.connections())


def watched(server: ServerProcess) -> bool:
    return any(stream["viewers"] for stream in server.streams(published=True))


def silent_clients(server: ServerProcess, sockets: ExitStack) -> None:
    """Connections on which the client never says a word."""
    for listener in ("ws", "wss", "http", "https"):
        (address,) = server.addresses[listener]
        host = "127.0.0.1" if address.host == "::" else address.host
        sockets.enter_context(socket.create_connection((host, address.port), PATIENCE))


def idle_offer(direction: str, padding: str = "") -> str:
    """An offer of a peer that will never be heard of."""
    peer = MediaPeer()
    peer.udp.close()
    offer = peer.publish_offer() if direction == "sendonly" else peer.play_offer()
    return f"{offer}a=x-padding:{padding}\r\n" if padding else offer


def small_socket() -> socket.socket:
    """TCP with little room for what is not read."""
    opened = socket.socket()
    opened.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    return opened


def websocket_text(frame: Any) -> bytes:
    """A client's text message of up to 65,535 bytes; a mask of zeros leaves it as it is (RFC 6455 section 5.3)."""
    content = json.dumps(frame).encode()
    size = len(content)
    head = bytes([0x81, 0x80 | size]) if size < 126 else b"\x81\xfe" + size.to_bytes(2, "big")
    return head + bytes(4) + content
