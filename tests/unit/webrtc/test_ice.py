"""The ICE-lite agent: what a check leads to, which path media takes, and what time does."""

import string
from collections import Counter

import attrs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from protocol.webrtc.ice import SILENCE, IceEffect, IceExpiry, IceLiteAgent, make_credentials, recipient
from protocol.webrtc.paths import AMPLIFICATION, CHECK_PAUSE, CHECK_WAITS, IcePath, OwnCheck
from protocol.webrtc.stun import Address, StunClass, StunError, build_request, build_response, parse

HOME = ("198.51.100.7", 40000)
AWAY = ("2001:db8::7", 50000)
UFRAG = "serverXY"
PASSWORD = "a-password-of-the-server"
PEER_PASSWORD = "a-password-of-the-client"
T0 = 1000.0
OVERHEAD = 28
LOW, HIGH = 1_000, 2_000


def make_agent(*, consent_timeout: float = 30.0, max_paths: int = 8, preferences: tuple[int, ...] = ()) -> IceLiteAgent:
    drawn = Counter[str]()

    def entropy(size: int) -> bytes:
        drawn["times"] += 1
        return drawn["times"].to_bytes(size, "big")

    return IceLiteAgent(
        UFRAG,
        PASSWORD,
        "client",
        PEER_PASSWORD,
        T0,
        entropy=entropy,
        preferences=preferences,
        check_timeout=15.0,
        consent_timeout=consent_timeout,
        max_paths=max_paths,
    )


def request(
    *, username: str = f"{UFRAG}:client", key: str = PASSWORD, use_candidate: bool = False, priority: int = LOW
) -> bytes:
    return build_request(
        transaction_id=b"transaction!",
        username=username,
        key=key.encode(),
        priority=priority,
        tie_breaker=2,
        use_candidate=use_candidate,
    )


def hear(
    agent: IceLiteAgent,
    source: Address = HOME,
    now: float = T0,
    *,
    use_candidate: bool = False,
    priority: int = LOW,
    local: int = 0,
) -> IceEffect:
    data = request(use_candidate=use_candidate, priority=priority)
    return agent.handle(parse(data), source, now, size=len(data), local=local)


def answer(agent: IceLiteAgent, check: OwnCheck, now: float, *, source: Address | None = None) -> IcePath | None:
    """Answer a check of the agent's, as a browser does that got it."""
    source = source or check.path.remote
    response = build_response(parse(check.datagram), source, PEER_PASSWORD.encode())
    return agent.handle_response(parse(response), source, now, local=check.path.local)


def answer_all(agent: IceLiteAgent, now: float) -> list[IcePath]:
    return [check.path for check in agent.take_checks() if answer(agent, check, now)]


def settle(agent: IceLiteAgent, source: Address = HOME, now: float = T0, *, use_candidate: bool = False) -> None:
    """The peer checks from there, and proves to be there."""
    hear(agent, source, now, use_candidate=use_candidate)
    answer_all(agent, now)
    assert agent.path == IcePath(source, 0)


def asked(agent: IceLiteAgent) -> list[Address]:
    return [check.path.remote for check in agent.take_checks()]


class TestCredentials:
    def test_size_and_alphabet(self) -> None:
        drawn: list[int] = []

        def entropy(size: int) -> bytes:
            drawn.append(size)
            return bytes(range(0xF8, 0xF8 + 8))[:size].ljust(size, b"\xff")

        ufrag, pwd = make_credentials(entropy)
        assert drawn[0] * 8 >= 48
        assert drawn[1] * 8 >= 128
        assert len(ufrag) >= 4
        assert len(pwd) >= 22
        assert set(ufrag + pwd) <= set(string.ascii_letters + string.digits + "+/")

    @given(st.binary(min_size=6, max_size=6), st.binary(min_size=18, max_size=18))
    def test_no_entropy_is_lost(self, first: bytes, second: bytes) -> None:
        other = bytes(byte ^ 1 for byte in first)
        pair = make_credentials({6: first, 18: second}.__getitem__)
        assert make_credentials({6: other, 18: second}.__getitem__)[0] != pair[0]
        assert "=" not in "".join(pair)


class TestAnswer:
    @pytest.mark.parametrize("source", [HOME, AWAY])
    def test_a_valid_check_is_answered_with_its_source(self, source: Address) -> None:
        effect = hear(make_agent(), source)
        assert effect.response is not None
        response = parse(effect.response)
        assert response.kind is StunClass.RESPONSE
        assert response.xor_mapped_address == source
        assert response.verify(PASSWORD.encode())

    @pytest.mark.parametrize(
        "data",
        [
            request(key="another password"),
            request(username=f"{UFRAG}:stranger"),
            request(username="other:client"),
            request(username=UFRAG),
            request(username=f"{UFRAG}:client:more"),
            bytes.fromhex("000100002112a442") + b"transaction!",  # nothing but a header
        ],
    )
    def test_anything_else_is_met_with_silence(self, data: bytes) -> None:
        agent = make_agent()
        assert agent.handle(parse(data), HOME, T0 + 10, size=len(data)) == IceEffect()
        assert agent.paths == ()
        assert agent.take_checks() == []
        assert agent.deadline == T0 + 15

    def test_an_indication_and_a_response_are_not_requests(self) -> None:
        agent = make_agent()
        response = hear(agent).response
        assert response is not None
        assert agent.handle(parse(response), AWAY, T0, size=len(response)).response is None
        assert agent.paths == (IcePath(HOME, 0),)

    def test_an_attribute_that_had_to_be_understood(self) -> None:
        agent = make_agent()
        effect = agent.handle(attrs.evolve(parse(request()), unknown_required=(0x2A,)), HOME, T0, size=100)
        assert effect.response is not None
        assert parse(effect.response).error_code == 420
        assert not effect.valid
        assert agent.paths == ()


class TestProof:
    def test_our_check_is_one_that_a_browser_answers(self) -> None:
        agent = make_agent()
        hear(agent, AWAY, local=1)
        (check,) = agent.take_checks()
        message = parse(check.datagram)
        assert check.path == IcePath(AWAY, 1)
        assert (message.kind, message.username) == (StunClass.REQUEST, f"client:{UFRAG}")
        assert message.verify(PEER_PASSWORD.encode())
        assert message.ice_controlled is not None
        assert message.priority
        assert message.has_fingerprint
        assert not message.use_candidate

    def test_its_answer_finds_the_agent(self) -> None:
        agent = make_agent()
        hear(agent)
        (check,) = agent.take_checks()
        response = parse(build_response(parse(check.datagram), HOME, PEER_PASSWORD.encode()))
        assert recipient(response) == UFRAG
        assert recipient(parse(request())) == UFRAG
        assert recipient(parse(bytes.fromhex("000100002112a442") + b"transaction!")) is None

    def test_a_check_alone_moves_no_media(self) -> None:
        agent = make_agent()
        effect = hear(agent, use_candidate=True)
        assert effect.valid
        assert agent.path is None
        assert answer_all(agent, T0 + 0.1) == [IcePath(HOME, 0)]
        assert agent.path == IcePath(HOME, 0)

    def test_an_answer_by_another_way_or_by_somebody_else_proves_nothing(self) -> None:
        agent = make_agent()
        hear(agent, HOME)
        hear(agent, AWAY)
        check, _ = agent.take_checks()
        assert answer(agent, check, T0, source=AWAY) is None
        message = parse(check.datagram)
        forged = [
            build_response(message, HOME, b"guessed"),
            build_response(attrs.evolve(message, transaction_id=bytes(12)), HOME, PEER_PASSWORD.encode()),
        ]
        for data in forged:
            assert agent.handle_response(parse(data), HOME, T0) is None
        assert agent.handle_response(message, HOME, T0) is None  # our own check, sent back
        assert agent.path is None

    def test_an_answer_counts_once(self) -> None:
        agent = make_agent()
        hear(agent)
        (check,) = agent.take_checks()
        assert answer(agent, check, T0) is not None
        assert answer(agent, check, T0) is None

    def test_a_check_is_sent_again_and_given_up_in_the_end(self) -> None:
        agent = make_agent()
        hear(agent)
        first = list(agent.take_checks())
        now = T0
        again: list[OwnCheck] = []
        for wait in CHECK_WAITS:
            assert agent.deadline == now + wait
            now += wait
            hear(agent, HOME, now)  # without checks from there no more of ours would be sent there
            agent.on_time(now)
            again += agent.take_checks()
        assert [check.datagram for check in again[:3]] == [first[0].datagram] * 3
        assert len(again) == len(CHECK_WAITS) - 1
        later = now + CHECK_PAUSE
        hear(agent, HOME, later)
        (renewed,) = agent.take_checks()
        assert renewed.datagram != first[0].datagram

    def test_checks_of_one_path_come_with_pauses(self) -> None:
        agent = make_agent()
        settle(agent)
        for step in range(10):
            agent.touch(IcePath(HOME, 0), T0 + step / 100)
            hear(agent, AWAY, T0 + step / 100 + 0.001, use_candidate=True)
            answer_all(agent, T0 + step / 100 + 0.001)
        assert agent.path == IcePath(AWAY, 0)
        agent.touch(IcePath(HOME, 0), T0 + 0.2)
        assert asked(agent) == []

    def test_a_handshake_over_a_single_path_proves_it(self) -> None:
        agent = make_agent()
        hear(agent, HOME)
        hear(agent, AWAY)
        agent.shook_hands(IcePath(AWAY, 0), T0 + 1)
        assert agent.path == IcePath(AWAY, 0)
        agent.shook_hands(IcePath(("192.0.2.1", 1), 0), T0 + 1)
        assert agent.path == IcePath(AWAY, 0)

    def test_an_unproved_address_gets_little(self) -> None:
        agent = make_agent()
        size = len(request())
        response = hear(agent).response
        sent = sum(len(check.datagram) + OVERHEAD for check in agent.take_checks()) + len(response or b"") + OVERHEAD
        path = IcePath(HOME, 0)
        agent.credit(path, 500)
        while agent.allow(path, 300):
            sent += 300 + OVERHEAD
        assert sent <= AMPLIFICATION * (size + 500 + 2 * OVERHEAD) < sent + 300 + OVERHEAD
        assert not agent.allow(IcePath(AWAY, 0), 1)
        agent.shook_hands(path, T0)
        assert all(agent.allow(path, 1200) for _ in range(100))


class TestPath:
    def test_the_first_that_is_proved_is_used(self) -> None:
        agent = make_agent()
        hear(agent, HOME, use_candidate=True)
        hear(agent, AWAY, T0 + 0.1)
        slow, fast = agent.take_checks()
        answer(agent, fast, T0 + 0.2)
        assert agent.path == IcePath(AWAY, 0)
        answer(agent, slow, T0 + 0.3)
        assert agent.path == IcePath(HOME, 0)  # the peer has named it, and the other one not

    def test_a_check_without_nomination_moves_nothing_while_the_path_is_alive(self) -> None:
        agent = make_agent()
        settle(agent)
        hear(agent, AWAY, T0 + 1)
        assert asked(agent) == []

    @pytest.mark.parametrize("nominates", [False, True])
    def test_a_new_port_is_followed_when_the_old_one_is_silent(self, nominates: bool) -> None:
        agent = make_agent()
        settle(agent, use_candidate=True)
        now = T0
        for _ in range(3):
            now += 5
            hear(agent, AWAY, now, use_candidate=nominates)
            answer_all(agent, now)
        assert agent.path == IcePath(AWAY, 0)
        assert agent.deadline == now + 30

    def test_a_nomination_moves_at_once(self) -> None:
        agent = make_agent()
        settle(agent, use_candidate=True)
        hear(agent, AWAY, T0 + 1, use_candidate=True)
        assert agent.path == IcePath(HOME, 0)
        assert answer_all(agent, T0 + 1.1) == [IcePath(AWAY, 0)]
        assert agent.path == IcePath(AWAY, 0)

    def test_of_two_nominations_the_pair_of_higher_priority_counts(self) -> None:
        agent = make_agent(preferences=(HIGH + 2, HIGH + 1))
        hear(agent, HOME, T0, use_candidate=True, local=0)
        answer_all(agent, T0)
        hear(agent, HOME, T0 + 0.1, use_candidate=True, local=1)
        assert asked(agent) == []
        hear(agent, AWAY, T0 + 0.2, use_candidate=True, priority=HIGH, local=1)
        assert asked(agent) == [AWAY]

    def test_a_nomination_of_lower_priority_counts_when_the_other_path_is_no_longer_used(self) -> None:
        agent = make_agent()
        hear(agent, HOME, T0, use_candidate=True, priority=HIGH)
        answer_all(agent, T0)
        hear(agent, HOME, T0 + SILENCE, priority=HIGH)  # it is alive, for a later change
        hear(agent, AWAY, T0 + SILENCE + 0.1, use_candidate=True)
        assert answer_all(agent, T0 + SILENCE + 0.2) == [IcePath(AWAY, 0)]
        assert agent.path == IcePath(AWAY, 0)

    def test_media_is_followed_whatever_is_nominated(self) -> None:
        agent = make_agent()
        hear(agent, HOME, T0, use_candidate=True, priority=HIGH)
        answer_all(agent, T0)
        hear(agent, AWAY, T0 + 0.1)
        assert agent.touch(IcePath(AWAY, 0), T0 + 1)
        assert answer_all(agent, T0 + 1.1) == [IcePath(AWAY, 0)]
        assert agent.path == IcePath(AWAY, 0)

    def test_a_late_packet_of_the_old_path_does_not_bring_it_back(self) -> None:
        agent = make_agent()
        settle(agent)
        settle_at = T0 + 1
        hear(agent, AWAY, settle_at, use_candidate=True)
        answer_all(agent, settle_at)
        agent.touch(IcePath(AWAY, 0), settle_at + 0.010)
        agent.touch(IcePath(HOME, 0), settle_at + 0.011)
        checks = agent.take_checks()
        agent.touch(IcePath(AWAY, 0), settle_at + 0.020)
        assert [answer(agent, check, settle_at + 0.030) for check in checks] == [IcePath(HOME, 0)]
        assert agent.path == IcePath(AWAY, 0)

    def test_media_from_an_unknown_address_does_not_count(self) -> None:
        agent = make_agent()
        settle(agent)
        assert not agent.touch(IcePath(AWAY, 0), T0 + 1)
        assert agent.paths == (IcePath(HOME, 0),)
        assert agent.deadline == T0 + 30

    def test_authentic_media_from_an_unknown_address_makes_a_path(self) -> None:
        agent = make_agent()
        settle(agent)
        assert agent.meet(IcePath(AWAY, 0), T0 + 1, size=200) == ()
        assert agent.path == IcePath(HOME, 0)
        assert answer_all(agent, T0 + 1.1) == [IcePath(AWAY, 0)]
        assert agent.path == IcePath(AWAY, 0)
        assert agent.paths == (IcePath(HOME, 0), IcePath(AWAY, 0))

    def test_a_path_that_somebody_else_has_is_left_at_the_next_check_from_elsewhere(self) -> None:
        agent = make_agent()
        settle(agent)
        assert agent.holds(IcePath(HOME, 0), T0 + 29)
        assert not agent.holds(IcePath(HOME, 0), T0 + 30)
        agent.yield_path(IcePath(HOME, 0))
        assert not agent.holds(IcePath(HOME, 0), T0)
        hear(agent, AWAY, T0 + 1)
        assert answer_all(agent, T0 + 1) == [IcePath(AWAY, 0)]
        assert agent.path == IcePath(AWAY, 0)

    def test_a_path_that_two_claim_is_proved_once_more(self) -> None:
        agent = make_agent()
        settle(agent)
        agent.yield_path(IcePath(HOME, 0))
        hear(agent, HOME, T0 + 1)
        agent.ask(IcePath(HOME, 0), T0 + 1)
        assert answer_all(agent, T0 + 1) == [IcePath(HOME, 0)]
        assert agent.holds(IcePath(HOME, 0), T0 + 1)

    def test_the_same_address_on_another_socket_is_another_path(self) -> None:
        agent = make_agent()
        settle(agent)
        hear(agent, HOME, T0 + 1, local=1, use_candidate=True)
        assert answer_all(agent, T0 + 1) == [IcePath(HOME, 1)]
        assert agent.path == IcePath(HOME, 1)

    def test_paths_are_bounded_and_the_oldest_goes_first(self) -> None:
        agent = make_agent(max_paths=3)
        sources = [("192.0.2.1", port) for port in range(5)]
        settle(agent, sources[0])
        effects = [hear(agent, source, T0 + index) for index, source in enumerate(sources)]
        assert [effect.dropped for effect in effects] == [
            (),
            (),
            (),
            (IcePath(sources[1], 0),),
            (IcePath(sources[2], 0),),
        ]
        assert agent.paths == tuple(IcePath(sources[index], 0) for index in (0, 3, 4))

    def test_a_path_not_heard_for_long_is_dropped_with_the_next_new_one(self) -> None:
        agent = make_agent()
        settle(agent, HOME, T0)
        hear(agent, AWAY, T0 + 10, use_candidate=True)
        answer_all(agent, T0 + 10)
        hear(agent, AWAY, T0 + 40)
        newcomer = ("192.0.2.9", 9)
        assert hear(agent, newcomer, T0 + 41).dropped == (IcePath(HOME, 0),)
        assert agent.paths == (IcePath(AWAY, 0), IcePath(newcomer, 0))


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
