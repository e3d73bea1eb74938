"""What calls ask of the media plane: the two ends of each, and the task that reads the phones' ends."""

from collections.abc import Callable, Sequence

from attrs import field, frozen

from actors.media.call.bridge import Bridge
from actors.media.call.injections import SoundInjection
from actors.media.call.leg import RtpLeg
from actors.media.call.leg_reader import LegReader
from actors.media.call.peer import CallPeer
from actors.media.call.port_pairs import NoPortFree, PortPairs
from actors.media.call.silent_page import SilentPage
from actors.media.events import MediaRefused, Post
from actors.media.guard import PeerGuard
from actors.media.peer.transport import Transport, TransportServices
from protocol.calls.rewriting import RtpRewriter
from protocol.calls.sound import Sound
from protocol.stream.info_texts import StreamInfo
from protocol.webrtc.answer import write_answer
from protocol.webrtc.call_offer import write_call_offer
from protocol.webrtc.ice import make_credentials
from protocol.webrtc.roles import ANSWERER, PeerRoles
from protocol.webrtc.sdp import Codec, Direction, MediaKind, MediaSection, Offer, Setup, TrackPlan


@frozen(kw_only=True)
class PageOffer:
    """An offer that a page has been sent: with its answer, `accept_answer` makes the page's end."""

    sdp: str
    codecs: tuple[Codec, ...]
    credentials: tuple[str, str] = field(repr=False)
    ssrc: int


class CallMedia:
    """See above. Its methods never wait."""

    def __init__(self, services: TransportServices, guard: PeerGuard, after: Callable[[], None]) -> None:
        context = services.context
        self.pairs = PortPairs(context.settings, services.port.sockets)
        self._services = services
        self._context = context
        self._reader = LegReader(context, guard, after)

    async def run(self) -> None:
        """Read the phones' ends until cancelled; then they are closed."""
        await self._reader.run()

    # -- the phone's end -----------------------------------------------------------------------------------------

    def open_leg(self, *, session_id: str, post: Post, signalling: Sequence[str]) -> RtpLeg:
        """A phone's end on its own ports. Raises MediaRefused.

        `signalling`: the IP addresses that the call's SIP messages come from, at least one.
        """
        try:
            pair = self.pairs.open(signalling[0], self._context.clock())
        except NoPortFree as error:
            raise MediaRefused(StreamInfo.FAILED_TO_ADD_STREAM_TO_PROXY, f"media_port_to: {error}") from None
        return RtpLeg(
            self._context,
            self.pairs,
            pair,
            self._reader,
            session_id=session_id,
            post=post,
            signalling=frozenset(signalling),
        )

    # -- the page's end ------------------------------------------------------------------------------------------

    def answer_page(
        self, offer: Offer, section: MediaSection, codecs: Sequence[Codec], *, session_id: str, post: Post
    ) -> CallPeer:
        """The end of a page that calls: its offer is answered with these codecs.

        `post` is not called before this returns.
        """
        context, rewriter = self._context, self._rewriter()
        roles = ANSWERER.towards(offer.setup)
        plan = TrackPlan(
            kind=MediaKind.AUDIO,
            mid=section.mid,
            codec=codecs[0],
            ssrc=rewriter.ssrc,
            alternatives=tuple(codecs[1:]),
        )
        name = context.entropy(8).hex()

        def answer(transport: Transport) -> str:
            local = self._services.local_transport(transport.ufrag, transport.pwd, roles.setup)
            return write_answer(offer, (plan,), local, direction=Direction.SENDRECV, cname=name, stream_id=name)

        return CallPeer(
            self._services, offer, codecs, rewriter, session_id=session_id, post=post, roles=roles, answer=answer
        )

    def offer_page(self, codecs: Sequence[Codec]) -> PageOffer:
        """The offer to a page that is called. Nothing is kept until it answers."""
        context = self._context
        credentials, ssrc, name = make_credentials(context.entropy), context.random_number(32), context.entropy(8).hex()
        local = self._services.local_transport(*credentials, Setup.ACTPASS)
        sdp = write_call_offer(codecs, local, ssrc=ssrc, cname=name, stream_id=name)
        return PageOffer(sdp=sdp, codecs=tuple(codecs), credentials=credentials, ssrc=ssrc)

    def accept_answer(
        self, offered: PageOffer, answer: Offer, codecs: Sequence[Codec], *, session_id: str, post: Post
    ) -> CallPeer:
        """The end of a page that has answered with these codecs."""
        roles = PeerRoles(credentials=offered.credentials).towards(answer.setup)
        rewriter = self._rewriter(offered.ssrc)
        return CallPeer(
            self._services, answer, codecs, rewriter, session_id=session_id, post=post, roles=roles, answer=_no_answer
        )

    # -- what is no page -----------------------------------------------------------------------------------------

    def silent_page(self, codec: Codec, *, session_id: str) -> SilentPage:
        """The end of a call without a page."""
        return SilentPage(codec, self._reader, self._context, session_id=session_id)

    def inject_sound(
        self, sound: Sound, bridge: Bridge, on_end: Callable[[], None], *, session_id: str
    ) -> SoundInjection:
        """Have the phone hear a sound in the page's place; `bridge` must take sounds."""
        return SoundInjection(sound, bridge, self._reader, self._context, on_end, session_id=session_id)

    def _rewriter(self, ssrc: int | None = None) -> RtpRewriter:
        number = self._context.random_number
        return RtpRewriter(ssrc=ssrc or number(32), sequence=number(16), timestamp=number(32))


def _no_answer(transport: Transport) -> str:
    return ""
