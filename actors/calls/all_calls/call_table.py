"""The calls of this node, by callId: found by what they are described as, and stopped through the supervisor."""

from collections.abc import Callable
from typing import Protocol

from actors.calls.all_calls.call_ids import CallIds
from actors.media.publication import Publication
from actors.node.supervisor import OtherActor
from actors.runtime.actor import StopReason
from protocol.calls.description import CallDescription
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.sound import Sound


class Injections(Protocol):
    """What its phone may hear in the page's place; see `actors.calls.media.call_injections.CallInjections`."""

    def stream(self, publication: Publication, on_over: Callable[[], None] = ...) -> str | None: ...
    def sound(self, sound: Sound) -> str | None: ...
    def stop(self) -> bool: ...


class ListedCall(OtherActor, Protocol):
    """A call as the table sees it."""

    @property
    def call_id(self) -> str: ...
    @property
    def reason(self) -> StopReason | None: ...
    def describe(self) -> CallDescription: ...
    @property
    def injections(self) -> Injections: ...
    def send_digits(self, digits: str, kind: str) -> str | None: ...


class CallTable:
    """See above. Those that have been stopped are not found any more."""

    def __init__(self) -> None:
        self._calls: dict[str, ListedCall] = {}
        self.ids = CallIds()

    def __len__(self) -> int:
        return len(self._calls)

    def add(self, call: ListedCall) -> None:
        """A call begins. Raises CallRefused if another one has its callId."""
        if call.call_id in self._calls:
            raise CallRefused(CallInfo.CALL_ID_IN_USE, sip_status=486)
        self._calls[call.call_id] = call

    def remove(self, call: ListedCall) -> None:
        """It is over. Idempotent."""
        if self._calls.get(call.call_id) is call:
            del self._calls[call.call_id]

    def get(self, call_id: str) -> ListedCall | None:
        """The call of this id."""
        call = self._calls.get(call_id)
        return None if call is None or call.reason is not None else call

    def find(self, matches: Callable[[CallDescription], bool]) -> list[ListedCall]:
        """The calls whose description matches, oldest first; there are hundreds at most."""
        return [call for call in self._calls.values() if call.reason is None and matches(call.describe())]
