"""A call that is wanted, independent of the protocol it came in."""

from typing import Any

from attrs import field, frozen


@frozen(kw_only=True)
class CallRequest:
    """`sdp` is the page's offer; None for a call that arrives, or has no page.

    `custom` is any JSON, for the backend only.
    """

    call_id: str
    incoming: bool
    caller: str
    callee: str
    visible_name: str = ""
    has_video: bool = False
    has_audio: bool = True
    media_provider: str = "WebRTC"
    sdp: str | None = field(default=None, repr=False)
    custom: Any = field(default=None, repr=False)
    to_stream: str = ""
    """The stream that publishes what the phone says; empty: none."""
