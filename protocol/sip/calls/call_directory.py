"""The calls of a user agent, found by their ids, their dialogs, and the INVITE that began them."""

from protocol.sip.calls.call import SipCall
from protocol.sip.calls.dialog import Dialog
from protocol.sip.calls.incoming_call import IncomingCall


class CallDirectory:
    """See above. A call whose owner is done with it is still found by its dialog, until BYE is answered."""

    def __init__(self) -> None:
        self.calls: dict[str, SipCall] = {}
        self._dialogs: dict[tuple[str, str, str], tuple[SipCall, Dialog]] = {}

    def add(self, call: SipCall) -> None:
        """A new one."""
        self.calls[call.id] = call

    def up(self, call: str) -> SipCall | None:
        """The call, if it was answered and goes on."""
        found = self.calls.get(call)
        return found if found is not None and found.is_up else None

    def arrived(self, call: str) -> IncomingCall | None:
        """The call, if it has come to us."""
        found = self.calls.get(call)
        return found if isinstance(found, IncomingCall) else None

    def of_dialog(self, call_id: str, local_tag: str, remote_tag: str) -> tuple[SipCall, Dialog] | None:
        """Whose dialog it is."""
        return self._dialogs.get((call_id, local_tag, remote_tag))

    def of_invite(self, key: tuple[str, str]) -> IncomingCall | None:
        """Which call a transaction has begun."""
        arrived = (call for call in self.calls.values() if isinstance(call, IncomingCall))
        return next((call for call in arrived if call.invite.key == key), None)

    @property
    def dialog_count(self) -> int:
        return len(self._dialogs)

    def bind(self, dialog: Dialog, call: SipCall) -> None:
        """Requests with this dialog are for this call."""
        self._dialogs[dialog.key] = call, dialog

    def unbind(self, dialog: Dialog) -> None:
        """They are for nobody any more."""
        self._dialogs.pop(dialog.key, None)

    def drop(self, call: SipCall) -> None:
        """No command can be meant for this call any more."""
        self.calls.pop(call.id, None)
