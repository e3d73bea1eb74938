"""The end of a call that has no page, as the reader of phones' ends wakes it."""

import math

from actors.media.call.leg_reader import LegReader
from actors.media.call.silent_page import SilentPage
from actors.media.context import MediaContext
from actors.media.guard import PeerGuard
from actors.media.sending.sender import PortableSender
from config.settings import Settings
from protocol.calls.silence import SILENCE_INTERVAL
from protocol.webrtc.sdp import Codec


def test_a_page_that_was_closed_in_the_same_turn_is_not_woken_again() -> None:
    context = MediaContext(
        settings=Settings(), sender=PortableSender(), clock=lambda: 0.0, entropy=lambda size: b"\1" * size
    )
    reader = LegReader(context, PeerGuard(context.counters), lambda: None)
    page = SilentPage(Codec(payload_type=0, name="PCMU", clock_rate=8_000), reader, context, session_id="s")
    page.on_time(0.0)
    assert page.deadline == SILENCE_INTERVAL
    page.close()
    page.on_time(0.0)
    assert page.deadline == math.inf
