"""The ICE-lite agent: what a check leads to, which path media takes, and what time does."""

import string

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.ice import SILENCE, IceEffect, IceLiteAgent, make_credentials, recipient
from protocol.webrtc.paths import AMPLIFICATION, CHECK_PAUSE, CHECK_WAITS, IcePath, OwnCheck
from protocol.webrtc.stun import Address, StunClass, build_response, parse
from tests.support.webrtc.ice_checks import (
    AWAY,
    HIGH,
    HOME,
    OVERHEAD,
    PASSWORD,
    PEER_PASSWORD,
    T0,
    UFRAG,
    answer,
    answer_all,
    hear,
    make_agent,
    request,
    settle,
)


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


class TestRole:
    @pytest.mark.parametrize("controlling", [False, True])
    def test_checks_tell_our_role_and_the_controlling_side_nominates(self, controlling: bool) -> None:
        agent = make_agent(controlling=controlling)
        hear(agent, HOME)
        (check,) = agent.take_checks()
        message = parse(check.datagram)
        assert (message.ice_controlling is not None) is controlling
        assert message.use_candidate is controlling

    @pytest.mark.parametrize(("controlling", "ours"), [(False, HIGH - 1), (True, HIGH + 1)])
    def test_the_controlling_sides_priority_decides_a_tie(self, controlling: bool, ours: int) -> None:
        """Of two pairs whose priorities are swapped, the pair in which the controlling side's is higher counts."""
        agent = make_agent(controlling=controlling, preferences=(HIGH, ours))
        hear(agent, HOME, T0, use_candidate=True, priority=ours, local=0)
        answer_all(agent, T0)
        hear(agent, AWAY, T0 + 0.1, use_candidate=True, priority=HIGH, local=1)
        assert asked(agent) == [AWAY]


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
