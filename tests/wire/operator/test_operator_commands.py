"""The operator's commands from end to end: the program `wcs`, the socket, the table and its file."""

import fcntl
import json
import os
import stat
import struct
import sys
import termios
from pathlib import Path

import pytest
import trio

from actors.operator.wcs.conversation import Exit
from config.apps import ALL_METHODS, USUAL_METHODS
from config.tables.apps_file import read_apps
from config.version import VERSION
from tests.support.operator.operator_console import ROOT, Console, open_console, run_wcs
from tests.support.operator.pty_process import rest_of


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path) -> Console:
    return await open_console(nursery, tmp_path)


async def test_the_keep_alive_guide_of_wcs(console: Console) -> None:
    """The commands of "Stopping the video stream on the server side", letter by letter."""
    assert (await console.done("show", "apps")).splitlines() == [
        "NAME        KEY         URL                                 METHODS",
        f"defaultApp  defaultApp  http://localhost:8081/apps/EchoApp  {len(USUAL_METHODS) - 1}",
        f"roomApp     roomApp     http://localhost:8081/apps/RoomApp  {len(USUAL_METHODS) - 1}",
    ]
    added = await console.done("add", "app-rest-method", "defaultApp", "StreamKeepAliveEvent")
    assert added == "defaultApp: StreamKeepAliveEvent added\n"
    updated = await console.done("update", "app", "defaultApp", "http://my-web-server.com/MyAPI")
    assert updated == "application 'defaultApp' updated\n"
    app = console.store.by_key("defaultApp")
    assert app is not None
    assert app.url == "http://my-web-server.com/MyAPI"
    assert app.methods == frozenset(USUAL_METHODS)
    path = console.state / "apps.toml"
    assert read_apps(path.read_text(), file_name="apps.toml") == console.store.table


async def test_an_application_from_birth_to_death(console: Console) -> None:
    options = ["-u", "user", "-p", "s3cret", "-o", "me", "-m", "Main", "-c", "Callback"]
    await console.done("add", "app", *options, "shop", "shopKey", "https://shop.example/hooks")
    assert await console.done("show", "app-rest-methods", "shopKey") == "no REST methods\n"
    assert await console.done("add", "app-rest-method", "shopKey", "playStream", "connect")
    assert await console.done("show", "app-rest-methods", "shop") == "connect\nplayStream\n"
    await console.done("update", "app", "-k", "newKey", "-l", "http://other.example", "-o", "", "shop")
    shown = json.loads(await console.done("--json", "show", "apps", "--detail"))["rows"][2]
    assert shown == {
        "name": "shop",
        "key": "newKey",
        "url": "http://other.example",
        "rest_username": "user",
        "rest_password": True,
        "webhook_secret": False,
        "on_breaker": "timeout",
        "spool": "off",
        "owner": None,
        "main_class": "Main",
        "callback_class": "Callback",
        "rooms": False,
        "methods": ["connect", "playStream"],
    }
    assert await console.done("remove", "app-rest-method", "newKey", "-a")
    assert await console.done("remove", "app", "shop") == "application 'shop' removed\n"
    assert console.store.by_key("newKey") is None


async def test_all_methods_are_those_that_backends_of_wcs_know(console: Console) -> None:
    await console.done("add", "app-rest-method", "defaultApp", "-a")
    app = console.store.by_key("defaultApp")
    assert app is not None
    assert app.methods == frozenset(USUAL_METHODS)
    told = await console.done("add", "app-rest-method", "defaultApp", "ServerStatusEvent")
    assert told == "defaultApp: ServerStatusEvent added\n"
    await console.done("remove", "app-rest-method", "defaultApp", "-a")
    app = console.store.by_key("defaultApp")
    assert app is not None
    assert app.methods == frozenset()


async def test_rooms_are_switched_on_and_off(console: Console) -> None:
    await console.done("add", "app", "--rooms", "shop", "shopKey", "https://shop.example/hooks")

    async def rooms() -> list[bool]:
        shown = json.loads(await console.done("--json", "show", "apps", "-d"))
        return [row["rooms"] for row in shown["rows"]]

    assert await rooms() == [False, True, True]
    assert await console.done("update", "app", "--no-rooms", "shop") == "application 'shop' updated\n"
    assert await console.done("update", "app", "--rooms", "defaultApp") == "application 'defaultApp' updated\n"
    assert await rooms() == [True, True, False]
    again = await console.done("update", "app", "--rooms", "defaultApp")
    assert again == "application 'defaultApp' is like that already\n"


def secret_in(told: str) -> str:
    """The one secret in what `wcs` prints."""
    (secret,) = [word for word in told.split() if word.startswith("whsec_")]
    return secret


async def test_a_secret_for_signatures_is_made_shown_once_and_removed(console: Console) -> None:
    made = await console.done("rotate", "secret", "defaultApp")
    assert made.endswith("hooks of application 'defaultApp' are signed with a new secret\n")
    first = secret_in(made)
    again = await console.done("rotate", "secret", "defaultApp", "--overlap", "2h")
    assert "; with the one before too until 20" in again
    app = console.store.by_key("defaultApp")
    assert app is not None
    assert (app.old_webhook_secret, app.webhook_secret) == (first, secret_in(again))
    shown = await console.done("--json", "show", "apps", "-d")
    assert json.loads(shown)["rows"][0]["webhook_secret"] is True
    assert "whsec_" not in shown + "".join(console.audit)
    assert await console.done("remove", "secret", "defaultApp")
    assert "nothing to remove" in await console.done("remove", "secret", "defaultApp")
    assert "whsec_" not in (console.state / "apps.toml").read_text()


async def test_passwords_are_never_shown(console: Console) -> None:
    outputs = [
        await console.done("add", "app", "-u", "user", "-p", "s3cret", "shop", "shopKey", "http://a.example"),
        await console.done("show", "apps"),
        await console.done("show", "apps", "-d"),
        await console.done("--json", "show", "apps", "-d"),
        await console.done("update", "app", "-p", "s3cret", "shop"),
    ]
    assert "s3cret" not in "".join(outputs)
    assert "yes" in outputs[2]


async def test_doing_what_is_done_already_is_a_success_that_says_so(console: Console) -> None:
    shop = ("add", "app", "-u", "user", "shop", "shopKey", "http://a.example")
    await console.done(*shop)
    before = (console.state / "apps.toml").stat()
    assert await console.done(*shop) == "application 'shop' is there already\n"
    assert (
        await console.done("update", "app", "shop", "http://a.example") == "application 'shop' is like that already\n"
    )
    assert (
        await console.done("remove", "app", "shpo")
        == "no application 'shpo' (did you mean 'shop'?); nothing to remove\n"
    )
    assert (
        await console.done("add", "app-rest-method", "defaultApp", "connect") == "defaultApp: connect there already\n"
    )
    assert await console.done("remove", "app-rest-method", "shopKey", "connect") == "shop: connect not there\n"
    assert not json.loads(await console.done("--json", *shop))["changed"]
    assert (console.state / "apps.toml").stat().st_ino == before.st_ino  # nothing was written
    both = await console.done("add", "app-rest-method", "defaultApp", "StreamKeepAliveEvent", "connect")
    assert both == "defaultApp: StreamKeepAliveEvent added; connect there already\n"


@pytest.mark.parametrize(
    ("words", "code", "error"),
    [
        (
            "add app-rest-method defaultApp StreamKeepAlive",
            1,
            "wcs: methods: unknown REST method 'StreamKeepAlive' (did you mean 'StreamKeepAliveEvent'?)",
        ),
        (
            "remove app-rest-method defaultApp conect",
            1,
            "wcs: methods: unknown REST method 'conect' (did you mean 'connect'?)",
        ),
        (
            "add app-rest-method defualtApp connect",
            1,
            "wcs: unknown application 'defualtApp' (did you mean 'defaultApp'?)",
        ),
        ("show app-rest-methods defualtApp", 1, "wcs: unknown application 'defualtApp' (did you mean 'defaultApp'?)"),
        (
            "update app defualtApp http://a.example",
            1,
            "wcs: unknown application 'defualtApp' (did you mean 'defaultApp'?)",
        ),
        (
            "update app defaultApp my-web-server.com",
            1,
            "wcs: url: 'my-web-server.com' must start with http:// or https://",
        ),
        (
            "add app defaultApp k http://a.example",
            1,
            "wcs: application 'defaultApp' is there already, with another key, url;",
        ),
        (
            "add app other defaultApp http://a.example",
            1,
            "wcs: key: 'defaultApp' is taken by the application 'defaultApp'",
        ),
        ("show aps", 2, "wcs: unknown command 'show aps' (did you mean 'show apps'?)"),
        ("remove app", 2, "wcs: remove app: takes 1 operand\nusage: remove app NAME"),
    ],
)
async def test_mistakes_change_nothing_and_say_what_to_do(console: Console, words: str, code: int, error: str) -> None:
    before = console.store.table
    process = await console.wcs(*words.split())
    assert (process.returncode, process.stdout) == (code, b"")
    assert process.stderr.decode().startswith(error)
    assert console.store.table is before


async def test_commands_from_standard_input_stop_at_the_first_that_fails(console: Console) -> None:
    script = """
        # a shop
        add app -u user -p 'pass word' shop shopKey "http://a.example"
        add app-rest-method shopKey connect

        add app-rest-method shopKey conect
        remove app shop
    """
    process = await console.wcs(stdin=script)
    assert process.returncode == Exit.REFUSED
    assert process.stdout.decode().splitlines() == [
        "application 'shop' added, without REST methods",
        "shop: connect added",
    ]
    assert process.stderr.decode().startswith("wcs: line 6: methods: unknown REST method 'conect'")
    app = console.store.by_key("shopKey")
    assert app is not None
    assert app.rest_password == "pass word"


async def test_json_is_one_line_an_answer(console: Console) -> None:
    process = await console.wcs("--json", stdin="show apps\nshow rest-methods\nshow nothing\n")
    apps, methods, error = map(json.loads, process.stdout.splitlines())
    assert apps["ok"]
    assert [row["method"] for row in methods["rows"]] == list(ALL_METHODS)
    assert (error["ok"], error["error"]) == (False, "usage")
    assert (process.returncode, process.stderr) == (Exit.USAGE, b"")


async def test_text_of_any_encoding_is_answered(console: Console) -> None:
    process = await console.wcs("remove", "app", os.fsdecode(b"\xff\xd0\xbc"))
    assert process.stdout.startswith(b"no application '\\udcff\xd0\xbc'")
    process = await trio.run_process(
        [sys.executable, "-m", "actors.operator.wcs.client", f"--state={console.state}"],
        stdin=b"remove app \xff\n", capture_stdout=True, cwd=ROOT,
    )  # fmt: skip
    assert process.stdout.startswith(b"no application '\\udcff'")


async def test_help(console: Console) -> None:
    process = await run_wcs("--help")
    assert process.returncode == Exit.DONE
    assert process.stdout.startswith(b"usage: wcs [--state DIR] [--node N] [--json] [COMMAND...]")
    assert await console.done("help") in process.stdout.decode()
    assert await console.done("--version") == f"wcs {VERSION}\n"


@pytest.mark.parametrize("arguments", [["--stat", "x"], ["--json=1"], ["--state"], ["-x", "show", "apps"]])
async def test_wrong_options_of_the_program(arguments: list[str]) -> None:
    process = await run_wcs(*arguments)
    assert process.returncode == Exit.USAGE
    assert process.stderr.endswith(b"Try 'wcs --help'.\n")


async def test_a_reader_that_has_seen_enough_is_no_error(console: Console) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    try:
        process = await trio.run_process(
            [sys.executable, "-m", "actors.operator.wcs.client", f"--state={console.state}", "show", "rest-methods"],
            stdout=writing, capture_stderr=True, check=False, cwd=ROOT,
        )  # fmt: skip
    finally:
        os.close(writing)
    assert (process.returncode, process.stderr) == (Exit.DONE, b"")


async def run_in_terminal(console: Console, columns: int, *words: str) -> tuple[int, list[str]]:
    """The exit code of `wcs` in a terminal so wide, and the lines that it shows there."""
    outer, inner = os.openpty()
    fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [sys.executable, "-m", "actors.operator.wcs.client", f"--state={console.state}", *words]
    environment = {name: value for name, value in os.environ.items() if name != "COLUMNS"}
    async with trio.lowlevel.FdStream(outer) as screen:
        process = await trio.run_process(
            command, stdin=inner, stdout=inner, stderr=inner, check=False, cwd=ROOT, env=environment
        )
        os.close(inner)
        return process.returncode, (await rest_of(screen)).splitlines()


async def test_a_narrow_terminal_gets_blocks_and_a_wide_one_a_table(console: Console) -> None:
    assert await run_in_terminal(console, 60, "show", "apps") == (
        Exit.DONE,
        [
            "NAME     defaultApp",
            "KEY      defaultApp",
            "URL      http://localhost:8081/apps/EchoApp",
            f"METHODS  {len(USUAL_METHODS) - 1}",
            "",
            "NAME     roomApp",
            "KEY      roomApp",
            "URL      http://localhost:8081/apps/RoomApp",
            f"METHODS  {len(USUAL_METHODS) - 1}",
        ],
    )
    code, lines = await run_in_terminal(console, 100, "show", "apps")
    assert (code, len(lines)) == (Exit.DONE, 3)


async def test_the_client_loads_no_part_of_the_server() -> None:
    script = "import sys, actors.operator.wcs.client; print(*{name.partition('.')[0] for name in sys.modules})"
    process = await trio.run_process([sys.executable, "-c", script], capture_stdout=True, cwd=ROOT)
    loaded = set(process.stdout.decode().split())
    assert "actors" in loaded
    assert not loaded & {"trio", "aiortc", "attr", "attrs", "httpx", "config", "protocol", "logging", "asyncio"}


async def test_no_server(tmp_path: Path) -> None:
    process = await run_wcs("--state", str(tmp_path), "show", "apps")
    assert process.returncode == Exit.UNREACHABLE
    assert process.stderr.decode() == (
        f"wcs: no server runs on the state folder {tmp_path} (nobody listens on {tmp_path}/wcs.sock); "
        "start wcsd, or name its folder with --state\n"
    )
    process = await run_wcs("--json", "--state", str(tmp_path), "show", "apps")
    assert process.returncode == Exit.UNREACHABLE
    assert json.loads(process.stdout)["error"] == "unreachable"


async def test_a_path_too_long_for_a_socket(tmp_path: Path) -> None:
    process = await run_wcs("--state", str(tmp_path / ("x" * 200)), "show", "apps")
    assert process.returncode == Exit.UNREACHABLE
    assert b"path too long" in process.stderr


async def test_the_socket_and_the_file_belong_to_their_owner_alone(console: Console) -> None:
    await console.done("remove", "app", "defaultApp")  # the file is a new one after each change
    for path in (console.socket, console.state / "apps.toml"):
        assert stat.S_IMODE(path.stat().st_mode) == 0o600


async def test_sources_have_names_in_place_of_their_uris(console: Console) -> None:
    uri = "rtsp://admin:s3cret@camera.example/live?key=s3cret"
    assert await console.done("show", "sources") == "there are no sources\n"
    assert await console.done("add", "source", "lobby", uri) == "source 'lobby' added\n"
    assert await console.done("add", "source", "lobby", uri) == "source 'lobby' is there already\n"
    shown = json.loads(await console.done("--json", "show", "sources"))["rows"]
    assert shown == [{"name": "lobby", "uri": "rtsp://***@camera.example/live?key=***"}]
    refused = await console.wcs("add", "source", "gate", "rtsp://u:s3cret@127.1/")
    assert (refused.returncode, b"uri: has a host that is no valid address" in refused.stderr) == (1, True)
    updated = await console.done("update", "source", "lobby", "vod-live://lobby.mp4")
    assert updated == "source 'lobby' updated; the next player gets it, and ends the capture so far\n"
    assert await console.done("remove", "source", "lobby") == "source 'lobby' removed\n"
    assert await console.done("remove", "source", "lobby") == "no source 'lobby'; nothing to remove\n"
    assert "s3cret" not in "".join(console.audit) + refused.stderr.decode()
    assert stat.S_IMODE((console.state / "sources.toml").stat().st_mode) == 0o600
