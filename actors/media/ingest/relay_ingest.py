"""A publication that another node has, as it comes from there."""

import math
from collections.abc import Sequence
from typing import Final

from actors.media.events import Post
from actors.media.ingest.webrtc_ingest import WebRtcIngest
from actors.media.peer.transport import TransportServices
from actors.media.publication import Publication
from protocol.webrtc.negotiation import negotiate_publish
from protocol.webrtc.relay_leg import LegEnd, LegTrack, publisher_offer
from protocol.webrtc.roles import PeerRoles
from protocol.webrtc.sdp import TrackPlan

LEG_REPORT_INTERVAL: Final = 2.5
"""Seconds between receiver reports to an origin, as often as Chromium shows that it is there.

To write and to read one costs as much as twenty packets, and no origin changes its bitrate by it.
"""
LEG_ALLOWANCE: Final = 16
"""Times what a publisher may send. The origin has held it to that; a leg begins with up to 10 s of the past at once
(`protocol.sfu.packet_history`), and its packets are padded."""


class RelayIngest(WebRtcIngest):
    """One leg of a pull, at the edge. Its end does not end the publication: the next leg may go on with it.

    `continues`: the publication, from the second leg on; its media must be the same. A leg that is silent is none that
    has ended: a publisher may have nothing to send, and the origin decides how long. What ends a leg is a peer that
    answers no checks.
    """

    _report_interval = LEG_REPORT_INTERVAL
    _allowance = LEG_ALLOWANCE

    def __init__(
        self,
        services: TransportServices,
        origin: LegEnd,
        tracks: Sequence[LegTrack],
        pull: str,
        post: Post,
        roles: PeerRoles,
        *,
        heeds_requests: bool,
        continues: Publication | None = None,
    ) -> None:
        self._continues, self._heeds_requests = continues, heeds_requests
        offer = publisher_offer(origin, tracks)
        plans = negotiate_publish(offer, [track.codec for track in tracks])
        super().__init__(services, offer, plans, pull, post, roles)

    @property
    def packets(self) -> int:
        """Those that have come, by all legs."""
        return sum(track.incoming.packets for track in self.publication.tracks.values())

    def on_closed(self) -> None:
        self._silent_at = math.inf
        self._feedback.stop()

    # -- inside --------------------------------------------------------------------------------------------------

    def _open_publication(self, plans: Sequence[TrackPlan], post: Post) -> Publication:
        if self._continues is not None:
            self._continues.begin_again(self._ask_for_key_frames)
            return self._continues
        return Publication(
            self._context,
            {plan.kind: plan.codec for plan in plans},
            post=post,
            ask=self._ask_for_key_frames,
            heeds_requests=self._heeds_requests,
        )

    def _hear_media(self, now: float) -> None:
        """See above."""
