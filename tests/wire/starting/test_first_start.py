"""`wcsd --init` makes what a first start needs, asks nobody, and replaces nothing."""

import stat
from pathlib import Path

import pytest
import trio

from actors.access.password_hash import PasswordHashing
from actors.cli import read_command_line
from actors.storage.account_store import read_account_file
from actors.storage.state_folder import StateFolder
from config.loading import load_settings
from protocol.access.roles import Role

Captured = pytest.CaptureFixture[str]


def init(root: Path, *arguments: str) -> int:
    """The exit code. Files are made below `root`, in the places of an installed server."""
    places = ["--config=/etc/wcsd/flashphoner.properties", "--state=/var/lib/wcsd"]
    with pytest.raises(SystemExit) as ended:
        read_command_line(["--init", f"--root={root}", *places, *arguments])
    return int(ended.value.code or 0)


def test_a_new_machine(tmp_path: Path, capsys: Captured) -> None:
    assert init(tmp_path, "--set=ws.port=9090") == 0
    made = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert made == {
        "etc/wcsd/flashphoner.properties",
        "etc/systemd/system/wcsd.service",
        "etc/sysusers.d/wcsd.conf",
        "etc/sysctl.d/60-wcsd.conf",
        *(f"var/lib/wcsd/{name}" for name in ("lock", "users.toml", "first-password")),
    }
    settings = (tmp_path / "etc/wcsd/flashphoner.properties").read_text()
    assert load_settings(settings, file_name="", overrides=()).settings.ws_port == 9090
    assert load_settings(settings, file_name="", overrides=()).warnings == ()
    unit = (tmp_path / "etc/systemd/system/wcsd.service").read_text()
    assert "StateDirectory=wcsd\n" in unit
    assert "systemctl enable --now wcsd" in capsys.readouterr().out


def test_the_first_user_may_do_everything(tmp_path: Path, capsys: Captured) -> None:
    init(tmp_path)
    state = tmp_path / "var/lib/wcsd"
    (user,) = read_account_file(state / "users.toml").users
    password = (state / "first-password").read_text().strip()
    assert (user.name, user.role, len(password)) == ("admin", Role.ADMIN, 24)
    assert trio.run(PasswordHashing().matches, password, user.password_hash)
    assert password not in capsys.readouterr().out
    assert {stat.S_IMODE((state / name).stat().st_mode) for name in ("users.toml", "first-password")} == {0o600}
    assert stat.S_IMODE(state.stat().st_mode) == 0o700


def test_a_person_at_the_terminal_is_asked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "alice")
    monkeypatch.setattr("getpass.getpass", lambda _: "correct horse")
    assert init(tmp_path) == 0
    (user,) = read_account_file(tmp_path / "var/lib/wcsd/users.toml").users
    assert user.name == "alice"
    assert trio.run(PasswordHashing().matches, "correct horse", user.password_hash)
    assert not (tmp_path / "var/lib/wcsd/first-password").exists()


def test_answers_that_differ(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: Captured) -> None:
    answers = iter(["one", "another"])
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "")
    monkeypatch.setattr("getpass.getpass", lambda _: next(answers))
    assert init(tmp_path) == 1
    assert "NOT made  first user: the passwords differ" in capsys.readouterr().out
    assert not (tmp_path / "var/lib/wcsd/users.toml").exists()


def test_what_is_there_is_kept(tmp_path: Path, capsys: Captured) -> None:
    init(tmp_path)
    before = {path: path.read_text() for path in tmp_path.rglob("*") if path.is_file() and path.name != "lock"}
    capsys.readouterr()
    assert init(tmp_path, "--set=ws.port=9090") == 0
    assert "made" not in capsys.readouterr().out.partition("Next")[0]
    assert {path: path.read_text() for path in before} == before


def test_secrets_and_what_is_wrong_stay_out_of_the_settings_file(tmp_path: Path, capsys: Captured) -> None:
    assert init(tmp_path, "--set=rest_hook_secret_key=hush") == 0
    settings = (tmp_path / "etc/wcsd/flashphoner.properties").read_text()
    assert "hush" not in settings
    assert "# rest_hook_secret_key: a secret" in settings
    assert init(tmp_path / "other", "--set=ws.port=many") == 2
    assert "--set: ws.port: 'many'" in capsys.readouterr().err
    assert not (tmp_path / "other").exists()


def test_a_folder_of_a_running_server_gets_no_user(tmp_path: Path, capsys: Captured) -> None:
    with StateFolder(tmp_path / "var/lib/wcsd"):
        assert init(tmp_path) == 1
    assert "NOT made  first user:" in capsys.readouterr().out


def test_a_place_that_cannot_be_written_is_one_line(tmp_path: Path, capsys: Captured) -> None:
    (tmp_path / "etc").write_text("a file")
    assert init(tmp_path) == 1
    out = capsys.readouterr().out
    assert f"NOT made  {tmp_path}/etc/wcsd/flashphoner.properties: Not a directory" in out
    assert "made      user admin" in out
