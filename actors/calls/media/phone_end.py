"""A phone's end of a call: its ports, and what has been said to it about them."""

from collections.abc import Sequence

from attrs import define

from actors.media.call.call_media import CallMedia
from actors.media.call.leg import RtpLeg
from actors.media.context import MediaContext
from actors.media.events import MediaRefused, Post
from protocol.calls.info_texts import CallInfo, CallRefused
from protocol.calls.phone_sdp import PhoneDialogue
from protocol.calls.protection import SETTING, MediaProtection
from protocol.sip.messages.media_description import Origin


@define(eq=False)
class PhoneEnd:
    """See above."""

    leg: RtpLeg
    dialogue: PhoneDialogue

    def next(self) -> PhoneDialogue:
        """For a description that differs from the last one."""
        self.dialogue = self.dialogue.next()
        return self.dialogue


def open_phone_end(
    media: CallMedia,
    context: MediaContext,
    signalling: Sequence[str],
    protection: MediaProtection,
    *,
    session_id: str,
    post: Post,
) -> PhoneEnd:
    """Open one, with its own keys. Raises CallRefused. `signalling`: the addresses that its SIP comes from."""
    if not protection.srtp and not protection.plain:
        raise CallRefused(CallInfo.NO_SRTP, SETTING)
    try:
        leg = media.open_leg(session_id=session_id, post=post, signalling=signalling)
    except MediaRefused as refused:
        raise CallRefused(CallInfo.NO_PORT, refused.detail, sip_status=503) from None
    address = leg.address
    origin = Origin(session_id=context.random_number(32), version=1, address=address[0])
    dialogue = PhoneDialogue(
        address=address,
        origin=origin,
        secret=context.entropy(30),
        signalling=tuple(signalling),
        protection=protection,
    )
    return PhoneEnd(leg, dialogue)
