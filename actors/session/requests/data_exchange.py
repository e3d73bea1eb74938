"""A client's data: what it sends with `sendData`, and how it confirms what it got.

    sendData -> hook OnDataEvent -> the application's DataHandler -> DataStatusEvent, to the page and as a hook

In an application with rooms, these are the handler (`rooms.py`). All others have no use for data inside the
server: what their backend lets through is accepted.
"""

from typing import Any, Protocol

from actors.runtime.logs import get_logger
from actors.session.requests.backend_requests import TOO_MANY_WAITING, BackendRequests
from actors.session.requests.websdk_owner import SessionOwner
from protocol.hooks import Allow, HookMethod, Verdict, data_body, data_status_body
from protocol.node.client_data import ClientData
from protocol.signaling.frame_codec import encode
from protocol.signaling.frames import DataStatusAck, DataStatusEvent, OnDataEvent, SendData
from protocol.signaling.session_statuses import DataStatus

log = get_logger("session")


class Settle(Protocol):
    """Tells client and backend how a `sendData` ended. To be called once; afterwards and once the session is over, it
    does nothing.
    """

    def __call__(self, status: DataStatus, info: str | None = None) -> None: ...


class DataHandler(Protocol):
    """What an application does with one client's data. Called on the event loop; must not raise or wait."""

    def take(self, payload: Any, settle: Settle, *, sent: Any) -> None:
        """The client sent `sent`, and the backend allowed it as `payload`: the same object if it changed nothing.

        Call `settle`, now or later.
        """

    def end(self) -> None:
        """The session is over. Called once, after the last `take`."""


class AcceptAll:
    """A `DataHandler` that accepts everything: the data is between the page and its backend."""

    def take(self, payload: Any, settle: Settle, *, sent: Any) -> None:
        settle(DataStatus.ACCEPTED)

    def end(self) -> None:
        """Nothing is kept."""


class DataExchange:
    """The data of one client."""

    def __init__(self, owner: SessionOwner, handler: DataHandler, backend: BackendRequests) -> None:
        self._owner = owner
        self._handler = handler
        self._backend = backend

    def take(self, frame: SendData | DataStatusAck) -> None:
        """Answer the client's data, once backend and handler have decided; or tell the backend of a confirmation."""
        if isinstance(frame, SendData):
            self._ask(frame)
        else:
            self._confirm(frame)

    def end(self) -> None:
        """The session is over."""
        self._handler.end()

    def _ask(self, frame: SendData) -> None:
        def decided(verdict: Verdict) -> None:
            exchange = _Exchange(self._owner, frame.operation_id)
            if isinstance(verdict, Allow):
                payload = verdict.body.get("payload")
                changed = None if payload is frame.payload else payload
                exchange.note(info=_text(verdict.body, "info"), payload=changed)
                self._handler.take(payload, exchange.settle, sent=frame.payload)
            else:
                exchange.settle(DataStatus.FAILED, verdict.info)

        body = data_body(self._owner.context, operation_id=frame.operation_id, payload=frame.payload)
        if not self._backend.ask(HookMethod.ON_DATA_EVENT, body, decided):
            status = DataStatusEvent(operation_id=frame.operation_id, status=DataStatus.FAILED, info=TOO_MANY_WAITING)
            self._owner.send(status)

    def _confirm(self, frame: DataStatusAck) -> None:
        # Old SDKs confirm each OnDataEvent; newer ones never do.
        if frame.operation_id and frame.status in tuple(DataStatus):
            body = data_status_body(
                self._owner.context, operation_id=frame.operation_id, status=frame.status, info=frame.info or None
            )
            self._owner.lane.notify(HookMethod.DATA_STATUS_EVENT, body)
        else:
            log.debug("confirmation of data ignored", session=self._owner.context.session_id, status=frame.status)


class _Exchange:
    """One `sendData` that was allowed or denied, until it is settled."""

    def __init__(self, owner: SessionOwner, operation_id: str) -> None:
        self._owner = owner
        self._operation_id = operation_id
        self._is_settled = False
        self._info: str | None = None
        self._payload: Any = None

    def note(self, *, info: str | None, payload: Any) -> None:
        """What the backend's answer has put into the outcome."""
        self._info, self._payload = info, payload

    def settle(self, status: DataStatus, info: str | None = None) -> None:
        if self._is_settled:
            return
        self._is_settled = True
        body = data_status_body(
            self._owner.context,
            operation_id=self._operation_id,
            status=status,
            info=info or self._info,
            payload=self._payload,
        )

        def deliver(shown: dict[str, Any]) -> None:
            # The page finds its promise by the id and settles it by the status: the backend must not change them.
            told = DataStatusEvent(
                operation_id=self._operation_id,
                status=status,
                info=_text(shown, "info"),
                payload=shown.get("payload"),
            )
            self._owner.send(told)

        self._owner.lane.event(HookMethod.DATA_STATUS_EVENT, body, deliver=deliver)


def data_text(data: ClientData) -> str:
    """Data from outside as the frame `OnDataEvent`. ValueError or RecursionError if JSON cannot express it."""
    return encode(OnDataEvent(operation_id=data.operation_id, payload=data.payload))


def _text(body: dict[str, Any], key: str) -> str | None:
    """A text field; None if it is absent or something else."""
    value = body.get(key)
    return value if isinstance(value, str) else None
