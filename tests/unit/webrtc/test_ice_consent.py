"""When a peer is given up, and that no noise ever makes a path."""

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.webrtc.consent import IceExpiry
from protocol.webrtc.paths import AMPLIFICATION, CHECK_PAUSE, CHECK_WAITS, IcePath
from protocol.webrtc.stun import Address, StunError, parse
from tests.support.webrtc.ice_checks import AWAY, HOME, OVERHEAD, T0, answer, hear, make_agent, request, settle


class TestTime:
    def test_no_check_in_time(self) -> None:
        agent = make_agent()
        assert agent.expired(T0 + 14.9) is None
        assert agent.expired(T0 + 15) is IceExpiry.NO_CHECK

    def test_consent_ends(self) -> None:
        agent = make_agent()
        settle(agent, now=T0 + 10)
        assert agent.deadline == T0 + 40
        assert agent.expired(T0 + 39.9) is None
        assert agent.expired(T0 + 40) is IceExpiry.CONSENT

    def test_from_the_first_check_on_only_consent_counts(self) -> None:
        agent = make_agent(consent_timeout=5.0)
        hear(agent, now=T0 + 1)
        assert agent.expired(T0 + 5.9) is None
        assert agent.expired(T0 + 6) is IceExpiry.CONSENT

    def test_consent_is_renewed_by_checks_and_by_media(self) -> None:
        agent = make_agent()
        settle(agent)
        hear(agent, now=T0 + 20)
        assert agent.expired(T0 + 49) is None
        agent.touch(IcePath(HOME, 0), T0 + 45)
        assert agent.expired(T0 + 74) is None
        assert agent.expired(T0 + 75) is IceExpiry.CONSENT

    def test_a_path_that_the_peer_cannot_prove_keeps_no_dead_one_alive(self) -> None:
        agent = make_agent()
        settle(agent)
        for second in range(1, 31):
            hear(agent, AWAY, T0 + second, use_candidate=True)
            agent.touch(IcePath(AWAY, 0), T0 + second)
        assert agent.expired(T0 + 30) is IceExpiry.CONSENT

    def test_consent_is_not_renewed_by_forged_checks(self) -> None:
        agent = make_agent()
        settle(agent)
        agent.handle(parse(request(key="forged")), HOME, T0 + 29, size=100)
        assert agent.expired(T0 + 30) is IceExpiry.CONSENT

    def test_media_before_the_first_check_does_nothing(self) -> None:
        agent = make_agent()
        agent.touch(IcePath(HOME, 0), T0 + 14)
        assert agent.expired(T0 + 15) is IceExpiry.NO_CHECK

    def test_a_packet_that_is_read_late_does_not_set_the_time_back(self) -> None:
        agent = make_agent()
        settle(agent, now=T0 + 10)
        agent.touch(IcePath(HOME, 0), T0 + 9)
        assert agent.expired(T0 + 39.9) is None


@given(st.binary(max_size=80))
def test_noise_never_makes_a_path(data: bytes) -> None:
    agent = make_agent()
    base = bytearray(request())
    for offset, byte in enumerate(data):
        base[20 + offset % (len(base) - 20)] ^= byte
    try:
        message = parse(bytes(base))
    except StunError:
        return
    effect = agent.handle(message, HOME, T0, size=len(base))
    assert effect.valid is (base[:-8] == request()[:-8])  # All but the FINGERPRINT is vouched for.


ADDRESSES = [("192.0.2.1", 1), ("192.0.2.2", 2), ("203.0.113.9", 9)]
"""The peer sits at one of the first two. The last one is somebody else's, and never answers; the peer may write it on
its packets all the same, and its own old address too."""


class Peer(RuleBasedStateMachine):
    """A peer that is at one of its addresses at a time, and lies about it as it likes."""

    def __init__(self) -> None:
        super().__init__()
        self.agent = make_agent(max_paths=3)
        self.now = T0
        self.at = ADDRESSES[0]
        self.was_at = {ADDRESSES[0]}
        self.came: Counter[Address] = Counter()
        self.went: Counter[Address] = Counter()

    @initialize()
    def begin(self) -> None:
        self.check(self.at, True)

    def check(self, source: Address, use_candidate: bool) -> None:
        effect = hear(self.agent, source, self.now, use_candidate=use_candidate)
        self.came[source] += len(request(use_candidate=use_candidate)) + OVERHEAD
        self.went[source] += len(effect.response or b"") + OVERHEAD
        self.deliver()

    def deliver(self) -> None:
        for check in self.agent.take_checks():
            self.went[check.path.remote] += len(check.datagram) + OVERHEAD
            if check.path.remote == self.at:
                answer(self.agent, check, self.now)

    @rule(source=st.sampled_from(ADDRESSES), use_candidate=st.booleans())
    def checks(self, source: Address, use_candidate: bool) -> None:
        self.check(source, use_candidate)

    @rule(source=st.sampled_from(ADDRESSES))
    def sends_media(self, source: Address) -> None:
        if self.agent.path is not None:
            path = IcePath(source, 0)
            if path in self.agent.paths:
                self.agent.touch(path, self.now)
            else:
                self.agent.meet(path, self.now, size=100)
                self.came[source] += 100 + OVERHEAD
            self.deliver()

    @rule(seconds=st.floats(0, 6))
    def time_goes_by(self, seconds: float) -> None:
        self.now += seconds
        self.agent.on_time(self.now)
        self.deliver()

    @rule()
    def moves_house(self) -> None:
        self.at = ADDRESSES[0] if self.at == ADDRESSES[1] else ADDRESSES[1]
        self.was_at.add(self.at)

    @rule()
    def behaves(self) -> None:
        """Whatever was before: two checks and some media from where it is, and it is reached there."""
        for _ in range(2):
            self.now += CHECK_PAUSE + sum(CHECK_WAITS)
            self.agent.on_time(self.now)
            self.agent.on_time(self.now + sum(CHECK_WAITS))
            self.check(self.at, False)
            self.agent.touch(IcePath(self.at, 0), self.now)
            self.deliver()
        assert self.agent.path == IcePath(self.at, 0)

    @invariant()
    def media_goes_only_where_the_peer_has_been(self) -> None:
        assert self.agent.path is None or self.agent.path.remote in self.was_at

    @invariant()
    def nobody_else_gets_much(self) -> None:
        for address in set(ADDRESSES) - self.was_at:
            assert self.went[address] <= AMPLIFICATION * self.came[address]

    @invariant()
    def the_path_in_use_is_known_and_paths_are_bounded(self) -> None:
        assert len(self.agent.paths) <= 3
        assert self.agent.path is None or self.agent.path in self.agent.paths


TestPeer = Peer.TestCase
TestPeer.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
