"""Users, tokens and the console's link from end to end: the program `wcs`, the socket, the table and its file."""

import json
import os
import pty
import re
import stat
import sys
from pathlib import Path

import pytest
import trio

from actors.access.control import ShownCredentials
from actors.operator.wcs.conversation import Exit
from config.tables.accounts_file import read_accounts
from protocol.access.identity import Identity
from protocol.access.refusals import LoginRefused
from protocol.access.roles import Role
from protocol.operator.messages import ErrorKind
from tests.support.operator.operator_console import ROOT, Console, open_console, receive_answer, run_wcs
from tests.support.web.access import basic


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path) -> Console:
    return await open_console(nursery, tmp_path)


async def log_in(console: Console, authorization: str) -> Identity:
    shown = ShownCredentials(authorization=authorization, certificate=None, address="127.0.0.1")
    return await console.access.identify(shown)


async def test_a_user_from_birth_to_death_in_the_words_of_wcs(console: Console) -> None:
    added = await console.done("add", "user", "alice", "s3cret")
    assert added.splitlines()[0] == "user 'alice' added, role operate"
    assert "After the next reload (wcs reload) everybody has to" in added
    console.access.decide()
    assert await log_in(console, basic("alice", "s3cret"))
    assert await console.done("show", "users") == "NAME   ROLE     ACTIVE\nalice  operate  yes\n"
    await console.done("passwd", "--", "alice", "-- new")
    with pytest.raises(LoginRefused):
        await log_in(console, basic("alice", "s3cret"))
    assert (await log_in(console, basic("alice", "-- new"))).role is Role.OPERATE
    await console.done("add", "user", "bob", "pw", "--role", "admin", "--app", "defaultApp")
    await console.done("update", "user", "-a", "false", "alice")
    with pytest.raises(LoginRefused):
        await log_in(console, basic("alice", "-- new"))
    await console.done("update", "user", "--role", "view", "--app", "", "bob")
    shown = json.loads(await console.done("--json", "show", "users", "-d"))["rows"]
    assert shown == [
        {"name": "alice", "role": "operate", "active": False, "apps": "all"},
        {"name": "bob", "role": "view", "active": True, "apps": "all"},
    ]
    assert await console.done("remove", "user", "alice") == "user 'alice' removed\n"
    assert await console.done("remove", "user", "alice") == "no user 'alice'; nothing to remove\n"
    path = console.state / "users.toml"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert read_accounts(path.read_text(), file_name="f") == console.access.store.table


async def test_a_token_is_shown_once_and_kept_as_a_digest(console: Console) -> None:
    answer = json.loads(
        await console.done("--json", "add", "token", "ci", "--role", "view", "--app", "defaultApp", "--expires", "90d")
    )
    text = answer["rows"][0]["token"]
    assert re.fullmatch(r"wcsd_[\w-]{43}", text)
    assert text not in answer["message"]
    console.access.decide()
    identity = await log_in(console, f"Bearer {text}")
    assert (str(identity), identity.role, identity.apps) == ("token ci", Role.VIEW, frozenset({"defaultApp"}))
    (shown,) = json.loads(await console.done("--json", "show", "tokens"))["rows"]
    assert (shown["name"], shown["role"], shown["apps"]) == ("ci", "view", ["defaultApp"])
    assert (shown["valid"], shown["last_used"]) == (True, console.access.day())
    everything = (console.state / "users.toml").read_text() + "".join(console.audit)
    assert text.removeprefix("wcsd_") not in everything
    await console.done("add", "token", "other", "--role", "metrics")
    await console.done("remove", "token", "ci")
    with pytest.raises(LoginRefused):
        await log_in(console, f"Bearer {text}")


async def test_the_last_login_stays_while_one_is_required(console: Console) -> None:
    await console.done("add", "user", "alice", "pw")
    await console.done("update", "user", "-a", "false", "alice")  # nobody has to log in yet
    await console.done("update", "user", "-a", "true", "alice")
    console.access.decide()
    for command in (["remove", "user", "alice"], ["update", "user", "-a", "false", "alice"]):
        refused = await console.wcs(*command)
        assert (refused.returncode, b"the last user or token" in refused.stderr) == (Exit.REFUSED, True)
    await console.done("add", "token", "ci", "--role", "operate")
    await console.done("remove", "user", "alice")
    refused = await console.wcs("remove", "token", "ci")
    assert refused.returncode == Exit.REFUSED


async def test_a_user_who_owns_an_application_stays_as_in_wcs(console: Console) -> None:
    await console.done("add", "user", "alice", "pw")
    await console.done("update", "app", "-o", "alice", "defaultApp")
    refused = await console.wcs("remove", "user", "alice")
    assert refused.stderr.startswith(b"wcs: user 'alice' owns the application 'defaultApp'")


async def test_the_same_user_twice_is_nothing_to_do_and_another_is_refused(console: Console) -> None:
    await console.done("add", "user", "alice", "pw")
    assert await console.done("add", "user", "alice", "pw") == "user 'alice' is there already\n"
    for other in (["alice", "other"], ["alice", "pw", "--role", "admin"]):
        refused = await console.wcs("add", "user", *other)
        assert (refused.returncode, b"is there already, and differs" in refused.stderr) == (Exit.REFUSED, True)


REFUSED_COMMANDS = [
    ("add user a:b pw", ErrorKind.REFUSED, "name: 'a:b' must not start with"),
    ("add user a pw --role root", ErrorKind.USAGE, "--role must be one of metrics, view, operate, admin"),
    ("add user a pw --app shop", ErrorKind.REFUSED, "unknown application key 'shop'"),
    ("add user a pw --app ,", ErrorKind.USAGE, "--app needs the key of an application"),
    ("add user a ''", ErrorKind.REFUSED, "password: must not be empty"),
    ("add token a", ErrorKind.USAGE, "needs --role"),
    ("add token a --role view --expires 90", ErrorKind.USAGE, "--expires must be a number of days"),
    ("add token a --role view --expires 0d", ErrorKind.USAGE, "--expires must be a number of days"),
    ("update user alice", ErrorKind.USAGE, "nothing to change"),
    ("update user -a maybe alice", ErrorKind.USAGE, "-a must be true or false"),
    ("update user -a true alcie", ErrorKind.REFUSED, "unknown user 'alcie' (did you mean 'alice'?)"),
    ("passwd alcie pw", ErrorKind.REFUSED, "unknown user 'alcie'"),
    ("console --role root", ErrorKind.USAGE, "--role must be one of"),
    ("add user a", ErrorKind.PASSWORD, "password of 'a'"),
]


async def test_what_is_refused(console: Console) -> None:
    await console.done("add", "user", "alice", "pw")
    async with await console.connect() as stream:
        for command, error, told in REFUSED_COMMANDS:
            await stream.send_all(json.dumps({"line": command}).encode() + b"\n")
            answer = await receive_answer(stream)
            assert (answer["ok"], answer["error"], told in answer["message"]) == (False, error, True), answer


async def test_a_password_that_is_left_out_is_read_from_standard_input(console: Console) -> None:
    assert (await console.wcs("add", "user", "alice", stdin="-pw with blanks\n")).returncode == 0
    console.access.decide()
    assert await log_in(console, basic("alice", "-pw with blanks"))
    assert "blanks" not in "".join(console.audit)


async def test_on_a_terminal_the_password_is_asked_for_twice(console: Console) -> None:
    for answers, code in ((["one", "two"], Exit.REFUSED), (["same", "same"], Exit.DONE)):
        assert await trio.to_thread.run_sync(type_passwords, console.state, answers) == code
    console.access.decide()
    assert await log_in(console, basic("alice", "same"))


def type_passwords(state: Path, answers: list[str]) -> int:
    """Run `wcs add user alice` on a terminal and answer its questions; the exit code."""
    process, terminal = pty.fork()
    if process == 0:
        os.chdir(ROOT)
        command = [sys.executable, "-m", "actors.operator.wcs.client", f"--state={state}", "add", "user", "alice"]
        os.execv(sys.executable, command)
    shown = b""
    for question, answer in zip((b"password of 'alice': ", b"again: "), answers, strict=True):
        while not shown.endswith(question):
            shown += os.read(terminal, 1024)
        os.write(terminal, answer.encode() + b"\n")
    try:
        while os.read(terminal, 1024):
            pass
    except OSError:  # the terminal is gone with the process
        pass
    os.close(terminal)
    return os.waitstatus_to_exitcode(os.waitpid(process, 0)[1])


async def test_the_link_of_the_console_is_worth_one_login(console: Console) -> None:
    answer = json.loads(await console.done("--json", "console", "--role", "view"))
    link = answer["rows"][0]["link"]
    page, _, secret = link.partition("#login=")
    assert (page, len(secret)) == ("http://127.0.0.1:8081/", 43)
    identity = await console.access.pages.open_link(secret)
    assert identity is not None
    assert (str(identity), identity.role) == ("link console", Role.VIEW)
    assert await console.access.pages.open_link(secret) is None
    assert secret not in "".join(console.audit) + answer["message"]


async def test_the_audit_file_tells_who_did_what_on_the_socket(console: Console) -> None:
    await console.done("add", "user", "alice", "s3cret")
    await console.done("show", "users")
    await console.wcs("remove", "app", "--x", "y")
    await console.wcs("passwd", "nobody", "s3cret")
    lines = [json.loads(line) for line in console.audit]
    assert [(line["what"], line["result"]) for line in lines] == [
        ("add user", "user 'alice' added, role operate"),
        ("passwd", "unknown user 'nobody'"),
    ]
    assert {(line["who"], line["from"]) for line in lines} == {(f"uid {os.getuid()}", "wcs")}
    assert "s3cret" not in "".join(console.audit)


async def test_help_tells_of_accounts() -> None:
    process = await run_wcs("--help")
    assert b"add user [--role metrics|view|operate|admin] [--app APP_KEY,...] NAME [PASSWORD]" in process.stdout
