"""A phone that has its call go on with somebody else (REFER), and that somebody: both are the same user agent."""

from collections.abc import Iterator
from contextlib import contextmanager

import trio

from protocol.sip.events import CallArrived, TransferProgressed
from protocol.sip.messages.headers import parse_uri
from tests.support.calls.plain_phone import PlainPhone
from tests.support.calls.sip_phone import SipPhone


def refers(phone: SipPhone, target: str, *, replaces: str | None = None) -> None:
    """The phone orders it; `replaces` is another call of its own."""
    phone.agent.transfer(phone.call, parse_uri(target), trio.current_time(), replaces=replaces)
    phone._flush()


async def told(phone: SipPhone, *statuses: int) -> None:
    """What the phone is told of it next, in order."""
    for status in statuses:
        assert (await phone.event(TransferProgressed)).status == status


@contextmanager
def target_of(phone: SipPhone) -> Iterator[PlainPhone]:
    """Within it, the phone is the target, with media of its own."""
    call, media = phone.call, phone.media
    phone.media = PlainPhone(ssrc=5555)
    try:
        yield phone.media
    finally:
        phone.media.close()
        phone.call, phone.media = call, media


def answers(phone: SipPhone, arrived: CallArrived) -> None:
    """The target takes the call."""
    phone.does("answer", phone.description(arrived.offer))
