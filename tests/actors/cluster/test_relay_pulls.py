"""The edge of a relay: whom it asks, how long it waits, what it does when a leg is lost."""

import pytest
import trio
from attrs import evolve
from trio.testing import MockClock, wait_all_tasks_blocked

from actors.media.events import Connected, Failed, PeerClosed
from actors.node.directory import NotPublished, NotReady, PublishedElsewhere
from actors.relay.news import MOST_WAITING, TRIES, NewsSender
from actors.relay.pull import LAST_WORD, LOST, MOST_TRIES, NO_PLAYERS, RESUME_PATIENCE
from actors.stream.end_reasons import PUBLISHER_STOP
from protocol.cluster.claims import Holder
from protocol.cluster.relay_messages import LegOffer, PullOutcome, RelayedEnd, RelayedEvent, RelayNews
from protocol.stream.info_texts import StreamInfo
from protocol.stream.statuses import StreamEventType
from tests.support.cluster.relay_rig import TAKEN, VIDEO, A, C, RelayRig, Viewer, relay_rig

NOT_HERE, NOT_READY, REFUSED = (
    LegOffer(outcome=outcome) for outcome in (PullOutcome.NOT_HERE, PullOutcome.NOT_READY, PullOutcome.REFUSED)
)
LOST_LEG = Failed(info=StreamInfo.FAILED_BY_KEEP_ALIVE)
MUTED = RelayedEvent(type=StreamEventType.AUDIO_MUTED)


async def watched(rig: RelayRig) -> Viewer:
    """A player of "news", which A has."""
    viewer = Viewer()
    (await rig.pulls.pull("news", A)).attach(viewer)
    rig.leg.post(Connected())
    return viewer


@pytest.mark.parametrize(
    ("answers", "holders", "error"),
    [
        ((NOT_HERE,), (A,), NotPublished),
        ((NOT_HERE,), (None,), NotPublished),
        ((NOT_HERE, NOT_HERE), (C,), NotPublished),
        ((NOT_HERE,), (), PublishedElsewhere),
        ((REFUSED,), (), PublishedElsewhere),
        ((None,), (), PublishedElsewhere),
        ((NOT_READY,), (), NotReady),
        ((evolve(TAKEN, origin=None),), (), PublishedElsewhere),
        ((evolve(TAKEN, candidates=()),), (), PublishedElsewhere),
    ],
)
async def test_what_cannot_be_had(
    answers: tuple[LegOffer | None, ...],
    holders: tuple[Holder | None, ...],
    error: type[Exception],
    autojump_clock: MockClock,
) -> None:
    async with relay_rig(*answers, holders=holders) as rig:
        began = trio.current_time()
        with pytest.raises(error) as raised:
            await rig.pulls.pull("news", A)
        assert type(raised.value) is error
        assert trio.current_time() - began < 10
        await wait_all_tasks_blocked()
        assert (len(rig.pulls), rig.services.counts.failed) == (0, 1)


async def test_an_index_that_is_out_of_date_is_asked_once_more(autojump_clock: MockClock) -> None:
    async with relay_rig(NOT_HERE, TAKEN, holders=(C,)) as rig:
        await rig.pulls.pull("news", A)
        assert [(member, ask.media_session_id) for member, ask in rig.origins.asked] == [
            ("a/1", "of a"),
            ("c/1", "of c"),
        ]


async def test_the_size_of_the_picture_is_known_before_it_comes(autojump_clock: MockClock) -> None:
    async with relay_rig(evolve(TAKEN, width=640, height=480)) as rig:
        publication = (await rig.pulls.pull("news", A)).publication
        assert (publication.width, publication.height) == (640, 480)


async def test_a_publisher_whose_media_comes_late_is_waited_for(autojump_clock: MockClock) -> None:
    async with relay_rig(NOT_READY, TAKEN) as rig:
        assert not (await rig.pulls.pull("news", A)).is_over


async def test_all_who_come_meanwhile_wait_for_one_pull_and_a_caller_that_leaves_ends_nothing(
    autojump_clock: MockClock,
) -> None:
    async with relay_rig() as rig:
        with trio.move_on_after(0):
            await rig.pulls.pull("news", A)
        broadcasts = []

        async def play() -> None:
            broadcasts.append(await rig.pulls.pull("news", A))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            nursery.start_soon(play)
        assert broadcasts[0] is broadcasts[1] is rig.pulls.find("news")
        assert len(rig.origins.asked) == 1


async def test_it_goes_on_for_a_while_without_players(autojump_clock: MockClock) -> None:
    async with relay_rig() as rig:
        viewer = await watched(rig)
        broadcast = rig.pulls.find("news")
        assert broadcast is not None
        await trio.sleep(100)
        broadcast.detach(viewer)
        await trio.sleep(29)
        assert rig.pulls.find("news") is broadcast
        await trio.sleep(2)
        assert (len(rig.pulls), rig.leg.is_over, broadcast.is_over) == (0, True, True)


async def test_players_go_on_when_another_node_has_the_stream_now(autojump_clock: MockClock) -> None:
    async with relay_rig(TAKEN, evolve(TAKEN, audio_muted=True), holders=(C,)) as rig:
        viewer = await watched(rig)
        first = rig.leg
        first.post(LOST_LEG)
        await trio.sleep(1)
        assert (rig.pull.holder, rig.leg.publication, first.is_over) == (C, first.publication, True)
        assert (viewer.reason, [event.type for event in viewer.events]) == (None, [StreamEventType.AUDIO_MUTED])
        assert rig.services.counts.resumed == 1
        assert not rig.pulls.hear("a/1", RelayNews(pull=first.pull, number=1, end=RelayedEnd(info="late")))
        assert rig.pulls.hear("c/1", RelayNews(pull=rig.leg.pull, number=1))


async def test_players_go_on_when_the_leg_and_redis_are_lost_at_once(autojump_clock: MockClock) -> None:
    async with relay_rig(holders=(A,)) as rig:
        viewer = await watched(rig)
        first, rig.index.answers_from = rig.leg, trio.current_time() + RESUME_PATIENCE - 1
        first.post(LOST_LEG)
        await trio.sleep(RESUME_PATIENCE + 1)
        assert (viewer.reason, first.is_over, rig.services.counts.resumed) == (None, True, 1)


async def test_players_go_on_when_the_origin_is_silent_for_a_moment(autojump_clock: MockClock) -> None:
    async with relay_rig(TAKEN, None, REFUSED, TAKEN, holders=(A,) * 3) as rig:
        viewer = await watched(rig)
        rig.leg.post(LOST_LEG)
        await trio.sleep(RESUME_PATIENCE)
        assert (viewer.reason, rig.services.counts.resumed) == (None, 1)


@pytest.mark.parametrize(
    ("answer", "holders"), [(evolve(TAKEN, tracks=(VIDEO, VIDEO)), (A,)), (None, (A,)), (TAKEN, (None,)), (TAKEN, ())]
)
async def test_players_fail_when_nobody_has_the_stream_or_it_is_another(
    answer: LegOffer | None, holders: tuple[Holder | None, ...], autojump_clock: MockClock
) -> None:
    async with relay_rig(TAKEN, answer, holders=holders) as rig:
        viewer = await watched(rig)
        rig.leg.post(LOST_LEG)
        await trio.sleep(RESUME_PATIENCE + 5)
        assert (viewer.reason, len(rig.pulls), rig.services.counts.failed) == (LOST, 0, 1)


async def test_a_way_that_never_opens_is_given_up(autojump_clock: MockClock) -> None:
    two = evolve(TAKEN, candidates=(("192.0.2.1", 1), ("192.0.2.2", 2)))
    async with relay_rig(two, holders=(A,) * 10) as rig:
        viewer = Viewer()
        (await rig.pulls.pull("news", A)).attach(viewer)
        while len(rig.pulls):
            rig.leg.post(LOST_LEG)
            await trio.sleep(1)
        assert viewer.reason == LOST
        assert [leg.address for leg in rig.legs.begun] == [two.candidates[n % 2] for n in range(MOST_TRIES)]


async def test_a_way_by_the_only_address_is_tried_once_more(autojump_clock: MockClock) -> None:
    async with relay_rig(TAKEN, holders=(A,) * 10) as rig:
        viewer = await watched(rig)
        for _ in range(2):
            rig.leg.post(LOST_LEG)
            await trio.sleep(1)
        assert (viewer.reason, len(rig.legs.begun)) == (LOST, 2)


async def test_the_origins_word_counts_and_its_goodbye_waits_for_it(autojump_clock: MockClock) -> None:
    async with relay_rig() as rig:
        viewer = await watched(rig)
        rig.leg.post(PeerClosed())
        await trio.sleep(LAST_WORD / 2)
        assert rig.pulls.hear("a/1", RelayNews(pull=rig.leg.pull, number=1, end=RelayedEnd(info=PUBLISHER_STOP.info)))
        await trio.sleep(1)
        assert (viewer.reason, len(rig.origins.asked)) == (PUBLISHER_STOP, 1)


async def test_a_goodbye_without_a_word_is_a_loss(autojump_clock: MockClock) -> None:
    async with relay_rig(TAKEN, holders=(C,)) as rig:
        viewer = await watched(rig)
        rig.leg.post(PeerClosed())
        await trio.sleep(LAST_WORD + 1)
        assert (viewer.reason, rig.pull.holder) == (None, C)


async def test_news_are_taken_once_and_from_the_origin_alone(autojump_clock: MockClock) -> None:
    async with relay_rig() as rig:
        viewer = await watched(rig)
        news = RelayNews(pull=rig.leg.pull, number=1, event=MUTED)
        assert not rig.pulls.hear("c/1", news)
        assert rig.pulls.hear("a/1", news)
        assert rig.pulls.hear("a/1", news)
        assert rig.pulls.hear("a/1", evolve(news, number=2, event=RelayedEvent(type="of another version")))
        assert [event.type for event in viewer.events] == [StreamEventType.AUDIO_MUTED]


async def test_as_many_as_are_allowed(autojump_clock: MockClock) -> None:
    async with relay_rig(most=1) as rig:
        await rig.pulls.pull("news", A)
        with pytest.raises(PublishedElsewhere):
            await rig.pulls.pull("other", A)
        assert rig.services.counts.refused == 1


async def test_a_player_that_comes_when_the_pull_ends_gets_another_one(autojump_clock: MockClock) -> None:
    async with relay_rig(TAKEN, None, TAKEN, holders=(A,)) as rig:
        viewer = await watched(rig)
        ending = rig.pull
        rig.leg.post(LOST_LEG)
        await wait_all_tasks_blocked()  # the origin is asked again, and silent
        assert ending.broadcast is not None
        ending.broadcast.detach(viewer)
        ending.end(NO_PLAYERS)
        assert rig.pulls.find("news") is None
        began = trio.current_time()

        broadcast = await rig.pulls.pull("news", A)

        assert trio.current_time() - began < 1
        again = Viewer()
        broadcast.attach(again)
        rig.leg.post(Connected())
        await trio.sleep(100)
        assert (again.reason, ending.broadcast.is_over, rig.pull.broadcast) == (None, True, broadcast)


async def test_a_player_that_comes_with_the_end_does_not_get_what_ends(autojump_clock: MockClock) -> None:
    async with relay_rig() as rig:
        await rig.pulls.pull("news", A)
        ending, broadcasts = rig.pull, []

        async def play() -> None:
            broadcasts.append(await rig.pulls.pull("news", A))

        async with trio.open_nursery() as nursery:
            nursery.start_soon(play)
            nursery.start_soon(play)
            ending.end(NO_PLAYERS)
        assert not any(broadcast.is_over for broadcast in broadcasts)
        assert broadcasts[0] is broadcasts[1] is not ending.broadcast


async def test_what_the_origin_tells_of_a_pull_that_ends_is_acknowledged_and_changes_nothing(
    autojump_clock: MockClock,
) -> None:
    async with relay_rig() as rig:
        viewer = await watched(rig)
        rig.pull.end(PUBLISHER_STOP)
        assert rig.pulls.hear("a/1", RelayNews(pull=rig.leg.pull, number=1, event=MUTED))
        await wait_all_tasks_blocked()
        assert (viewer.events, viewer.reason) == ([], PUBLISHER_STOP)


async def test_a_node_that_is_gone_is_not_told_what_waited_for_it(autojump_clock: MockClock) -> None:
    async with relay_rig(None) as rig:
        news = NewsSender("b/1", "relay-1", rig.services)
        for _ in range(MOST_WAITING + 1):
            news.event(MUTED)
        async with trio.open_nursery() as nursery:
            nursery.start_soon(news.run, lambda: None)
            await wait_all_tasks_blocked()
            news.end(None)
        assert len(rig.origins.asked) == TRIES  # of the piece that was under way
        assert rig.services.counts.news_lost == 2
