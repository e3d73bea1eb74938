"""What stops the start is found by --check-config too, in the same words, and nobody sees a traceback."""

import os
import resource
import socket
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec

from actors.cli import read_command_line
from actors.settings import start_checks
from actors.storage.certificate import self_signed
from config.apps import default_table
from config.tables.apps_file import write_apps
from tests.support.servers.server_process import FREE_PORTS, ROOT, START_TIMEOUT, running_server

Captured = pytest.CaptureFixture[str]
Prepare = Callable[[Path], None]
NOW = datetime.now(UTC)
CERTIFICATE, KEY = self_signed("media1", NOW)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
ENCRYPTED = EC_KEY.private_bytes(
    serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
)
ANY_PORTS = [f"--set={key}={port}" for key, port in FREE_PORTS.items()]
TLS = "wss.cert={folder}/cert.pem\nwss.key={folder}/key.pem\n"


def told(folder: Path, capsys: Captured, *arguments: str) -> list[str]:
    """What the command line refuses in `folder`, where the settings file is; the same with and without the check."""
    command = ["--config", str(folder / "my.properties"), "--state", str(folder / "state"), *arguments]
    answers = []
    for check in (["--check-config"], []):
        with pytest.raises(SystemExit) as ended:
            read_command_line([*check, *command])
        out, err = capsys.readouterr()
        assert (ended.value.code, out) == (2, "")
        answers.append(err.replace(str(folder), "DIR").splitlines())
    assert answers[0] == answers[1]
    return answers[0]


@pytest.mark.parametrize(
    ("certificate", "key", "line", "fault"),
    [
        (None, KEY, 1, "wss.cert: 'DIR/cert.pem' cannot be read: No such file or directory"),
        (CERTIFICATE, None, 2, "wss.key: 'DIR/key.pem' cannot be read: No such file or directory"),
        (KEY, KEY, 1, "wss.cert: 'DIR/cert.pem' holds no certificate in PEM form"),
        (CERTIFICATE, CERTIFICATE, 2, "wss.key: 'DIR/key.pem' holds no private key in PEM form"),
        (CERTIFICATE, b"", 2, "wss.key: 'DIR/key.pem' holds no private key in PEM form"),
        (CERTIFICATE, self_signed("other", NOW)[1], 2,
         "wss.key: 'DIR/key.pem' is not the key of the first certificate in 'DIR/cert.pem'"),
        (CERTIFICATE, ENCRYPTED, 2,
         "wss.key: 'DIR/key.pem' is encrypted; decrypt it: openssl pkey -in DIR/key.pem -out PLAIN_KEY"),
    ],
)  # fmt: skip
def test_a_certificate_or_key_that_cannot_be_used(
    tmp_path: Path, capsys: Captured, certificate: bytes | None, key: bytes | None, line: int, fault: str
) -> None:
    (tmp_path / "my.properties").write_text(TLS.format(folder=tmp_path))
    for name, content in (("cert.pem", certificate), ("key.pem", key)):
        if content is not None:
            (tmp_path / name).write_bytes(content)
    assert told(tmp_path, capsys) == [f"DIR/my.properties:{line}: {fault}"]


def test_a_hook_script_that_is_none(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "my.properties").write_text(f"on_record_hook_script={tmp_path}/hook.sh\n")
    fault = "DIR/my.properties:1: on_record_hook_script: 'DIR/hook.sh' is no program that this user may run"
    assert told(tmp_path, capsys) == [fault]
    (tmp_path / "hook.sh").touch(mode=0o600)
    assert told(tmp_path, capsys) == [fault]


def test_a_folder_of_recordings_that_is_none(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "file").touch()
    for folder in ("file", "file/below"):
        (tmp_path / "my.properties").write_text(f"records.folder={tmp_path}/{folder}\n")
        fault = f"records.folder: 'DIR/{folder}' is no folder that this user may write to, or make"
        assert told(tmp_path, capsys) == [f"DIR/my.properties:1: {fault}"]


@pytest.mark.parametrize("script", ["/usr/local/FlashphonerWebCallServer/bin/on_record_hook.sh", "on_record_hook.sh"])
def test_what_a_settings_file_of_wcs_says_of_recordings_and_what_strangers_can_guess_are_warnings(
    tmp_path: Path, script: str
) -> None:
    lines = {
        f"on_record_hook_script={script}": "no program",
        "records.access=public": "whose names can be guessed",
    }
    (tmp_path / "my.properties").write_text("\n".join([*lines, "stream_record_policy=streamName"]))
    told_of = read_command_line(["--config", str(tmp_path / "my.properties"), "--state", str(tmp_path)]).warnings
    assert len(told_of) == 2
    for warning, text in zip(sorted(told_of), lines.values(), strict=True):
        assert text in warning


def warnings_of(folder: Path, *lines: str) -> list[str]:
    """What a start with these settings warns of, without the place."""
    (folder / "my.properties").write_text("\n".join(lines))
    told_of = read_command_line(["--config", str(folder / "my.properties"), "--state", str(folder / "state")]).warnings
    return [warning.partition("my.properties:")[2].partition(": ")[2] for warning in told_of]


def test_what_settings_name_and_is_not_there_is_a_warning(tmp_path: Path) -> None:
    assert warnings_of(
        tmp_path,
        "streaming_sessions_keep_alive_app_keys=defaultap;a",
        "record_streams_app_keys=roomApp,shop",
        "whip.app=shop",
        "capture.app=",
        "push.sounds_folder=/absent",
        "capture.vod_folder=/etc/hostname",
        "audit.file=/absent/audit.jsonl",
        "sip.accounts_file=/absent",
    ) == [
        "streaming_sessions_keep_alive_app_keys: no application has the key 'defaultap;a' (did you mean 'defaultApp'?)",
        "record_streams_app_keys: no application has the key 'shop'",
        "whip.app: no application has the key 'shop'",
        "push.sounds_folder: '/absent' is no folder that this user may read",
        "capture.vod_folder: '/etc/hostname' is no folder that this user may read",
        "audit.file: '/absent/audit.jsonl' is no file that this user may write to, or make in its folder",
        "sip.accounts_file: '/absent' is no file that this user may read",
    ]
    assert not warnings_of(tmp_path, "cluster.redis_url=unix:///absent", "whip.app=of-the-cluster")
    (tmp_path / "audit.jsonl").touch()
    there = (f"audit.file={tmp_path}/audit.jsonl", f"push.sounds_folder={tmp_path}", "whip.app=roomApp")
    assert warnings_of(tmp_path, *there, f"sip.accounts_file={tmp_path}/audit.jsonl") == []


def test_what_nobody_may_look_at_is_a_warning_like_what_is_not_there(tmp_path: Path) -> None:
    """Root may look everywhere: a name that no file can have stands for a folder that is closed to the user."""
    closed = f"{tmp_path}/{'x' * 300}"
    keys = ("push.sounds_folder", "capture.vod_folder", "audit.file", "sip.accounts_file")
    warnings = warnings_of(tmp_path, *(f"{key}={closed}/inside" for key in keys))
    assert [warning.partition(": ")[0] for warning in warnings] == list(keys)


def test_a_script_of_wcs_that_nobody_may_look_at_counts_as_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = f"{tmp_path}/{'x' * 300}"
    monkeypatch.setattr(start_checks, "STOCK_HOOK_SCRIPT", closed)
    (warning,) = warnings_of(tmp_path, f"on_record_hook_script={closed}")
    assert warning.endswith("is no program that this user may run; none is run")


def test_of_the_three_switches_of_keep_alives_the_forgotten_one_is_told(tmp_path: Path) -> None:
    on, keys = "keep_alive_streaming_sessions_enabled", "streaming_sessions_keep_alive_app_keys"
    assert warnings_of(tmp_path, f"{on}=true") == [f"{on}: no stream is asked about, for {keys} is empty"]
    asked = f"{keys}=defaultApp"
    (warning,) = warnings_of(tmp_path, f"{on}=true", asked)
    assert warning.endswith(
        "has no method StreamKeepAliveEvent: `wcs add app-rest-method defaultApp StreamKeepAliveEvent`"
    )
    assert warnings_of(tmp_path, asked) == []
    table = default_table()
    app = table.apps[0]
    asking = table.replaced(app, app.with_fields(methods=app.methods | {"StreamKeepAliveEvent"}))
    (tmp_path / "state").mkdir()
    (tmp_path / "state/apps.toml").write_text(write_apps(asking))
    assert warnings_of(tmp_path, f"{on}=true", asked) == []


def test_a_public_address_behind_nat_is_told_with_where_it_is_taken_to_lead(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(start_checks, "machine_addresses", lambda: ("10.0.0.1", "127.0.0.1"))
    (tmp_path / "my.properties").write_text("ip=8.8.8.8,10.0.0.1\n")
    (warning,) = read_command_line(["--config", str(tmp_path / "my.properties"), "--state", str(tmp_path)]).warnings
    assert warning.endswith(
        "ip: 8.8.8.8 is not an address of this machine; it is taken for that of NAT, as if it were 8.8.8.8/10.0.0.1"
    )


@pytest.mark.parametrize(
    ("made", "warning"),
    [
        (NOW - timedelta(days=4000), "expired at "),
        (NOW + timedelta(days=400), "is not valid before "),
        (NOW, None),
    ],
)
def test_a_certificate_out_of_its_time_is_told_and_used(
    tmp_path: Path, capsys: Captured, made: datetime, warning: str | None
) -> None:
    certificate, key = self_signed("media1", made)
    (tmp_path / "cert.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    config = tmp_path / "my.properties"
    config.write_text(TLS.format(folder=tmp_path))
    warnings = read_command_line(["--config", str(config), "--state", str(tmp_path)]).warnings
    assert len(warnings) == (warning is not None)
    for line in warnings:
        assert line.startswith(f"{config}:1: wss.cert: '{tmp_path}/cert.pem' {warning}")
    with pytest.raises(SystemExit) as ended:
        read_command_line(["--config", str(config), "--state", str(tmp_path), "--check-config", *ANY_PORTS])
    assert ended.value.code == 0
    assert capsys.readouterr().err == "".join(f"warning: {line}\n" for line in warnings)


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("rest_ca_file=/absent/ca.pem", "rest_ca_file: '/absent/ca.pem' cannot be read: No such file or directory"),
        ("rest_ca_file=/etc/hostname", "rest_ca_file: '/etc/hostname' holds no certificates in PEM form"),
        ("https.client_ca=/etc/hostname", "https.client_ca: '/etc/hostname' holds no certificates in PEM form"),
        ("capture.ca_file=/absent", "capture.ca_file: '/absent' cannot be read: No such file or directory"),
        ("push.ca_file=/absent", "push.ca_file: '/absent' cannot be read: No such file or directory"),
        ("sip.ca_file=/etc/hostname", "sip.ca_file: '/etc/hostname' holds no certificates in PEM form"),
        ("http.address=", "http.address: every address is open to the network, and nobody has to log in; first"),
        ("ws.address=203.0.113.7", "ws.address: 203.0.113.7 is not an address of this machine"),
        ("ip=203.0.113.7", "ip: 203.0.113.7 is not an address of this machine"),
        ("ip_local=203.0.113.7", "ip_local: 203.0.113.7 is not an address of this machine"),
        ("http.port=8080", "http.port: 8080 is already the port of ws.port (default)"),
        ("https.port=8443", "https.port: 8443 is already the port of wss.port (default)"),
        ("wss.cert=/a\\u0000b", "wss.cert: '/a\\x00b' holds a NUL character"),
        ("ws.port=" + "9" * 5000, "ws.port: '99999"),
    ],
)  # fmt: skip
def test_what_does_not_fit_this_machine_is_told_with_its_place(
    tmp_path: Path, capsys: Captured, text: str, fault: str
) -> None:
    (tmp_path / "my.properties").write_text(f"\n{text}\n")
    lines = [line for line in told(tmp_path, capsys) if "requires wss.key" not in line]
    assert [line[: len(f"DIR/my.properties:2: {fault}")] for line in lines] == [f"DIR/my.properties:2: {fault}"]


def test_every_fault_is_told_at_once(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "my.properties").write_text("rest_ca_file=/absent\nip=203.0.113.7\n")
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "apps.toml").write_text("")
    assert [line.split(": ")[0] for line in told(tmp_path, capsys, "--set", "ws.address=203.0.113.7")] == [
        "DIR/my.properties:1", "--set", "DIR/my.properties:2", "DIR/state/apps.toml"
    ]  # fmt: skip


def test_one_port_on_two_addresses_is_no_fault(tmp_path: Path) -> None:
    both = ["--set=ws.address=127.0.0.1", "--set=wss.address=::1", "--set=wss.port=8080", "--state", str(tmp_path)]
    assert read_command_line(both).settings.wss_port == 8080


def nest(state: Path) -> None:
    (state / "apps.toml").write_text(write_apps(default_table()) + "x = " + "[" * 100_000)


def lengthen(state: Path) -> None:
    (state / "apps.toml").write_text("format = " + "1" * 10_000)


def loop(state: Path) -> None:
    (state / "apps.toml").symlink_to("apps.toml")


def spoil_node_id(state: Path) -> None:
    (state / "node-id").write_bytes(b"\xff")


def spoil_bans(state: Path) -> None:
    (state / "bans.jsonl").write_text("nonsense\n")


def spoil_sources(state: Path) -> None:
    (state / "sources.toml").write_text('format = 1\n[[source]]\nname = "a"\nuri = "file:///etc/passwd"\n')


def halve_certificate(state: Path) -> None:
    (state / "tls").mkdir()


def spoil_certificate(state: Path) -> None:
    (state / "tls").mkdir()
    for name in ("certificate.pem", "key.pem"):
        (state / "tls" / name).write_text("nonsense")


@pytest.mark.parametrize(
    ("prepare", "fault"),
    [
        (nest, "DIR/state/apps.toml: not a file of applications, which hold text and lists of text"),
        (lengthen, "DIR/state/apps.toml: not a file of applications, which hold text and lists of text"),
        (loop, "cannot read DIR/state/apps.toml: its symbolic link leads nowhere"),
        (spoil_node_id, "DIR/state/node-id: not a node id (32 letters and digits); remove the file to get a new one"),
        (spoil_bans, "DIR/state/bans.jsonl: line 1 is not a ban; remove the file to lift all bans"),
        (spoil_sources, "DIR/state/sources.toml:4: uri: is not the URI of a source that can be captured"),
        (halve_certificate,
         "DIR/state/tls/certificate.pem: is missing; remove the folder DIR/state/tls to get a new certificate"),
        (spoil_certificate,
         "DIR/state/tls: what is in it cannot be used for TLS; remove the folder to get a new certificate"),
    ],
)  # fmt: skip
def test_a_state_folder_that_no_server_can_use(tmp_path: Path, capsys: Captured, prepare: Prepare, fault: str) -> None:
    (tmp_path / "my.properties").write_text("")
    (tmp_path / "state").mkdir()
    prepare(tmp_path / "state")
    assert told(tmp_path, capsys) == [fault]


def refused_check(capsys: Captured, state: Path, *settings: str) -> list[str]:
    with pytest.raises(SystemExit) as ended:
        read_command_line(["--check-config", "--state", str(state), *(f"--set={each}" for each in settings)])
    assert ended.value.code == 2
    return capsys.readouterr().err.splitlines()


def test_the_check_finds_ports_that_others_have(tmp_path: Path, capsys: Captured) -> None:
    state, ports = tmp_path / "state", "media_port_from=0"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        told = refused_check(capsys, state, f"http.port={port}", "ws.port=0", "wss.port=0", "https.port=0", ports)
        assert told == [f"--set: http.port: {port}: another program, perhaps another wcsd, listens there"]
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
        free = ("http.port=0", "ws.port=0", "wss.port=0", "https.port=0", "ip=127.0.0.1")
        told = refused_check(capsys, state, *free, f"media_port_from={port}")
        assert told == [f"--set: media_port_from: {port}: another program, perhaps another wcsd, has UDP 127.0.0.1"]


def test_beside_its_own_server_the_check_does_not_ask_for_ports(tmp_path: Path) -> None:
    with running_server(tmp_path, {"ip": "127.0.0.1"}) as server:
        port = server.addresses["http"][0].port
        with pytest.raises(SystemExit) as ended:
            read_command_line(["--check-config", f"--state={server.state}", f"--set=http.port={port}"])
        assert ended.value.code == 0


def test_the_check_takes_no_port_and_writes_nothing(tmp_path: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        read_command_line(["--check-config", "--state", str(tmp_path / "state"), *ANY_PORTS])
    assert ended.value.code == 0
    assert list(tmp_path.iterdir()) == []


# -- the process -------------------------------------------------------------------------------------------------------


def full_disk() -> None:
    """No file of this process may grow, so every write fails."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))


def few_descriptors(count: int) -> Callable[[], None]:
    return lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (count, count))


def link_the_lock(state: Path) -> None:
    (state / "lock").symlink_to("precious")


@pytest.mark.parametrize(
    ("limit", "cause"),
    [
        (full_disk, "/lock: cannot be written: File too large"),
        (few_descriptors(6), "Too many open files"),
        (few_descriptors(9), "Too many open files"),
        (few_descriptors(12), "Too many open files"),
        (few_descriptors(15), "Too many open files"),
        (few_descriptors(18), "Too many open files"),
    ],
)
def test_a_system_that_gives_nothing_is_told_in_one_line(tmp_path: Path, limit: Callable[[], None], cause: str) -> None:
    assert cause in refused_start(tmp_path, limit)


def test_a_lock_that_is_a_link_is_refused_and_its_target_left_alone(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("content")
    link_the_lock(tmp_path)
    assert "/lock: cannot be the lock of the state folder: it is a symbolic link" in refused_start(tmp_path)
    assert (tmp_path / "precious").read_text() == "content"


def refused_start(state: Path, limit: Callable[[], None] | None = None) -> str:
    """Start a daemon that must end with exit code 2; its one line of complaint."""
    free = [f"--set={key}={value}" for key, value in FREE_PORTS.items()]
    ended = subprocess.run(
        [sys.executable, "-P", "-m", "actors.daemon", f"--state={state}", "--set=ip=127.0.0.1", *free],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=START_TIMEOUT,
        preexec_fn=limit,
    )
    assert (ended.returncode, ended.stdout) == (2, ""), ended.stderr
    (fault,) = [line for line in ended.stderr.splitlines() if " ERROR " in line]
    assert "Traceback" not in ended.stderr
    return fault
