"""Which members are gone, and which requests were done before."""

from protocol.cluster.once import ARRIVES_WITHIN, MOST_CHARACTERS, MOST_KEPT, DoneOnce, Repeat
from protocol.cluster.rooms.presence import PATIENCE, Presence


def test_a_member_is_gone_when_it_is_missing_for_longer_than_beats_are_apart() -> None:
    presence = Presence()
    presence.beaten(["a", "b"], 10, is_intact=True)
    presence.beaten(["a"], 12, is_intact=True)
    assert not presence.is_gone("b")
    presence.beaten(["a"], 10 + PATIENCE + 1, is_intact=True)
    assert presence.is_gone("b")
    assert not presence.is_gone("a")


def test_a_member_that_is_heard_before_it_is_listed_is_there() -> None:
    presence = Presence()
    presence.beaten([], 10, is_intact=True)
    assert presence.is_gone("new")
    presence.heard("new", 11)
    presence.beaten([], 12, is_intact=True)
    assert not presence.is_gone("new")


def test_nobody_is_gone_only_because_the_registry_has_forgotten_all() -> None:
    presence = Presence()
    presence.beaten(["a", "b"], 10, is_intact=True)
    presence.beaten(["a"], 20, is_intact=False)
    assert not presence.is_gone("b")
    presence.beaten(["a"], 21 + PATIENCE, is_intact=True)
    assert presence.is_gone("b")


def test_nobody_goes_while_no_list_comes() -> None:
    presence = Presence()
    presence.beaten(["a"], 10, is_intact=True)
    presence.heard("b", 10)
    presence.heard("c", 1000)
    assert not presence.is_gone("b")


def test_a_request_is_done_once_and_answered_as_often_as_it_comes() -> None:
    once = DoneOnce()
    assert once.begin("x", 0.0) is None
    assert once.begin("x", 0.0) is Repeat.UNDER_WAY
    once.done("x", ("reply",))
    assert once.begin("x", 0.0) == ("reply",)
    once.not_done("x")
    assert once.begin("x", 0.0) is None


def test_a_reply_that_is_not_kept_is_not_made_again_while_it_may_arrive() -> None:
    once = DoneOnce()
    assert once.begin("x", 0.0) is None
    once.sent("x", 1.0)
    assert once.begin("x", 0.9 + ARRIVES_WITHIN) is Repeat.UNDER_WAY
    assert once.begin("x", 1.0 + ARRIVES_WITHIN) is None
    assert once.begin("x", 1.0 + ARRIVES_WITHIN) is Repeat.UNDER_WAY


def test_what_is_remembered_of_requests_is_bounded() -> None:
    once = DoneOnce()
    for number in range(MOST_KEPT + 10):
        once.begin(str(number), 0.0)
    assert len(once) == MOST_KEPT
    once.done("0", ("late",))
    assert once.begin("0", 0.0) is None


def test_long_replies_are_remembered_for_fewer_requests() -> None:
    once = DoneOnce()
    long = "x" * (MOST_CHARACTERS // 4)
    for number in range(10):
        once.begin(str(number), 0.0)
        once.done(str(number), (long,))
    assert len(once) == 4
    assert once.begin("9", 0.0) == (long,)
    once.begin("longest", 0.0)
    once.done("longest", (long * 5,))
    assert len(once) == 1
    assert once.begin("longest", 0.0) == (long * 5,)
