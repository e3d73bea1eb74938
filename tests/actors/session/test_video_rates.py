"""Video rates: once a second, bounded, and only where a page can use them."""

from collections.abc import Callable

import pytest
import trio
from attrs import define, evolve, field
from trio.testing import MockClock

from actors.session.video_rates import MOST, RateRound, VideoRates
from config.live import Live
from config.settings import Settings
from protocol.node.descriptions import StreamMeasures, StreamTraffic
from protocol.signaling.frames import InboundVideoRate, OutboundVideoRate, VideoRate

ON = Settings(inbound_video_rate_stat_send_interval=1, outbound_video_rate_stat_send_interval=1)


@define(eq=False)
class Stream:
    """A stream of 1,000 bytes of video a second, and as much sound."""

    media_session_id: str
    published: bool = True
    is_live: bool = True
    video_codec: str | None = "VP8"

    def measure(self) -> StreamMeasures:
        count = round(trio.current_time() * 1000)
        traffic = StreamTraffic(bytes=2 * count, video_bytes=count)
        return StreamMeasures(traffic=traffic, audio_codec="OPUS", video_codec=self.video_codec)


@define(eq=False)
class Page:
    """Notes what it is told, and when."""

    streams: list[Stream]
    told: list[tuple[float, VideoRate]] = field(factory=list)

    def tell_video_rates(self, rates: RateRound) -> None:
        self.told += ((trio.current_time(), frame) for frame in rates.frames(self.streams))

    def times(self, kind: type[VideoRate], since: float) -> list[float]:
        return [round(at - since, 3) for at, frame in self.told if isinstance(frame, kind)]


@pytest.fixture
def watch(nursery: trio.Nursery) -> Callable[[Settings, Page], None]:
    """Start to tell a page."""

    def begin(settings: Settings, page: Page) -> None:
        nursery.start_soon(VideoRates(settings, lambda: [page.tell_video_rates]).run)

    return begin


async def test_each_stream_with_video_is_told_once_a_second(
    autojump_clock: MockClock, watch: Callable[[Settings, Page], None]
) -> None:
    silent, not_yet = Stream("s", video_codec=None), Stream("n", is_live=False)
    page = Page([Stream("p"), Stream("v", published=False), silent, not_yet])
    began = trio.current_time()
    watch(ON, page)
    await trio.sleep(4.5)
    assert page.times(InboundVideoRate, began) == page.times(OutboundVideoRate, began) == [2.0, 3.0, 4.0]
    assert {(frame.media_session_id, frame.video_rate) for _, frame in page.told} == {("p", 8000), ("v", 8000)}


async def test_each_way_has_its_own_interval_and_both_are_live(
    autojump_clock: MockClock, watch: Callable[[Settings, Page], None]
) -> None:
    live = Live(Settings())
    page = Page([Stream("p"), Stream("v", published=False)])
    began = trio.current_time()
    watch(live.settings, page)
    await trio.sleep(10.5)
    assert page.told == []
    live.replace(evolve(ON, outbound_video_rate_stat_send_interval=3))
    await trio.sleep(8)
    assert page.times(InboundVideoRate, began) == [12.0, 13.0, 14.0, 15.0, 16.0, 17.0, 18.0]
    assert page.times(OutboundVideoRate, began) == [15.0, 18.0]
    assert {frame.video_rate for _, frame in page.told} == {8000}


async def test_streams_beyond_the_limit_are_not_told_at_all(
    autojump_clock: MockClock, watch: Callable[[Settings, Page], None], caplog: pytest.LogCaptureFixture
) -> None:
    page = Page([Stream(f"p{number}") for number in range(MOST + 7)])
    watch(ON, page)
    await trio.sleep(3.5)
    told = [frame.media_session_id for _, frame in page.told]
    assert len(told) == 2 * MOST
    assert set(told) == {f"p{number}" for number in range(MOST)}
    assert [record.getMessage() for record in caplog.records] == ["too many streams for video rates"]
