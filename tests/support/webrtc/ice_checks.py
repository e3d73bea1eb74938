"""An ICE agent, and the checks of a browser for it."""

from collections import Counter

from protocol.webrtc.ice import IceEffect, IceLiteAgent
from protocol.webrtc.paths import IcePath, OwnCheck
from protocol.webrtc.stun import Address, build_request, build_response, parse

HOME = ("198.51.100.7", 40000)
AWAY = ("2001:db8::7", 50000)
UFRAG = "serverXY"
PASSWORD = "a-password-of-the-server"
PEER_PASSWORD = "a-password-of-the-client"
T0 = 1000.0
OVERHEAD = 28
LOW, HIGH = 1_000, 2_000


def make_agent(
    *,
    consent_timeout: float = 30.0,
    max_paths: int = 8,
    preferences: tuple[int, ...] = (),
    controlling: bool = False,
) -> IceLiteAgent:
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
        controlling=controlling,
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
