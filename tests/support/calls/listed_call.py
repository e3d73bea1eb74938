"""A call without media and SIP, for what finds and ends calls."""

from collections.abc import Callable, Iterable
from typing import Any

import attrs

from actors.media.publication import Publication
from actors.node.termination import Follower
from actors.runtime.actor import Actor, StopReason
from protocol.calls.description import CallDescription
from protocol.calls.sound import Sound
from protocol.calls.statuses import CallStatus


def description(call_id: str, **changes: Any) -> CallDescription:
    """Of a call that is up."""
    call = CallDescription(
        node_id="node1",
        app_key="defaultApp",
        session_id="s1",
        call_id=call_id,
        incoming=False,
        status=CallStatus.ESTABLISHED,
        caller="alice@pbx.example",
        callee="1000",
        sip_status=200,
        custom={"token": "s3cret"},
        create_date=1_090_000,
    )
    return attrs.evolve(call, **changes)


def _nobody() -> None:
    """Nobody waits for it."""


class HeardInjections:
    """What its phone is to hear, `stop` included; `fault`: why it cannot."""

    def __init__(self) -> None:
        self.heard: list[object] = []
        self.fault: str | None = None

    def stream(self, publication: Publication, on_over: Callable[[], None] = _nobody) -> str | None:
        self.heard.append(publication)
        self.on_over = on_over
        return self.fault

    def sound(self, sound: Sound) -> str | None:
        self.heard.append(sound)
        return self.fault

    def stop(self) -> bool:
        self.heard.append("stop")
        return True


class ListedActor(Actor[str]):
    """See above. It does nothing until it is stopped."""

    leads, weight = False, 1

    def __init__(self, call: CallDescription) -> None:
        super().__init__()
        self.call_id = call.call_id
        self._call = call
        self.digits: list[tuple[str, str]] = []
        self.fault: str | None = None
        """Why it sends no digits."""
        self.injections = HeardInjections()

    def describe(self) -> CallDescription:
        return self._call

    def send_digits(self, digits: str, kind: str) -> str | None:
        if self.fault is None:
            self.digits.append((digits, kind))
        return self.fault

    def release_followers(self, reason: StopReason) -> Iterable[tuple[Follower, StopReason]]:
        return ()
