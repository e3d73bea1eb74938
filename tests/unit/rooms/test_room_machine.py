"""Every interleaving of what members, their sessions and operators do in a room, as its pages see it."""

from collections import Counter
from typing import Any

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from protocol.rooms.bans import RoomBans
from protocol.rooms.events import RoomEvent, RoomEventName
from protocol.rooms.info_texts import RoomRefused
from protocol.rooms.requests import (
    HasLeft,
    JoinRequest,
    KickRequest,
    LeaveRequest,
    MemberRequest,
    MessageRequest,
    OperatorRequest,
    PostRequest,
    RequestAnswered,
    SeatTaken,
    StreamOver,
    StreamStarted,
    Told,
)
from protocol.rooms.room_state import RoomState

LOGINS = st.sampled_from(["ann", "ben", "cem"])

View = dict[str, Counter[str]]
"""What a page of the SDK knows of a room: the streams of each participant."""


def see(view: View | None, event: RoomEvent, own: str) -> View:
    """The page's view after an event, under the rules that its code relies on."""
    info = event.info
    if event.name is RoomEventName.STATE:
        state: View = {}
        for entry in info:
            login = entry if isinstance(entry, str) else entry["login"]
            state.setdefault(login, Counter()).update([] if isinstance(entry, str) else [entry["name"]])
        assert own not in state
        return state
    assert view is not None, "no event comes before STATE"
    match event.name:
        case RoomEventName.JOINED:
            assert info not in view
            return view | {info: Counter()}
        case RoomEventName.LEFT:
            return {login: streams for login, streams in view.items() if view[info] is not streams}
        case RoomEventName.PUBLISHED:
            view[info["login"]][info["name"]] += 1
        case RoomEventName.UNPUBLISHED | RoomEventName.FAILED:
            assert view[info["login"]][info["name"]] > 0
            view[info["login"]] -= Counter([info["name"]])
        case RoomEventName.MESSAGE:
            assert info["from"] in view
    return view


class Pages(RuleBasedStateMachine):
    """A room and the pages in it. A member is a number; so is an operation."""

    seats = Bundle("seats")
    streams = Bundle("streams")

    def __init__(self) -> None:
        super().__init__()
        self.room: RoomState[int] = RoomState("room", app_key="roomApp", max_members=2, bans=RoomBans())
        self.logins: dict[int, str] = {}
        self.views: dict[int, View | None] = {}
        self.gone: set[int] = set()
        self.asked = 0
        self.answers: Counter[int] = Counter()
        self.refused = 0
        self.now = 0.0

    @initialize()
    def start(self) -> None:
        self.step_all()

    # -- what may happen, in any order -------------------------------------------------------------

    @rule(target=seats, login=LOGINS)
    def enter(self, login: str) -> Any:
        member = len(self.logins)
        try:
            self.room.enter(member, login=login, session_id=f"/s{member}")
        except RoomRefused:
            return multiple()
        self.logins[member], self.views[member] = login, None
        self.ask(member, JoinRequest(at=0, operation=self.next()))
        return member

    @rule(member=seats, asked=st.sampled_from([(JoinRequest,), (LeaveRequest,), (LeaveRequest, JoinRequest)]))
    def come_and_go(self, member: int, asked: tuple[type[JoinRequest | LeaveRequest], ...]) -> None:
        for kind in asked:
            operation = self.next()
            leaves = kind is LeaveRequest
            self.ask(member, LeaveRequest(operation=operation) if leaves else JoinRequest(at=0, operation=operation))

    @rule(member=seats, to=LOGINS)
    def send(self, member: int, to: str) -> None:
        self.ask(member, MessageRequest(to=to, text="hello", operation=self.next()))

    @rule(target=streams, member=seats, name=st.sampled_from(["camera", "screen"]))
    def publish(self, member: int, name: str) -> tuple[int, str]:
        stream = f"m{self.next()}"
        self.answers[self.asked] += 1  # nobody answers this
        self.ask(member, StreamStarted(media_session_id=stream, name=name, at=0))
        return member, stream

    @rule(member=seats, name=st.sampled_from(["camera", "screen"]))
    def publish_for_a_moment(self, member: int, name: str) -> None:
        stream = self.publish(member, name)
        self.step_all()
        self.come_and_go(member, (LeaveRequest, JoinRequest))
        self.end(stream, failed=False)

    @rule(stream=consumes(streams), failed=st.booleans())
    def end(self, stream: tuple[int, str], failed: bool) -> None:
        self.ask(stream[0], StreamOver(media_session_id=stream[1], failed=failed))

    @rule(member=consumes(seats))
    def lose(self, member: int) -> None:
        self.gone.add(member)
        self.room.lost(member)

    @rule(login=LOGINS, seconds=st.sampled_from([0, 0, 10]), kicks=st.booleans())
    def operate(self, login: str, seconds: float, kicks: bool) -> None:
        operation = self.next()
        request: OperatorRequest = KickRequest(login=login, seconds=seconds, operation=operation)
        if not kicks:
            request = PostRequest(sender=login if seconds else None, content="all", operation=operation)
        try:
            self.room.operate(request)
        except RoomRefused:
            self.answers[operation] += 1

    @rule(seconds=st.sampled_from([1, 20]))
    def wait(self, seconds: float) -> None:
        self.now += seconds

    @rule()
    def step(self) -> None:
        if self.room.has_work:
            self.apply(self.room.step(self.now))

    @rule()
    def step_all(self) -> None:
        while self.room.has_work:
            self.step()

    # -- what must hold ----------------------------------------------------------------------------

    @invariant()
    def everybody_sees_what_there_is(self) -> None:
        there = {
            seat.member: (seat.login, Counter(stream.name for stream in seat.streams.values()))
            for seat in self.room.members()
        }
        assert len({login for login, _ in there.values()}) == len(there) <= 2
        for member in there.keys() - self.gone:
            assert self.views[member] == {login: own for other, (login, own) in there.items() if other != member}
        assert {
            member for member, view in self.views.items() if view is not None
        } - self.gone == there.keys() - self.gone

    @invariant()
    def nothing_is_answered_twice(self) -> None:
        assert max(self.answers.values(), default=1) == 1

    def teardown(self) -> None:
        self.apply(self.room.close("over"))
        assert self.room.is_empty
        assert not self.room.has_work
        assert set(self.answers) == set(range(1, self.asked + 1)), "each command is answered"
        assert all(view is None for member, view in self.views.items() if member not in self.gone)

    # -- inside ------------------------------------------------------------------------------------

    def next(self) -> int:
        self.asked += 1
        return self.asked

    def ask(self, member: int, request: MemberRequest) -> None:
        try:
            self.room.submit(member, request)
        except RoomRefused:
            assert not isinstance(request, StreamStarted | StreamOver)
            self.answers[request.operation] += 1

    def apply(self, effects: list[Any]) -> None:
        for effect in effects:
            match effect:
                case RequestAnswered(operation=operation):
                    self.answers[operation] += 1
                case Told(to=receivers, event=event):
                    for member in receivers:
                        self.views[member] = see(self.views[member], event, self.logins[member])
                case HasLeft(member=member) | SeatTaken(member=member):
                    self.views[member] = None


TestPages = Pages.TestCase
TestPages.settings = settings(max_examples=200, stateful_step_count=60, deadline=None)
