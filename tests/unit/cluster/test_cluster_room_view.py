"""What members of a room on another node are told: events as they come, and what was missed out of a fresh list."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from protocol.cluster.rooms.messages import EventNews, ListedMember, ListedStream, Listing, listing_of, state_of
from protocol.cluster.rooms.view import MissedEvent, RoomView
from protocol.rooms.descriptions import RoomDescription, RoomMemberDescription
from protocol.rooms.events import RoomEventName
from protocol.rooms.room_state import RoomStream

LOGINS = ("ann", "ben", "cem")

streams = st.lists(st.sampled_from(("s1", "s2", "s3")), unique=True).map(
    lambda ids: tuple(ListedStream(media_session_id=each, name=f"name of {each}") for each in ids)
)
members = st.builds(
    ListedMember, login=st.sampled_from(LOGINS), session_id=st.sampled_from(("first", "second")), streams=streams
)
listings = st.lists(members, unique_by=lambda member: member.login).map(tuple)


class Page:
    """A page that keeps what it is told, and notices what cannot be."""

    def __init__(self, listing: Listing) -> None:
        self.known = {member.login: {stream.name for stream in member.streams} for member in listing}

    def hear(self, name: str, info: Any) -> None:
        match name:
            case RoomEventName.JOINED:
                assert info not in self.known
                self.known[info] = set()
            case RoomEventName.LEFT:
                del self.known[info]
            case RoomEventName.PUBLISHED:
                assert info["name"] not in self.known[info["login"]]
                self.known[info["login"]].add(info["name"])
            case _:
                self.known[info["login"]].remove(info["name"])


@given(listings, listings)
def test_what_was_missed_leads_from_one_list_to_the_other(before: Listing, after: Listing) -> None:
    view, page = RoomView(before), Page(before)
    missed = view.replace(after)
    for event in missed:
        page.hear(event.name, event.info)
    assert page.known == Page(after).known
    assert view.replace(after) == [], "nothing is told twice"


@given(listings, listings)
def test_nothing_is_told_of_what_has_not_changed(before: Listing, after: Listing) -> None:
    changed = {member.login for member in set(before) ^ set(after)}
    assert {event.login for event in RoomView(before).replace(after)} <= changed


def history(before: Listing, after: Listing) -> list[EventNews]:
    """Events as a room tells them, which lead there."""
    news = [EventNews(to=("x",), name="LEFT", info=member.login) for member in before]
    for member in after:
        news.append(EventNews(to=("x",), name="JOINED", info=member.login, about=member.session_id))
        for stream in member.streams:
            info = {"login": member.login, "name": stream.name}
            news.append(EventNews(to=("x",), name="PUBLISHED", info=info, about=stream.media_session_id))
    return news


@given(listings, listings, st.data())
def test_a_gap_is_mended_by_exactly_what_was_in_it(before: Listing, after: Listing, data: st.DataObject) -> None:
    events = history(before, after)
    heard = data.draw(st.integers(0, len(events)))
    view, page = RoomView(before), Page(before)
    for event in events[:heard]:
        view.apply(event)
        page.hear(event.name, event.info)
    for missed in view.replace(after):
        page.hear(missed.name, missed.info)
    assert page.known == Page(after).known


def test_streams_that_end_are_known_by_their_session() -> None:
    stream = ListedStream(media_session_id="s1", name="cam")
    ann = ListedMember(login="ann", session_id="first", streams=(stream,))
    view = RoomView((ann,))
    view.apply(EventNews(to=(), name="FAILED", info={"login": "ann", "name": "cam"}, about="s1"))
    view.apply(EventNews(to=(), name="UNPUBLISHED", info={"login": "ben", "name": "cam"}, about="s1"))
    view.apply(EventNews(to=(), name="MESSAGE", info={"from": "ann", "text": "hello"}))
    assert view.replace((ann,)) == [MissedEvent("ann", RoomEventName.PUBLISHED, {"login": "ann", "name": "cam"})]
    again = ListedMember(login="ann", session_id="first", streams=(ListedStream(media_session_id="s2", name="cam"),))
    assert [event.name for event in view.replace((again,))] == ["UNPUBLISHED", "PUBLISHED"]
    assert view.knows(again)
    assert not view.knows(ListedMember(login="ann", session_id="second"))
    assert len(view) == 1


def test_the_state_is_that_of_one_node() -> None:
    room = RoomDescription(
        node_id="n",
        app_key="app",
        name="lobby",
        create_date=0,
        members=(
            RoomMemberDescription(login="ann", session_id="a", since=0, streams=()),
            RoomMemberDescription(
                login="ben", session_id="b", since=0, streams=(RoomStream(media_session_id="m", name="cam", since=0),)
            ),
            RoomMemberDescription(login="cem", session_id="c", since=0, streams=()),
        ),
    )
    assert state_of(listing_of(room), without="cem") == ["ann", {"login": "ben", "name": "cam"}]
