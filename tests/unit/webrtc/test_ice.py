"""The ICE-lite agent: what a check leads to, and what time does."""

import string

import attrs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.webrtc.ice import IceEffect, IceExpiry, IceLiteAgent, IcePath, make_credentials
from protocol.webrtc.stun import StunClass, StunError, build_request, parse

HOME = ("198.51.100.7", 40000)
AWAY = ("2001:db8::7", 50000)
PASSWORD = "a-password-of-the-server"
T0 = 1000.0


def make_agent(*, consent_timeout: float = 30.0, max_paths: int = 8) -> IceLiteAgent:
    return IceLiteAgent(
        "server", PASSWORD, "client", T0, check_timeout=15.0, consent_timeout=consent_timeout, max_paths=max_paths
    )


def request(*, username: str = "server:client", key: str = PASSWORD, use_candidate: bool = False) -> bytes:
    return build_request(
        transaction_id=b"transaction!",
        username=username,
        key=key.encode(),
        priority=1,
        tie_breaker=2,
        use_candidate=use_candidate,
    )


def hear(
    agent: IceLiteAgent,
    source: tuple[str, int] = HOME,
    now: float = T0,
    *,
    use_candidate: bool = False,
    local: int = 0,
) -> IceEffect:
    return agent.handle(parse(request(use_candidate=use_candidate)), source, now, local=local)


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
    def test_a_valid_check_is_answered_with_its_source(self, source: tuple[str, int]) -> None:
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
            request(username="server:stranger"),
            request(username="other:client"),
            request(username="server"),
            request(username="server:client:more"),
            bytes.fromhex("000100002112a442") + b"transaction!",  # nothing but a header
        ],
    )
    def test_anything_else_is_met_with_silence(self, data: bytes) -> None:
        agent = make_agent()
        assert agent.handle(parse(data), HOME, T0 + 10) == IceEffect()
        assert agent.path is None
        assert agent.deadline == T0 + 15

    def test_an_indication_and_a_response_are_not_requests(self) -> None:
        agent = make_agent()
        answer = hear(agent).response
        assert answer is not None
        assert agent.handle(parse(answer), AWAY, T0).response is None
        assert agent.paths == (IcePath(HOME, 0),)

    def test_an_attribute_that_had_to_be_understood(self) -> None:
        agent = make_agent()
        effect = agent.handle(attrs.evolve(parse(request()), unknown_required=(0x2A,)), HOME, T0)
        assert effect.response is not None
        assert parse(effect.response).error_code == 420
        assert agent.path is None


class TestPaths:
    def test_the_first_valid_check_gives_a_provisional_path(self) -> None:
        agent = make_agent()
        effect = hear(agent)
        assert effect.became_valid
        assert effect.nominated == HOME == agent.nominated

    def test_only_use_candidate_moves_the_path(self) -> None:
        agent = make_agent()
        hear(agent, HOME)
        effect = hear(agent, AWAY)
        assert effect.became_valid
        assert effect.nominated is None
        assert agent.nominated == HOME
        effect = hear(agent, AWAY, use_candidate=True)
        assert not effect.became_valid
        assert effect.nominated == AWAY == agent.nominated

    def test_a_repeated_nomination_is_no_news(self) -> None:
        agent = make_agent()
        hear(agent, use_candidate=True)
        effect = hear(agent, use_candidate=True)
        assert effect.nominated is None
        assert not effect.became_valid
        assert effect.response is not None

    def test_the_latest_nomination_wins(self) -> None:
        agent = make_agent()
        for source in (HOME, AWAY, HOME):
            assert hear(agent, source, use_candidate=True).nominated == source

    def test_the_same_address_on_another_socket_is_another_path(self) -> None:
        agent = make_agent()
        hear(agent, HOME, local=0)
        effect = hear(agent, HOME, local=1, use_candidate=True)
        assert effect.became_valid
        assert effect.nominated == HOME
        assert agent.path == IcePath(HOME, 1)

    def test_paths_are_bounded_and_the_oldest_goes_first(self) -> None:
        agent = make_agent(max_paths=3)
        sources = [("192.0.2.1", port) for port in range(5)]
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
        hear(agent, HOME, T0)
        hear(agent, AWAY, T0 + 10, use_candidate=True)
        hear(agent, AWAY, T0 + 40)
        newcomer = ("192.0.2.9", 9)
        assert hear(agent, newcomer, T0 + 41).dropped == (IcePath(HOME, 0),)
        assert agent.paths == (IcePath(AWAY, 0), IcePath(newcomer, 0))

    @given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 1), st.booleans(), st.floats(0, 20)), max_size=60))
    def test_whatever_comes_the_path_in_use_stays_valid(self, steps: list[tuple[int, int, bool, float]]) -> None:
        agent = make_agent(max_paths=4)
        known: set[IcePath] = set()
        now = T0
        for port, local, use_candidate, pause in steps:
            now += pause
            effect = hear(agent, ("192.0.2.1", port), now, use_candidate=use_candidate, local=local)
            path = IcePath(("192.0.2.1", port), local)
            assert effect.became_valid is (path not in known)
            known = (known | {path}) - set(effect.dropped)
            assert set(agent.paths) == known
            assert len(known) <= 4
            assert agent.path in known
            assert path in known
            assert not use_candidate or agent.path == path


class TestTime:
    def test_no_check_in_time(self) -> None:
        agent = make_agent()
        assert agent.expired(T0 + 14.9) is None
        assert agent.expired(T0 + 15) is IceExpiry.NO_CHECK

    def test_consent_ends(self) -> None:
        agent = make_agent()
        hear(agent, now=T0 + 10)
        assert agent.deadline == T0 + 40
        assert agent.expired(T0 + 39.9) is None
        assert agent.expired(T0 + 40) is IceExpiry.CONSENT

    def test_from_the_first_check_on_only_consent_counts(self) -> None:
        agent = make_agent(consent_timeout=5.0)
        hear(agent, now=T0 + 1)
        assert agent.deadline == T0 + 6
        assert agent.expired(T0 + 6) is IceExpiry.CONSENT

    def test_consent_is_renewed_by_checks_and_by_touch(self) -> None:
        agent = make_agent()
        hear(agent)
        hear(agent, AWAY, now=T0 + 20)
        assert agent.expired(T0 + 49) is None
        agent.touch(T0 + 45)
        assert agent.expired(T0 + 74) is None
        assert agent.expired(T0 + 75) is IceExpiry.CONSENT

    def test_consent_is_not_renewed_by_forged_checks(self) -> None:
        agent = make_agent()
        hear(agent)
        agent.handle(parse(request(key="forged")), HOME, T0 + 29)
        assert agent.expired(T0 + 30) is IceExpiry.CONSENT

    def test_touch_before_the_first_check_does_nothing(self) -> None:
        agent = make_agent()
        agent.touch(T0 + 14)
        assert agent.expired(T0 + 15) is IceExpiry.NO_CHECK


@given(st.binary(max_size=80))
def test_noise_never_validates_an_address(data: bytes) -> None:
    agent = make_agent()
    base = bytearray(request())
    for offset, byte in enumerate(data):
        base[20 + offset % (len(base) - 20)] ^= byte
    try:
        message = parse(bytes(base))
    except StunError:
        return
    effect = agent.handle(message, HOME, T0)
    assert effect.became_valid is (base[:-8] == request()[:-8])  # All but the FINGERPRINT is vouched for.
