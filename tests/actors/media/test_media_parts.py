"""The small parts of the media plane that need neither a socket nor a task."""

import gc
import math
import weakref

import pytest
from hypothesis import given
from hypothesis import strategies as st

from actors.media.context import MediaContext
from actors.media.drops import Drop, Drops, LossWatch
from actors.media.ingest.publisher_feedback import FEEDBACK_DELAY, FEEDBACK_INTERVAL, PublisherFeedback
from actors.media.ingest.ssrc_table import SsrcTable
from actors.media.peer.deadline_heap import Deadlines
from actors.media.peer.handshake_limits import Handshakes
from actors.media.sending.sender import PortableSender
from actors.media.statistics import Counters
from actors.media.tracks.rates import RateMeter
from actors.runtime.logs import RateLimitedLog, get_logger
from config.settings import Settings
from protocol.sfu.rtt import RttEstimator
from protocol.webrtc.rtcp import TransportFeedback, parse_compound
from protocol.webrtc.sdp import Codec, MediaKind, TrackPlan


class Owner:
    pass


def test_the_earliest_deadline_is_at_hand() -> None:
    deadlines: Deadlines[str] = Deadlines()
    assert deadlines.earliest == math.inf
    deadlines.set("late", 5.0)
    deadlines.set("early", 3.0)
    deadlines.set("never", math.inf)
    assert deadlines.earliest == 3.0
    assert deadlines.due(2.9) == []
    assert deadlines.due(9.0) == ["early", "late"]
    assert deadlines.earliest == math.inf


def test_a_deadline_may_be_moved_both_ways() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 5.0)
    deadlines.set("a", 8.0)
    assert deadlines.due(6.0) == []
    deadlines.set("a", 7.0)
    assert deadlines.earliest == 7.0
    assert deadlines.due(7.0) == ["a"]
    assert deadlines.due(99.0) == []


def test_one_that_was_called_off_never_comes() -> None:
    deadlines: Deadlines[str] = Deadlines()
    deadlines.set("a", 5.0)
    deadlines.set("b", 5.0)
    deadlines.set("b", math.inf)
    deadlines.remove("a")
    deadlines.remove("a")
    assert deadlines.due(9.0) == []


def test_a_removed_owner_is_not_kept_alive() -> None:
    deadlines: Deadlines[Owner] = Deadlines()
    owner = Owner()
    gone = weakref.ref(owner)
    deadlines.set(owner, 1e9)
    deadlines.remove(owner)
    del owner
    gc.collect()
    assert gone() is None


@given(st.lists(st.tuples(st.sampled_from("abc"), st.one_of(st.integers(0, 50), st.none())), max_size=40))
def test_everybody_comes_at_the_time_set_last(moves: list[tuple[str, int | None]]) -> None:
    deadlines: Deadlines[str] = Deadlines()
    expected: dict[str, float] = {}
    for owner, when in moves:
        expected[owner] = math.inf if when is None else float(when)
        deadlines.set(owner, expected[owner])
    came = {owner: now for now in range(60) for owner in deadlines.due(now)}
    assert came == {owner: when for owner, when in expected.items() if when < math.inf}


def test_a_rate_is_measured_over_an_interval() -> None:
    meter = RateMeter(10.0)
    meter.sample(500, 10.5)
    assert meter.bytes_per_second == 0
    meter.sample(4000, 12.0)
    assert (meter.bytes_per_second, meter.kbps) == (2000.0, 16)
    meter.sample(4000, 13.0)
    assert meter.bytes_per_second == 0


def told(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    """The facts of all log lines."""
    return [vars(record)["wcsd_fields"] for record in caplog.records]


def test_losses_at_the_sockets_are_told_with_what_came_to_them_since(caplog: pytest.LogCaptureFixture) -> None:
    counts = {"forward_dropped": 3, "kernel_drops": 0}
    watch = LossWatch(lambda: counts, get_logger("media"))
    watch.look(0.0)
    assert told(caplog) == [], "what was before is none of its business"
    counts["kernel_drops"] = 5
    watch.look(0.5)
    assert told(caplog) == [], "it has just looked"
    watch.look(1.0)
    assert told(caplog) == [{"kernel_drops": 5}]
    counts.update(forward_dropped=4, kernel_drops=7)
    watch.look(1.0 + LossWatch.INTERVAL / 2)
    watch.look(1.0 + LossWatch.INTERVAL)
    assert told(caplog)[1:] == [{"forward_dropped": 1, "kernel_drops": 2}]


def test_each_reason_is_told_once_for_a_peer_and_always_counted(caplog: pytest.LogCaptureFixture) -> None:
    counters = Counters()
    log = RateLimitedLog(get_logger("media"), burst=20, clock=lambda: 0.0)
    drops = [Drops(counters, log, session) for session in ("a", "b")]
    for each in drops:
        for drop in Drop:
            for _ in range(3):
                each.count(drop)
    lines = [(facts["session"], facts["why"]) for facts in told(caplog)]
    assert lines == [(session, drop.reason) for session in ("a", "b") for drop in Drop]
    assert (counters.too_large, counters.stale, counters.unexpected) == (6, 6, 12)
    assert drops[0].total == 3 * len(Drop)


class Told:
    """What a publisher is told, when its packets come at times of our choice."""

    def __init__(self) -> None:
        codec = Codec(payload_type=111, name="OPUS", clock_rate=48000)
        plan = TrackPlan(kind=MediaKind.AUDIO, mid="0", codec=codec, ssrc=7, twcc_extension_id=3)
        context = MediaContext(settings=Settings(), sender=PortableSender(), clock=lambda: 0.0, entropy=bytes)
        self.sent: list[bytes] = []
        self.feedback = PublisherFeedback(
            context, [plan], SsrcTable([], {}), RttEstimator(), cname="test", send=self.sent.append
        )
        self.feedback.start(0.0)

    def come(self, number: int, now: float) -> None:
        """A packet comes; whatever is due then is sent."""
        self.feedback.record_arrivals([(number, now)])
        if self.feedback.deadline <= now:
            self.feedback.on_time(now)

    @property
    def counts(self) -> list[int]:
        """Of how many packets each feedback tells."""
        packets = [packet for data in self.sent for packet in parse_compound(data)]
        return [int.from_bytes(each.fci[2:4], "big") for each in packets if isinstance(each, TransportFeedback)]


def test_a_packet_that_comes_late_enough_takes_the_feedback_along() -> None:
    told = Told()
    told.come(1, 0.5)
    told.come(2, 0.5 + FEEDBACK_INTERVAL * 0.9)
    assert told.counts == []
    told.come(3, 0.5 + FEEDBACK_INTERVAL * 1.1)
    assert told.counts == [3]
    told.come(4, 0.7)
    assert told.counts == [3], "the next interval has begun"


def test_feedback_does_not_wait_for_another_packet_for_long() -> None:
    told = Told()
    told.come(1, 0.5)
    assert told.feedback.deadline == 0.5 + FEEDBACK_DELAY
    told.feedback.on_time(0.5 + FEEDBACK_DELAY)
    assert told.counts == [1]
    assert told.feedback.deadline == 1.0, "the report is next"


def test_handshakes_have_shares_and_a_reserve() -> None:
    slots: Handshakes[int] = Handshakes(100)
    for number in range(10):
        assert slots.refusal("greedy", f"192.0.2.{number}") is None
        slots.add(number, "greedy", f"192.0.2.{number}")
    assert slots.refusal("greedy", "192.0.2.99") == "session"
    assert slots.refusal("honest", "192.0.2.99") is None
    for number in range(10, 50):
        slots.add(number, f"s{number}", "2001:db8::1")
    assert slots.refusal("honest", "2001:db8::2") is None
    for number in range(50, 60):
        slots.add(number, f"s{number}", "2001:db8::2")
    assert slots.refusal("honest", "2001:db8::3") == "address"
    assert slots.refusal("honest", "2001:db8:0:1::3") is None
    for number in range(60, 90):
        slots.add(number, f"s{number}", f"192.0.2.{number}")
    assert slots.refusal("s60", "192.0.2.60") == "all"  # the rest is for those that have none
    assert slots.refusal("honest", "192.0.2.60") is None
    for number in range(90, 100):
        slots.add(number, f"s{number}", f"192.0.2.{number}")
    assert slots.refusal("honest", "192.0.2.1") == "all"
    assert len(slots) == 100
    for number in range(101):
        slots.discard(number)
    assert slots.refusal("greedy", "2001:db8::1") is None
    assert len(slots) == 0


def test_one_handshake_is_always_allowed() -> None:
    slots: Handshakes[int] = Handshakes(1)
    assert slots.refusal("s", "192.0.2.1") is None
    slots.add(1, "s", "192.0.2.1")
    assert slots.refusal("t", "192.0.2.2") == "all"
