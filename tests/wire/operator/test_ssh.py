"""The command line over SSH, by OpenSSH's client against a whole server."""

import json
import socket
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trio

from actors.operator.wcs.conversation import Exit
from actors.storage.state_folder import StateFolder
from tests.support.operator.operator_console import ROOT, run_wcs
from tests.support.operator.pty_process import on_pty
from tests.support.operator.ssh_client import SshClient
from tests.support.servers.full_server import FullServer, full_server
from tests.support.session.wcs_client import PATIENCE


@asynccontextmanager
async def ssh_server(folder: Path) -> AsyncIterator[tuple[FullServer, SshClient]]:
    """A server with the users alice (admin, by key and password) and vera (view, by password).

    Nobody listens before there is a user.
    """
    async with full_server(folder, ssh_port=0) as server:
        client = SshClient(folder=folder / "client", port=server.addresses["ssh"][0].port)
        with pytest.raises(OSError, match="all attempts to connect"):
            await trio.open_tcp_stream("127.0.0.1", client.port)
        client.folder.mkdir()
        await client.make_key()
        for user, role in (("alice", "admin"), ("vera", "view")):
            words = ("--state", str(folder / "state"), "add", "user", user, "--role", role)
            assert (await run_wcs(*words, stdin=f"{user}-secret\n")).returncode == Exit.DONE
        keys = folder / "state/authorized_keys"
        keys.mkdir()
        (keys / "alice").write_text(f"# laptop\n{client.public_key}")
        yield server, client


def audit_lines(folder: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (folder / "state/audit.jsonl").read_text().splitlines()]


async def use_prompt(command: list[str], folder: Path) -> None:
    """Change a password, ask for help, recall it, watch events and leave."""
    async with on_pty(command, cwd=folder, environment={"TERM": "xterm"}) as prompt:
        await prompt.expect("wcs> ")
        await prompt.type("passwd vera\r")
        await prompt.expect("password of 'vera': ")
        await prompt.type("new-secret\r")
        await prompt.expect("again: ")
        await prompt.type("new-secret\r")
        await prompt.expect("password of user 'vera' changed")
        await prompt.type("help passwd\r")
        await prompt.expect("Change a user's password")
        await prompt.type("\x1b[A\r")
        await prompt.expect("Change a user's password")
        await prompt.type("sho\tses\tsess\t'none'\r")
        await prompt.expect("show sessions sessionId='none'")
        await prompt.expect("no sessions")
        await prompt.type("remove \t")
        await prompt.expect("app-rest-method")
        await prompt.type("\x15nothing\t\x15tail\r")
        await prompt.expect("tail")
        await prompt.type("\x03")
        await prompt.expect("wcs> ")
        await prompt.type("\x04")
        assert await prompt.ended() == Exit.DONE
    assert "new-secret" not in prompt.text


async def give_up_a_question(command: list[str], folder: Path) -> None:
    """Ctrl-C ends a single command as it ends `wcs`."""
    async with on_pty(command, cwd=folder, environment={"TERM": "xterm"}) as terminal:
        await terminal.expect("password of 'vera': ")
        await terminal.type("\x03")
        assert await terminal.ended() == 130


async def ask_for_json(client: SshClient) -> None:
    done = await client.run("show apps --json")
    assert [row["key"] for row in json.loads(done.stdout)["rows"]].count("defaultApp") == 1
    done = await client.run("remove app nothing nonsense --json")
    assert (done.returncode, done.stderr) == (Exit.USAGE, b"")
    assert json.loads(done.stdout)["error"] == "usage"


def check_what_is_left(tmp_path: Path) -> None:
    """The host key, and the audit file."""
    key = tmp_path / "state/tls/ssh_host_ed25519_key"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600
    lines = audit_lines(tmp_path)
    assert {"ssh-key alice", "user vera", f"uid {key.stat().st_uid}"} == {line["who"] for line in lines}
    by_vera = [(line["what"], line["from"]) for line in lines if line["who"] == "user vera"]
    assert by_vera == [(what, "ssh 127.0.0.1") for what in ("ssh", "show streams", "ssh", "remove app")]
    by_alice = {(line["what"], line["result"]) for line in lines if line["who"] == "ssh-key alice"}
    assert {("unknown command", "not a command"), ("remove app", "not a command")} <= by_alice
    assert "secret" not in (tmp_path / "state/audit.jsonl").read_text()


async def test_commands_pipes_and_a_prompt(tmp_path: Path) -> None:
    async with ssh_server(tmp_path) as (_, client):
        done = await client.run("show", "apps")
        assert (done.returncode, done.stderr) == (Exit.DONE, b"")
        assert b"defaultApp" in done.stdout
        done = await client.run("shwo apps")
        assert (done.returncode, done.stdout) == (Exit.USAGE, b"")
        assert b"unknown command 'shwo apps'" in done.stderr
        await ask_for_json(client)
        done = await client.run(stdin="# first\nshow nodes\nremove app nothing\nterminate name=none\nshow apps\n")
        assert done.returncode == Exit.REFUSED
        assert b"nothing to remove" in done.stdout
        assert b"defaultApp" not in done.stdout
        assert done.stderr == b"wcs: no stream matches\n"

        done = await client.run("show streams", user="vera", password="vera-secret")
        assert (done.returncode, done.stdout) == (Exit.DONE, b"no streams\n")
        done = await client.run("remove app defaultApp", user="vera", password="vera-secret")
        assert (done.returncode, done.stdout) == (Exit.REFUSED, b"")
        assert done.stderr == b"wcs: needs the role admin; user vera has the role view\n"

        done = await client.run(stdin=f"show nodes\n{'x' * 40_000}\nshow apps\n")
        assert done.returncode == Exit.USAGE
        assert done.stderr == b"wcs: a line is longer than 32768 characters\n"
        assert b"defaultApp" not in done.stdout

        await use_prompt(client.command(user="alice", by_key=True), tmp_path)
        await give_up_a_question(client.command("passwd", "vera", user="alice", by_key=True, options=("-t",)), tmp_path)

    check_what_is_left(tmp_path)


async def test_who_and_what_is_refused(tmp_path: Path) -> None:
    async with ssh_server(tmp_path) as (_, client):
        for user, password in (("vera", "wrong"), ("nobody", "vera-secret"), ("../alice", ""), ("vera", "")):
            refused = await client.run("show apps", user=user, password=password)
            assert refused.returncode == 255
            assert b"Permission denied" in refused.stderr

        forwarding = ("-o", "ExitOnForwardFailure=yes", "-W", "127.0.0.1:1")
        refused = await client.run(options=forwarding)
        assert refused.returncode == 255
        assert b"forwarding failed" in refused.stderr
        refused = await client.run("sftp", options=("-s",))
        assert refused.returncode == 255
        assert b"subsystem request failed" in refused.stderr

        words = ("--state", str(tmp_path / "state"), "update", "user", "-a", "false", "alice")
        command = client.command(user="alice", by_key=True)
        async with on_pty(command, cwd=tmp_path, environment={"TERM": "xterm"}) as prompt:
            await prompt.expect("wcs> ")
            assert (await run_wcs(*words)).returncode == Exit.DONE
            await prompt.type("show rooms\r")
            await prompt.expect("this user may not log in any more")
        barred = await client.run("show streams")
        assert barred.returncode == Exit.REFUSED
    (last,) = (line for line in audit_lines(tmp_path) if line["what"] == "show rooms")
    assert (last["who"], last["result"]) == ("ssh-key alice", "this user may not log in any more")
    assert [line["result"] for line in audit_lines(tmp_path) if line["what"] == "ssh"].count(
        "wrong user or password"
    ) == 2


async def test_the_helper_ends_with_its_input(tmp_path: Path) -> None:
    with StateFolder(tmp_path) as state, socket.create_server(("127.0.0.1", 0)) as listener:
        told = {
            "listener": listener.fileno(),
            "operator": str(state.socket_path),
            "host_key": str(state.ssh_host_key()),
            "keys": str(state.keys_path),
        }
        command = [sys.executable, "-m", "actors.operator.ssh.helper"]
        helper = await trio.lowlevel.open_process(
            command, stdin=subprocess.PIPE, pass_fds=[listener.fileno()], cwd=ROOT
        )
        assert helper.stdin is not None
        await helper.stdin.send_all(json.dumps(told).encode() + b"\n")
        with trio.fail_after(PATIENCE):
            async with await trio.open_tcp_stream(*listener.getsockname()) as client:
                assert (await client.receive_some()).startswith(b"SSH-2.0-wcsd")
                await helper.stdin.aclose()  # as when a server is killed
                assert await helper.wait() == 0
