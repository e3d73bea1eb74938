"""The commands about what is live: how they are written, and in which order they list."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.access.kicks import BanBy
from protocol.calls.filters import CallFilter
from protocol.node.filters import ConnectionFilter, RoomFilter, StreamFilter
from protocol.operator.commands import Command, parse
from protocol.operator.grammar import CommandError, split
from protocol.operator.live_commands import (
    Order,
    RemoveBans,
    ShowBans,
    ShowCalls,
    ShowRegistrations,
    ShowRooms,
    ShowSessions,
    ShowStreams,
    TerminateStreams,
)
from protocol.operator.syntax import VERBS
from protocol.rest.fields import FieldTable
from protocol.rest.paging import Page
from protocol.rest.resources import bans, calls, connections, rooms, streams
from protocol.rest.resources.bans import BanFilter


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("show streams", ShowStreams()),
        (
            "show streams name='a b=c' published=true mediaSessionIds=a,b hasVideo=false",
            ShowStreams(
                filter=StreamFilter(
                    name="a b=c", published=True, media_session_ids=frozenset({"a", "b"}), has_video=False
                )
            ),
        ),
        ("show streams mediaSessionIds=", ShowStreams(filter=StreamFilter(media_session_ids=frozenset()))),
        (
            "show streams --sort -viewers --limit 5 --offset=10 -d",
            ShowStreams(order=Order(key="viewers", is_descending=True), page=Page(offset=10, limit=5), detail=True),
        ),
        ("show sessions appKey=shop", ShowSessions(filter=ConnectionFilter(app_key="shop"))),
        ("show rooms --sort name name=red", ShowRooms(filter=RoomFilter(name="red"), order=Order(key="name"))),
        ("show calls --sort -createDate callee=1000 status=RING", ShowCalls(
            filter=CallFilter(callee="1000", status="RING"), order=Order(key="createDate", is_descending=True)
        )),
        ("show registrations state=failed", ShowRegistrations(state="failed")),
        ("show bans who=user:eve action=play", ShowBans(filter=BanFilter(who="user:eve", action="play"))),
        ("remove bans id=1", RemoveBans(filter=BanFilter(id="1"))),
        ("terminate name=news", TerminateStreams(filter=StreamFilter(name="news"))),
        ("terminate --yes --all", TerminateStreams(filter=StreamFilter(), is_confirmed=True)),
        ("terminate -y --dry-run published=false", TerminateStreams(
            filter=StreamFilter(published=False), dry_run=True, is_confirmed=True
        )),
    ],
)  # fmt: skip
def test_commands(line: str, command: Command) -> None:
    assert parse(split(line)) == command


def test_a_reason_and_a_ban() -> None:
    command = parse(split("terminate --reason 'no fun' --ban 30s --ban-by address name=news"))
    assert isinstance(command, TerminateStreams)
    assert command.kick is not None
    assert command.kick.ban is not None
    assert (command.kick.reason, command.kick.ban.seconds, command.kick.ban.by) == ("no fun", 30.0, BanBy.ADDRESS)


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("show streams news", "show streams: a condition must be FIELD=VALUE, not 'news'\nusage: show streams"),
        ("show streams nam=news", "show streams: unknown condition 'nam' (did you mean 'name'?); known here: appKey, "),
        ("show streams limit=5", "show streams: unknown condition 'limit'"),
        ("show streams name=a name=b", "show streams: 'name' is given twice"),
        ("show streams published=maybe", "show streams: published must be true or false"),
        ("show streams --limit x", "show streams: --limit must be a whole number, 0 or more"),
        ("show streams --sort nmae", "show streams: --sort must be one of name, "),
        ("show registrations state=lost", "show registrations: state must be registering or "),
        ("show sessions name=x", "show sessions: unknown condition 'name'"),
        ("show events nam=x", "show events: unknown condition 'nam' (did you mean 'name'?); known here: appKey, "),
        ("remove bans", "remove bans: say which bans to lift, as FIELD=VALUE"),
        ("terminate", "terminate: give either conditions or --all"),
        ("terminate --yes", "terminate: give either conditions or --all"),
        ("terminate --all name=news", "terminate: give either conditions or --all"),
        ("terminate name=x --ban 5", "terminate: --ban must be a time such as 30s"),
        ("terminate name=x --ban-by user", "terminate: --ban-by needs --ban, the time"),
        ("terminate name=x --reason ''", "terminate: --reason must be printable text of 1 to 256 characters"),
    ],
)
def test_mistakes(line: str, error: str) -> None:
    with pytest.raises(CommandError) as caught:
        parse(split(line))
    assert caught.value.message.startswith(error)


@pytest.mark.parametrize(
    ("verb", "table"),
    [
        ("show streams", streams.FIND),
        ("show sessions", connections.FIND),
        ("show rooms", rooms.FIND),
        ("show calls", calls.FIND),
        ("show bans", bans.FIND),
        ("terminate", streams.TERMINATE),
        ("remove bans", bans.REMOVE),
    ],
)
def test_the_conditions_are_those_of_rest(verb: str, table: FieldTable) -> None:
    assert VERBS[verb].conditions == tuple(name for name in table.fields if name not in ("offset", "limit", "display"))


@given(
    rows=st.lists(st.fixed_dictionaries({"n": st.none() | st.integers() | st.just(0)})),
    is_descending=st.booleans(),
)
def test_what_has_no_value_comes_last(rows: list[dict[str, int | None]], is_descending: bool) -> None:
    ordered = [row["n"] for row in Order(key="n", is_descending=is_descending).of(rows)]
    known = [value for value in ordered if value is not None]
    assert known == sorted(known, reverse=is_descending)
    assert ordered == known + [None] * (len(rows) - len(known))


def test_names_are_ordered_whatever_their_case() -> None:
    rows = [{"name": name} for name in ("b", "C", "a")]
    assert [row["name"] for row in Order(key="name").of(rows)] == ["a", "b", "C"]
