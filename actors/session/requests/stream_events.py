"""How a session handles its client's stream events: mutes, and data for the players."""

from collections.abc import Callable
from typing import Any

import trio

from actors.runtime.logs import get_logger
from actors.session.requests.event_allowance import EventAllowance
from actors.session.requests.websdk_owner import SessionOwner
from actors.stream import PublishedStream, StreamServices
from protocol.hooks import DEFAULT_METHOD_CONFIG, Allow, HookMethod, Verdict, stream_event_body
from protocol.signaling.frames import Fail, SendStreamEvent
from protocol.signaling.shared_event import SharedEvent
from protocol.stream.events import StreamEvent

log = get_logger("session")

Ask = Callable[[HookMethod, dict[str, Any], Callable[[Verdict], None]], bool]
"""Calls the backend and continues with its verdict."""


class StreamEvents:
    """The stream events of one client, within its allowance."""

    def __init__(self, owner: SessionOwner, services: StreamServices) -> None:
        self._owner = owner
        self._refusals = services.refusals
        self._allowance = EventAllowance(services.settings)

    def take(self, frame: SendStreamEvent, publisher: PublishedStream, ask: Ask) -> None:
        """Forward an event of `publisher` to its players, after the backend's decision where that counts."""
        event = StreamEvent(frame.type, frame.payload)
        refusal = self._refusal(event, publisher)
        if refusal is not None:
            self._owner.send(Fail(api_method=frame.message, info=refusal))
            return
        method = HookMethod.SEND_STREAM_EVENT
        body = stream_event_body(
            self._owner.context, media_session_id=frame.media_session_id, event_type=frame.type, payload=frame.payload
        )
        if self._owner.lane.config.for_method(method) == DEFAULT_METHOD_CONFIG:
            # The answer changes nothing, so a mute need not wait for the backend.
            self._owner.lane.notify(method, body)
            publisher.stream_event(event)
            return

        def decided(verdict: Verdict) -> None:
            if isinstance(verdict, Allow):
                self._pass_allowed(event, publisher, verdict.body.get("payload"))
            else:
                self._owner.send(Fail(api_method=frame.message, info=verdict.info))

        ask(method, body, decided)

    def _refusal(self, event: StreamEvent, publisher: PublishedStream) -> str | None:
        """What to tell the client about an event it must not send; None if it may."""
        limit = self._allowance.limit_hit(
            trio.current_time(),
            size=event.form(SharedEvent).size,
            audience=publisher.audience,
            with_hooks=self._owner.lane.sends(HookMethod.STREAM_EVENT),
        )
        if limit is None and publisher.takes_events:
            return None
        self._refusals.warning("stream event refused", session=self._owner.context.session_id, limit=limit or "backlog")
        too_large = limit == "max_stream_event_size"
        return "The stream event is too large" if too_large else "Too many stream events"

    def _pass_allowed(self, event: StreamEvent, publisher: PublishedStream, payload: Any) -> None:
        if payload is not event.payload:
            try:
                event = StreamEvent(event.type, payload)
                event.form(SharedEvent)
            except (ValueError, RecursionError) as error:  # the backend may insert something that cannot be encoded
                log.error("a stream event cannot be written", session=self._owner.context.session_id, error=error)
                return
        publisher.stream_event(event)
