"""`wcs show streams` and the like, and `wcs terminate`: the program against a console, and against a whole server."""

import json
import os
import sys
from pathlib import Path

import pytest
import trio

from actors.node.bans import Bans
from actors.operator.commands.live import BY_OPERATOR
from actors.operator.wcs.conversation import Exit
from config.settings import Settings
from protocol.access.kicks import BanBy, BanOrder, Kick, Subject
from tests.support.operator.operator_console import ROOT, Console, live_commands_on, open_console, run_wcs
from tests.support.operator.pty_process import rest_of
from tests.support.servers.full_server import full_server
from tests.support.session.wcs_client import wcs_client
from tests.support.web.stream_world import StreamWorld, connection, stream
from tests.support.web.web_rig import settings_with

HOSTILE = "a\x1b]0;owned\x07\n\u202eb\x9b2J"
DANGEROUS = set(map(chr, [*range(10), *range(11, 32), *range(127, 160), 0x202E]))


@pytest.fixture
def world() -> StreamWorld:
    return StreamWorld(
        [
            stream("m1", "news", viewers=1),
            stream("m2", "news", published=False, status="PLAYING"),
            stream("m3", "sport", app_key="shop", viewers=7, video_codec="VP8"),
        ],
        [connection("/10.0.0.1:1-a", streams=2), connection("/10.0.0.2:1-b", app_key="shop", status="PENDING")],
    )


@pytest.fixture
def settings() -> Settings:
    return Settings()


@pytest.fixture
def bans() -> Bans:
    return Bans()


@pytest.fixture
async def console(nursery: trio.Nursery, tmp_path: Path, world: StreamWorld, settings: Settings, bans: Bans) -> Console:
    live = live_commands_on(world, settings=settings, bans=bans)
    return await open_console(nursery, tmp_path, live=live)


async def refused(console: Console, *words: str) -> str:
    """What `wcs` says to a command that is refused."""
    process = await console.wcs(*words)
    assert (process.returncode, process.stdout) == (Exit.REFUSED, b"")
    return process.stderr.decode()


def columns(table: str, *wanted: int) -> list[list[str]]:
    return [[line.split()[column] for column in wanted] for line in table.splitlines()]


# -- lists -------------------------------------------------------------------------------------------------------------


async def test_streams_are_listed_filtered_sorted_and_paged(console: Console) -> None:
    shown = await console.done("show", "streams")
    assert " ".join(shown.split()[:10]) == "NAME MEDIA TYPE STATUS VIEWERS KBPS AGE MEDIA SESSION ID"
    assert columns(shown, 0, -1)[1:] == [["news", "m1"], ["news", "m2"], ["sport", "m3"]]
    assert columns(await console.done("show", "streams", "name=news", "published=true"), -1)[1:] == [["m1"]]
    most = await console.done("show", "streams", "--sort", "-viewers", "--limit", "1")
    assert columns("\n".join(most.splitlines()[:2]), -1)[1:] == [["m3"]]
    assert most.splitlines()[-1] == "1 of 3 streams"
    assert await console.done("show", "streams", "name=none") == "no streams\n"
    assert console.audit == []  # nobody has done anything


async def test_as_json_they_are_the_objects_of_rest(console: Console) -> None:
    (row,) = json.loads(await console.done("show", "streams", "appKey=shop", "--json"))["rows"]
    assert row.items() >= {"mediaSessionId": "m3", "videoCodec": "VP8", "hasAudio": True, "roomName": None}.items()
    assert "sdp" not in row


async def test_sessions_rooms_and_bans(console: Console, bans: Bans) -> None:
    assert columns(await console.done("show", "sessions"), 0, -1)[1:] == [
        ["defaultApp", "/10.0.0.1:1-a"], ["shop", "/10.0.0.2:1-b"]
    ]  # fmt: skip
    assert await console.done("show", "rooms") == "no rooms\n"
    assert await console.done("show", "bans") == "no bans\n"
    order = BanOrder(seconds=3600, by=BanBy.USER, reason="spam")
    eve = Subject(app_key="shop", session_id="s", user=HOSTILE)
    bans.session_stopped(BY_OPERATOR.with_kick(Kick(ban=order)), eve)
    shown = await console.done("show", "bans", "appKey=shop")
    assert "connect  shop" in shown
    assert not DANGEROUS & set(shown)
    detailed = await console.done("show", "bans", "-d")
    assert "REASON" in detailed
    assert await refused(console, "remove", "bans", "appKey=none") == "wcs: no ban matches\n"
    assert await console.done("remove", "bans", "appKey=shop") == "1 ban lifted\n"
    assert bans.active() == ()
    entry = json.loads(console.audit[-1])
    assert (entry["filter"], entry["lifted"]) == ({"app_key": "shop"}, 1)


@pytest.mark.parametrize("world", [StreamWorld([stream(f"m{n}", HOSTILE if n == 7 else f"n{n}") for n in range(2000)])])
async def test_two_thousand_streams_with_a_hostile_name_are_two_thousand_lines(console: Console) -> None:
    shown = await console.done("show", "streams")
    assert len(shown.splitlines()) == 2001
    assert not DANGEROUS & set(shown)
    assert "a\\x1b]0;owned\\x07\\n\\u202eb\\x9b2J" in shown
    page = await console.done("show", "streams", "--sort=name", "--offset=1998", "--limit=10")
    assert [line.split()[-1] for line in page.splitlines()[1:3]] == ["m998", "m999"]


# -- terminate ---------------------------------------------------------------------------------------------------------


async def test_terminate_without_a_terminal_needs_yes(console: Console, world: StreamWorld) -> None:
    assert await refused(console, "terminate", "name=news") == "wcs: stop 2 streams? If so, say --yes\n"
    process = await console.wcs(stdin="terminate name=news\n")
    assert (process.returncode, world.ids) == (Exit.REFUSED, {"m1", "m2", "m3"})
    assert console.audit == []
    assert await console.done("terminate", "name=news", "--yes") == "2 streams stopped\n"
    assert world.ids == {"m3"}
    (entry,) = map(json.loads, console.audit)
    assert entry["what"] == "terminate"
    assert entry["who"] == f"uid {os.getuid()}"
    assert (entry["filter"], entry["matched"], entry["dry_run"]) == ({"name": "news"}, 2, False)
    assert entry["result"] == "2 streams stopped"


async def test_a_dry_run_shows_what_would_stop_and_is_audited(console: Console, world: StreamWorld) -> None:
    shown = await console.done("terminate", "--dry-run", "name=news", "published=true")
    assert columns("\n".join(shown.splitlines()[1:2]), 0, -2, -1) == [["news", "1", "m1"]]
    assert shown.splitlines()[-1] == "would stop 1 stream"
    assert len(world.ids) == 3
    assert json.loads(console.audit[0])["dry_run"] is True


async def test_nothing_that_matches_is_refused(console: Console) -> None:
    for more in ([], ["--yes"], ["--dry-run"]):
        assert await refused(console, "terminate", "name=none", *more) == "wcs: no stream matches\n"
    asked, done, tried = map(json.loads, console.audit)
    assert "filter" not in asked
    assert done["filter"] == tried["filter"] == {"name": "none"}


@pytest.mark.parametrize("settings", [settings_with(rest_terminate_all="deny")])
async def test_all_streams_may_be_forbidden_as_by_rest(console: Console, world: StreamWorld) -> None:
    assert "rest.terminate_all=deny" in await refused(console, "terminate", "--all", "--yes")
    assert len(world.ids) == 3


async def test_all_streams(console: Console, world: StreamWorld) -> None:
    assert await console.done("terminate", "--all", "--yes", "--reason", "maintenance") == "3 streams stopped\n"
    assert world.reasons[0].info == "maintenance"
    assert not world.ids


@pytest.mark.parametrize("settings", [settings_with(rest_terminate_timeout=0.01)])
async def test_those_that_do_not_end_in_time_are_told(console: Console, world: StreamWorld) -> None:
    world.stuck = True
    assert (await console.done("terminate", "name=sport", "-y")).startswith("1 stream stopped; not all have ended")


async def answer_at_terminal(console: Console, line: bytes, *words: str) -> tuple[int, str]:
    """The exit code of `wcs` at a terminal where somebody types this line, and everything that is to be read there."""
    outer, inner = os.openpty()
    command = [sys.executable, "-m", "actors.operator.wcs.client", f"--state={console.state}", *words]
    async with trio.lowlevel.FdStream(outer) as screen:
        await screen.send_all(line)
        process = await trio.run_process(command, stdin=inner, stdout=inner, stderr=inner, check=False, cwd=ROOT)
        os.close(inner)
        return process.returncode, await rest_of(screen)


async def test_at_a_terminal_it_asks_first(console: Console, world: StreamWorld) -> None:
    code, shown = await answer_at_terminal(console, b"\n", "terminate", "name=news")
    assert (code, len(world.ids)) == (Exit.REFUSED, 3)
    assert "stop 2 streams? [y/N]" in shown
    assert "nothing is done" in shown
    code, shown = await answer_at_terminal(console, b"y\n", "terminate", "name=news")
    assert (code, world.ids) == (Exit.DONE, {"m3"})
    assert "2 streams stopped" in shown


# -- a whole server ----------------------------------------------------------------------------------------------------


async def test_live_streams_are_shown_terminated_and_banned(tmp_path: Path) -> None:
    async with full_server(tmp_path) as server, wcs_client(server.ws_url()) as client:
        stream = await client.publish("news")

        async def wcs(*words: str) -> str:
            process = await run_wcs("--state", str(tmp_path / "state"), *words)
            assert (process.returncode, process.stderr) == (0, b"")
            return process.stdout.decode()

        assert columns(await wcs("show", "streams", "status=PUBLISHING"), 0, 1, -1)[1:] == [
            ["news", "publish", stream.id]
        ]
        (session,) = json.loads(await wcs("--json", "show", "sessions"))["rows"]
        assert session["streams"] == 1
        (told,) = json.loads(await wcs("--json", "show", "streams", f"sessionId={session['sessionId']}"))["rows"]
        assert told["kbps"] is not None
        stopped = await wcs("terminate", "name=news", "--reason", "closed for today", "--ban", "1h", "--yes")
        assert stopped == "1 stream stopped; 1 ban for 1h\n"
        assert (await stream.status("FAILED"))["info"] == "closed for today"
        (ban,) = json.loads(await wcs("--json", "show", "bans"))["rows"]
        assert (ban["action"], ban["name"], ban["reason"]) == ("publish", "news", "closed for today")
        assert await server.streams() == []
