"""The command line of `wcsd`, with real files."""

import re
import socket
import sys
from pathlib import Path

import pytest

from actors import cli
from actors.cli import read_command_line
from actors.storage.default_paths import default_config_file, default_state_folder
from config.apps import App, AppTable
from config.settings import LogFormat
from config.tables.apps_file import write_apps
from config.version import VERSION
from tests.support.servers.server_process import FREE_PORTS
from tests.support.web.web_server import make_certificate

CHECKOUT = Path(__file__).resolve().parents[3]
ANY_PORTS = [f"--set={key}={port}" for key, port in FREE_PORTS.items()]
Captured = pytest.CaptureFixture[str]


@pytest.fixture
def settings_file(tmp_path: Path) -> Path:
    path = tmp_path / "my.properties"
    path.write_text("ws.port=1234\n")
    return path


def exit_code(*arguments: str) -> object:
    with pytest.raises(SystemExit) as ended:
        read_command_line(arguments)
    return ended.value.code


def test_what_is_to_be_run(settings_file: Path, tmp_path: Path) -> None:
    invocation = read_command_line(
        ["--config", str(settings_file), "--state", str(tmp_path), "--set", "log.format=json", "--set", "wss.port=0"]
    )
    settings = invocation.settings
    assert (settings.ws_port, settings.wss_port, settings.log_format) == (1234, 0, LogFormat.JSON)
    assert invocation.state == tmp_path
    assert invocation.warnings == ()


def test_the_state_folder_does_not_depend_on_a_later_change_of_folder() -> None:
    assert read_command_line(["--state", "here"]).state == Path.cwd() / "here"


def test_in_a_checkout_the_shipped_file_and_var_are_used() -> None:
    assert default_config_file() == CHECKOUT / "config" / "flashphoner.properties"
    assert default_state_folder() == CHECKOUT / "var"
    assert read_command_line([]).state == CHECKOUT / "var"


def test_installed_the_folders_of_the_system_are_used(tmp_path: Path) -> None:
    assert default_config_file(tmp_path) == Path("/etc/wcsd/flashphoner.properties")
    assert default_state_folder(tmp_path) == Path("/var/lib/wcsd")


def test_without_the_default_file_there_are_defaults(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(cli, "default_config_file", lambda: tmp_path / "absent.properties")
    assert read_command_line([]).settings.ws_port == 8080


def test_a_named_file_must_be_there(tmp_path: Path, capsys: Captured) -> None:
    missing = tmp_path / "absent.properties"
    assert exit_code("--config", str(missing)) == 2
    assert capsys.readouterr() == ("", f"{missing}: there is no such file\n")


def test_a_file_that_cannot_be_read(tmp_path: Path, capsys: Captured) -> None:
    assert exit_code("--config", str(tmp_path)) == 2
    assert capsys.readouterr().err == f"{tmp_path}: cannot be read: Is a directory\n"


def test_a_file_in_another_encoding(settings_file: Path, capsys: Captured) -> None:
    settings_file.write_bytes(b"ws.port=1\n# gr\xfc\xdfe\n")
    assert exit_code("--config", str(settings_file)) == 2
    assert capsys.readouterr().err == f"{settings_file}:2: is not UTF-8; write other characters as \\uXXXX\n"


def test_a_byte_order_mark_is_no_part_of_the_first_key(settings_file: Path) -> None:
    settings_file.write_bytes(b"\xef\xbb\xbfws.port=7777\n")
    assert read_command_line(["--config", str(settings_file)]).settings.ws_port == 7777


def test_bad_settings_end_with_2_and_every_fault_on_a_line(settings_file: Path, capsys: Captured) -> None:
    settings_file.write_text("ws.port=x\nlog.level=loud\n")
    assert exit_code("--config", str(settings_file)) == 2
    out, err = capsys.readouterr()
    assert out == ""
    assert [line.split(" ")[0] for line in err.splitlines()] == [f"{settings_file}:1:", f"{settings_file}:2:"]


def test_check_config(settings_file: Path, capsys: Captured) -> None:
    settings_file.write_text("ws.prot=1\n")
    assert exit_code("--config", str(settings_file), "--check-config", *ANY_PORTS) == 0
    out, err = capsys.readouterr()
    assert out == f"{settings_file}: settings are good\n"
    assert err == f"warning: {settings_file}:1: ws.prot: unknown setting; did you mean ws.port?\n"


def test_check_config_tells_warnings_beside_what_is_wrong(settings_file: Path, capsys: Captured) -> None:
    settings_file.write_text("ws.prot=1\nlog.level=loud\n")
    assert exit_code("--config", str(settings_file), "--check-config", *ANY_PORTS) == 2
    warning, fault = capsys.readouterr().err.splitlines()
    assert warning == f"warning: {settings_file}:1: ws.prot: unknown setting; did you mean ws.port?"
    assert fault.startswith(f"{settings_file}:2: log.level: 'loud' ")


def test_check_config_beside_a_server_that_has_the_ports_tells_warnings_too(
    settings_file: Path, capsys: Captured, tmp_path: Path
) -> None:
    """As WCS has them while an operator looks at its settings file."""
    settings_file.write_text("ws.prot=1\n")
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = f"--set=http.port={other.getsockname()[1]}"
        state = str(tmp_path / "new")
        assert exit_code("--config", str(settings_file), "--state", state, "--check-config", *ANY_PORTS, port) == 2
    warning, fault = capsys.readouterr().err.splitlines()
    assert warning.startswith("warning: ")
    assert "another program" in fault


def test_print_config(settings_file: Path, capsys: Captured) -> None:
    assert exit_code("--config", str(settings_file), "--print-config") == 0
    assert f"# from: {settings_file}:1\nws.port=1234\n" in capsys.readouterr().out


def test_version(capsys: Captured) -> None:
    assert exit_code("--version") == 0
    assert capsys.readouterr().out == f"wcsd {VERSION}\n"


def test_help_names_every_option(capsys: Captured) -> None:
    assert exit_code("--help") == 0
    out = capsys.readouterr().out
    for option in ("--config FILE", "--state DIR", "--set KEY=VALUE", "--check-config", "--print-config", "--version"):
        assert option in out


@pytest.mark.parametrize("arguments", [("--conf", "x"), ("--set",), ("extra",)])
def test_a_wrong_argument_ends_with_2(arguments: tuple[str, ...], capsys: Captured) -> None:
    assert exit_code(*arguments) == 2
    assert capsys.readouterr().err.startswith("usage: wcsd")


def test_arguments_of_the_process_are_the_default(monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    monkeypatch.setattr(sys, "argv", ["wcsd", "--version"])
    with pytest.raises(SystemExit):
        read_command_line()
    assert capsys.readouterr().out == f"wcsd {VERSION}\n"


def test_the_doctor_looks_at_the_machine_and_at_what_a_start_would_find(tmp_path: Path, capsys: Captured) -> None:
    state = tmp_path / "state"
    state.mkdir()
    state.chmod(0o755)
    config = tmp_path / "flashphoner.properties"
    config.write_text("rtp_bundle=true\nprofiles=42e01f\nno_setting=1\n")
    assert exit_code("--doctor", *ANY_PORTS, "--config", str(config), "--state", str(state)) == 1
    lines = capsys.readouterr().out.splitlines()
    assert "ok       start: settings, files and ports are good" in lines
    assert "ok       start: 2 settings of WCS have no effect here; --check-config lists them" in lines
    assert f"warning  start: {config}:3: no_setting: unknown setting" in lines
    assert "rtp_bundle" not in "".join(lines)
    assert f"         -> chmod 700 {state}" in lines
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        arguments = [*ANY_PORTS, "--set=ws.address=127.0.0.1", f"--set=ws.port={port}"]
        assert exit_code("--doctor", *arguments, "--state", str(state)) == 2
    assert f"fault    start: --set: ws.port: {port}: another program" in capsys.readouterr().out
    assert not list(state.iterdir())  # nothing is made


def test_the_doctor_tells_of_a_folder_that_cannot_be_looked_at(tmp_path: Path, capsys: Captured) -> None:
    assert exit_code("--doctor", *ANY_PORTS, "--state", str(tmp_path / ("x" * 300))) == 2
    lines = capsys.readouterr().out.splitlines()
    apps = tmp_path / ("x" * 300) / "apps.toml"
    assert f"fault    start: cannot read {apps}: File name too long" in lines
    assert f"ok       state folder: will be made in {tmp_path}" in lines


def test_the_doctor_reads_the_certificate(tmp_path: Path, capsys: Captured) -> None:
    certificate = make_certificate(tmp_path)
    settings = [f"--set=wss.cert={certificate.cert}", f"--set=wss.key={certificate.key}"]
    exit_code("--doctor", *ANY_PORTS, *settings, "--state", str(tmp_path))
    assert re.search(r"^ok       certificate: [0-9,]+ days are left$", capsys.readouterr().out, re.MULTILINE)
    certificate.cert.write_text("nothing")
    assert exit_code("--doctor", *ANY_PORTS, *settings, "--state", str(tmp_path)) == 2
    assert "holds no certificate in PEM form" in capsys.readouterr().out


def test_the_doctor_connects_to_backends(tmp_path: Path, capsys: Captured) -> None:
    with socket.create_server(("127.0.0.1", 0)) as backend:
        url = f"http://127.0.0.1:{backend.getsockname()[1]}"
        shop = App(name="shop", key="shop", url=f"{url}/hooks")
        (tmp_path / "apps.toml").write_text(write_apps(AppTable((shop,))))
        exit_code("--doctor", *ANY_PORTS, "--state", str(tmp_path))
    assert f"ok       backend of shop: {url} is reached" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [["--stun=stun.example.com"], ["--root=/mnt"]])
def test_options_that_go_with_another(arguments: list[str], capsys: Captured) -> None:
    assert exit_code(*arguments) == 2
    assert "goes with --" in capsys.readouterr().err
