"""A room's limits, turns and bans; what is told in which order is proved by `test_room_machine`."""

from typing import Any

import pytest

from protocol.access.kicks import Kick
from protocol.rooms.bans import MAX_BANS, RoomBans
from protocol.rooms.info_texts import RoomInfo, RoomRefused
from protocol.rooms.requests import (
    Effect,
    HasLeft,
    JoinRequest,
    KickRequest,
    LeaveRequest,
    MessageRequest,
    PostRequest,
    RequestAnswered,
    SeatTaken,
    StreamOver,
    StreamStarted,
    StreamUnwelcome,
    Told,
)
from protocol.rooms.room_state import MAX_WAITING, SPARE_SEATS, RoomState

Room = RoomState[str]
KEY = ("roomApp", "lobby")


def room(max_members: int = 100, bans: RoomBans | None = None) -> Room:
    return RoomState("lobby", app_key="roomApp", max_members=max_members, bans=RoomBans() if bans is None else bans)


def run(room: Room, now: float = 0.0) -> list[Effect[str]]:
    effects: list[Effect[str]] = []
    while room.has_work:
        effects += room.step(now)
    return effects


def join(room: Room, member: str, login: str | None = None, now: float = 0.0) -> list[Effect[str]]:
    room.enter(member, login=login or member, session_id=f"/{member}")
    room.submit(member, JoinRequest(at=7, operation=f"join {member}"))
    return run(room, now)


def told(effects: list[Effect[str]]) -> list[tuple[tuple[str, ...], str, Any]]:
    return [(effect.to, effect.event.name, effect.event.info) for effect in effects if isinstance(effect, Told)]


def answers(effects: list[Effect[str]]) -> dict[Any, str | None]:
    return {effect.operation: effect.info for effect in effects if isinstance(effect, RequestAnswered)}


def test_a_join_is_answered_then_told() -> None:
    lobby = room()
    join(lobby, "ann")
    lobby.submit("ann", StreamStarted(media_session_id="m1", name="camera", at=1))
    lobby.submit("ann", StreamStarted(media_session_id="m2", name="screen", at=2))
    run(lobby)
    join(lobby, "ben")
    effects = join(lobby, "cem")
    assert effects[0] == RequestAnswered(operation="join cem")
    state = [{"login": "ann", "name": "camera"}, {"login": "ann", "name": "screen"}, "ben"]
    assert told(effects) == [(("cem",), "STATE", state), (("ann", "ben"), "JOINED", "cem")]


def test_joining_again_gives_the_state_again_and_concerns_nobody_else() -> None:
    lobby = room()
    join(lobby, "ann")
    join(lobby, "ben")
    lobby.submit("ben", JoinRequest(at=9, operation="again"))
    effects = run(lobby)
    assert answers(effects) == {"again": None}
    assert told(effects) == [(("ben",), "STATE", ["ann"])]
    assert [seat.since for seat in lobby.members()] == [7, 7]


def test_who_joins_with_a_login_that_is_taken_displaces_its_holder() -> None:
    lobby = room(max_members=2)  # and a full room is no obstacle
    join(lobby, "ann")
    join(lobby, "tab1", "ben")
    lobby.submit("tab1", StreamStarted(media_session_id="m1", name="camera", at=1))
    run(lobby)
    effects = join(lobby, "tab2", "ben")
    assert [type(effect) for effect in effects] == [RequestAnswered, Told, SeatTaken, Told, Told]
    assert effects[2] == SeatTaken(member="tab1", info=RoomInfo.DISPLACED)
    assert told(effects) == [(("ann",), "LEFT", "ben"), (("tab2",), "STATE", ["ann"]), (("ann",), "JOINED", "ben")]


def test_what_a_displaced_member_still_asks_for_is_refused() -> None:
    lobby = room()
    join(lobby, "tab1", "ben")
    lobby.enter("tab2", login="ben", session_id="/tab2")
    lobby.submit("tab2", JoinRequest(at=8, operation="join"))
    lobby.submit("tab1", LeaveRequest(operation="leave"))
    assert answers(run(lobby)) == {"join": None, "leave": RoomInfo.DISPLACED}


def test_a_leave_gives_the_seat_free_and_the_last_one_the_room() -> None:
    lobby = room()
    join(lobby, "ann")
    lobby.submit("ann", LeaveRequest(operation="leave"))
    effects = run(lobby)
    assert effects[0] == RequestAnswered(operation="leave")
    assert [effect for effect in effects if not isinstance(effect, RequestAnswered | Told)] == [
        HasLeft(member="ann"),
        SeatTaken(member="ann"),
    ]
    assert lobby.is_empty


def test_a_leave_and_a_join_sent_at_once_keep_the_seat() -> None:
    lobby = room()
    join(lobby, "ann")
    lobby.submit("ann", LeaveRequest(operation="leave"))
    lobby.submit("ann", JoinRequest(at=8, operation="join"))
    effects = run(lobby)
    assert answers(effects) == {"leave": None, "join": None}
    assert not any(isinstance(effect, SeatTaken) for effect in effects)
    assert len(lobby) == 1


def test_a_full_room_says_so_and_names_the_setting() -> None:
    lobby = room(max_members=1)
    join(lobby, "ann")
    effects = join(lobby, "ben")
    assert effects == [
        RequestAnswered(operation="join ben", info="Room is full", limit="rooms.max_members"),
        SeatTaken(member="ben"),
    ]


def test_those_who_wait_to_join_are_bounded() -> None:
    lobby = room(max_members=1)
    for number in range(2 + SPARE_SEATS):
        lobby.enter(f"m{number}", login="x", session_id="/s")
    with pytest.raises(RoomRefused, match="Room is full"):
        lobby.enter("one more", login="x", session_id="/s")


def test_commands_that_wait_are_bounded_and_ends_of_streams_are_taken_all_the_same() -> None:
    lobby = room()
    join(lobby, "ann")
    join(lobby, "ben")
    lobby.submit("ann", StreamStarted(media_session_id="m1", name="camera", at=1))
    for number in range(MAX_WAITING - 1):
        lobby.submit("ann", MessageRequest(to="ben", text=number, operation=number))
    with pytest.raises(RoomRefused, match="Too many commands"):
        lobby.submit("ann", LeaveRequest(operation="leave"))
    lobby.submit("ann", StreamOver(media_session_id="m1", failed=False))
    assert told(run(lobby))[-1] == (("ben",), "UNPUBLISHED", {"login": "ann", "name": "camera"})


def test_one_who_asks_a_lot_does_not_delay_the_others() -> None:
    lobby = room()
    for member in ("ann", "ben", "cem"):
        join(lobby, member)
    for number in range(10):
        lobby.submit("ann", MessageRequest(to="cem", text=number, operation=("ann", number)))
    lobby.submit("ben", MessageRequest(to="cem", text="me", operation="ben"))
    effects = run(lobby)
    order = [effect.operation for effect in effects if isinstance(effect, RequestAnswered)]
    assert order.index("ben") == 1


def test_a_message_goes_to_its_addressee_alone() -> None:
    lobby = room()
    for member in ("ann", "ben", "cem"):
        join(lobby, member)
    for to in ("ben", "ann", "dan"):
        lobby.submit("ann", MessageRequest(to=to, text="hi", operation=to))
    effects = run(lobby)
    assert told(effects) == [(("ben",), "MESSAGE", {"from": "ann", "text": "hi"})]
    assert answers(effects) == {"ben": None, "ann": RoomInfo.NO_SUCH_PARTICIPANT, "dan": RoomInfo.NO_SUCH_PARTICIPANT}


def test_nothing_is_asked_without_a_join() -> None:
    lobby = room()
    lobby.enter("ann", login="ann", session_id="/a")
    lobby.submit("ann", MessageRequest(to="ben", text="hi", operation=1))
    assert run(lobby) == [RequestAnswered(operation=1, info=RoomInfo.NOT_JOINED), SeatTaken(member="ann")]
    with pytest.raises(RoomRefused, match="Room is not joined"):
        lobby.submit("ann", LeaveRequest(operation=2))


def test_what_a_lost_session_asked_for_is_not_done() -> None:
    lobby = room()
    join(lobby, "ann")
    join(lobby, "ben")
    lobby.submit("ann", MessageRequest(to="ben", text="hi", operation=1))
    lobby.lost("ann")
    lobby.lost("ann")
    effects = run(lobby)
    assert answers(effects) == {1: RoomInfo.NOT_JOINED}
    assert told(effects) == [(("ben",), "LEFT", "ann")]
    assert effects[-1] == SeatTaken(member="ann")


def test_a_kick_bans_the_login_and_the_session_for_a_while() -> None:
    bans = RoomBans()
    lobby = room(bans=bans)
    join(lobby, "ann")
    join(lobby, "ben")
    lobby.submit("ben", MessageRequest(to="ann", text="hi", operation="waits"))
    lobby.operate(KickRequest(login="ben", seconds=60, operation="kick"))
    lobby._ready.reverse()  # the operator's turn comes first
    effects = run(lobby, now=100.0)
    assert answers(effects) == {"waits": RoomInfo.KICKED, "kick": None}
    assert SeatTaken(member="ben", info=RoomInfo.KICKED, kick=Kick()) in effects
    assert told(effects) == [(("ann",), "LEFT", "ben")]
    assert answers(join(lobby, "again", "ben", now=159.9)) == {"join again": RoomInfo.KICKED}
    lobby.enter("other", login="bob", session_id="/ben")
    lobby.submit("other", JoinRequest(at=0, operation="other login"))
    assert answers(run(lobby, now=159.9)) == {"other login": RoomInfo.KICKED}
    assert answers(join(lobby, "later", "ben", now=160.0)) == {"join later": None}


def test_the_reason_of_a_kick_is_told_in_place_of_the_usual_one() -> None:
    lobby = room()
    join(lobby, "ben")
    lobby.submit("ben", MessageRequest(to="ann", text="hi", operation="waits"))
    kick = Kick(reason="House rules")
    lobby.operate(KickRequest(login="ben", seconds=60, kick=kick, operation="kick"))
    lobby._ready.reverse()  # the operator's turn comes first
    effects = run(lobby, now=100.0)
    assert answers(effects) == {"waits": "House rules", "kick": None}
    assert SeatTaken(member="ben", info="House rules", kick=kick) in effects
    assert answers(join(lobby, "again", "ben", now=159.9)) == {"join again": "House rules"}


def test_a_kick_of_nobody_and_one_of_no_seconds() -> None:
    lobby = room()
    lobby.operate(KickRequest(login="ben", seconds=60, operation="nobody"))
    assert answers(run(lobby)) == {"nobody": RoomInfo.NO_SUCH_PARTICIPANT}
    join(lobby, "ben")
    lobby.operate(KickRequest(login="ben", seconds=0, operation="kick"))
    run(lobby)
    assert answers(join(lobby, "ben")) == {"join ben": None}


def test_bans_are_bounded() -> None:
    bans = RoomBans()
    for number in range(MAX_BANS):
        bans.add(KEY, login=f"l{number}", session_id=f"/s{number}", until=9.0, info="why")
    assert len(bans) == MAX_BANS
    assert bans.refusal(KEY, login="l0", session_id="/s0", now=0.0) is None
    assert bans.refusal(KEY, login=f"l{MAX_BANS - 1}", session_id="", now=0.0) == "why"


def test_an_operator_speaks_as_a_member_or_to_the_pages_themselves() -> None:
    lobby = room()
    join(lobby, "ann")
    join(lobby, "ben")
    lobby.operate(PostRequest(sender="ann", content="hello", operation=1))
    lobby.operate(PostRequest(sender=None, content={"slide": 3}, operation=2))
    lobby.operate(PostRequest(sender="cem", content="hello", operation=3))
    effects = run(lobby)
    assert told(effects) == [
        (("ben",), "MESSAGE", {"from": "ann", "text": "hello"}),
        (("ann", "ben"), "DATA", {"slide": 3}),
    ]
    assert answers(effects) == {1: None, 2: None, 3: RoomInfo.NO_SUCH_PARTICIPANT}


def test_operators_requests_are_bounded() -> None:
    lobby = room()
    for number in range(MAX_WAITING):
        lobby.operate(PostRequest(sender=None, content=number, operation=number))
    with pytest.raises(RoomRefused, match="Too many commands"):
        lobby.operate(PostRequest(sender=None, content=0, operation="one more"))


def test_the_state_stays_readable() -> None:
    lobby = room()
    join(lobby, "ann")
    join(lobby, "ben")
    for number in range(30):
        lobby.submit("ann", StreamStarted(media_session_id=f"m{number}", name="🚪" * 4000, at=1))
    effects = run(lobby)
    refused = [effect for effect in effects if isinstance(effect, StreamUnwelcome)]
    assert len(told(effects)) + len(refused) == 30
    assert refused[-1].info == RoomInfo.ROOM_IS_FULL
    lobby.submit("ann", LeaveRequest(operation="leave"))
    run(lobby)
    lobby.submit("ben", StreamStarted(media_session_id="m", name="🚪" * 4000, at=1))
    assert not any(isinstance(effect, StreamUnwelcome) for effect in run(lobby)), "there is room again"


def test_a_room_that_is_closed_answers_all_and_removes_all() -> None:
    lobby = room()
    for member in ("ann", "ben", "cem"):
        join(lobby, member)
    lobby.submit("cem", LeaveRequest(operation="leave"))
    lobby.operate(PostRequest(sender=None, content=0, operation="post"))
    effects = lobby.close("Room is terminated")
    assert answers(effects) == {"leave": "Room is terminated", "post": "Room is terminated"}
    assert told(effects) == [], "as one who is kicked, nobody hears LEFT of others"
    assert [effect.member for effect in effects if isinstance(effect, SeatTaken)] == ["ann", "ben", "cem"]
    assert lobby.is_empty
    assert len(lobby) == 0
    assert not lobby.has_work


def test_a_room_that_is_closed_removes_those_who_have_not_joined_or_are_lost_too() -> None:
    lobby = room()
    for member in ("ann", "ben", "cem"):
        join(lobby, member)
    lobby.enter("dan", login="dan", session_id="/dan")
    lobby.submit("dan", JoinRequest(at=1, operation="join"))
    lobby.lost("ben")
    effects = lobby.close("Room is terminated")
    assert answers(effects) == {"join": "Room is terminated"}
    assert told(effects) == []
    assert {effect.member for effect in effects if isinstance(effect, SeatTaken)} == {"ann", "ben", "cem", "dan"}
