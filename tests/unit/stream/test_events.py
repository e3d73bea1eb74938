"""An event that is shared by many receivers is written once in each of their languages."""

from protocol.stream.events import StreamEvent
from protocol.stream.statuses import StreamEventType


class Form:
    """An event as somebody writes it."""

    def __init__(self, event: StreamEvent) -> None:
        self.text = f"{event.type} {event.payload}"


class OtherForm(Form):
    """An event as somebody else does."""


def test_a_form_is_made_once_for_all_and_is_no_other_languages() -> None:
    event = StreamEvent(StreamEventType.DATA, "x")
    assert event.form(Form) is event.form(Form)
    assert event.form(Form).text == "data x"
    assert type(event.form(OtherForm)) is OtherForm
    assert StreamEvent(StreamEventType.DATA, "y").form(Form).text == "data y"
