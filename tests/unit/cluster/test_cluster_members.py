"""Who is in the cluster, as beats tell it."""

from attrs import evolve
from hypothesis import given
from hypothesis import strategies as st

from protocol.cluster.members import LEASE, Beat, Member, MemberInfo, MemberView, epoch_of, node_of


def beat(*members: Member, kept: bool = True, boot: str = "one") -> Beat:
    return Beat(now_ms=1, kept=kept, boot=boot, names=0, last_log_id="0-0", swept=0, members=members)


def member(name: str, **info: object) -> Member:
    return Member(name=name, info=MemberInfo(node_id="x", **info))  # type: ignore[arg-type]


def test_the_others_are_all_but_this_node() -> None:
    view = MemberView(me="a/1").after(beat(member("a/1"), member("b/1")))
    assert [other.name for other in view.others] == ["b/1"]
    assert view.is_intact


def test_a_lease_that_was_over_and_lost_data_are_noticed() -> None:
    first = MemberView(me="a/1").after(beat())
    assert not first.after(beat(kept=False)).is_intact
    assert not first.after(beat(boot="two")).is_intact
    assert first.after(beat()).is_intact


def test_a_lease_that_an_unanswered_beat_may_have_renewed_is_doubted() -> None:
    first = MemberView(me="a/1").after(beat())
    assert first.after(evolve(beat(), now_ms=round(1 + LEASE * 1000))).is_intact
    assert not first.after(evolve(beat(), now_ms=round(2 + LEASE * 1000))).is_intact


def test_only_a_later_start_of_the_same_node_is_its_successor() -> None:
    view = MemberView(me="a/5")
    assert view.after(beat(member("a/4"), member("b/6"))).successor is None
    later = view.after(beat(member("a/6"))).successor
    assert later is not None
    assert later.name == "a/6"


def test_members_that_speak_another_version_are_strangers() -> None:
    view = MemberView(me="a/1").after(beat(member("a/1"), member("b/1"), member("c/1", protocol=99)))
    assert [stranger.name for stranger in view.strangers] == ["c/1"]


def test_what_a_member_says_of_itself_is_read_back() -> None:
    info = MemberInfo(node_id="a@1.2.3.4", version="1", host="1.2.3.4", ws=80, publications=3, load=0.25)
    assert MemberInfo.decode(info.encode()) == info


@given(st.text() | st.sampled_from(['{"load":NaN}', '{"load":true,"protocol":-1}', '{"nodeId":5}', "[]", "[" * 9999]))
def test_no_text_of_another_member_does_harm(text: str) -> None:
    info = MemberInfo.decode(text)
    assert info.publications >= 0
    assert info.load >= 0


@given(st.text())
def test_no_name_of_a_member_does_harm(name: str) -> None:
    assert epoch_of(name) >= 0
    assert node_of(name) in name


def test_an_epoch_with_too_many_digits_is_none() -> None:
    assert epoch_of("a/" + "9" * 5000) == 0
