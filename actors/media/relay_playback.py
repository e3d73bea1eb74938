"""A publication of this node, as it goes to another one: to it, that is a viewer like others."""

from collections.abc import Sequence

from actors.media.events import Post
from actors.media.peer.transport import TransportServices
from actors.media.playback import Playback
from actors.media.publication import Publication
from protocol.webrtc.ice import make_credentials
from protocol.webrtc.negotiation import negotiate_play
from protocol.webrtc.relay_leg import LegEnd, LegTrack, origin_roles, viewer_offer


class RelayPlayback(Playback):
    """One leg of a pull, at the origin. `tracks` are the publication's. Raises SdpError: some cannot be passed on."""

    def __init__(
        self,
        services: TransportServices,
        edge: LegEnd,
        tracks: Sequence[LegTrack],
        publication: Publication,
        pull: str,
        post: Post,
    ) -> None:
        offer = viewer_offer(edge, tracks)
        plans = negotiate_play(offer, publication.sources)
        self.credentials = make_credentials(services.context.entropy)
        """By which the edge's checks reach it."""
        roles = origin_roles(self.credentials, edge)
        super().__init__(services, offer, plans, publication, session_id=pull, post=post, roles=roles)
