"""What nodes tell each other to pass a stream on: a closed list, carried as all messages between nodes.

    PullStream   edge to origin: may I have this publication?          LegOffer, or why not
    RelayNews    origin to edge: it is muted now, an event, its end    acknowledged, and repeated until it is

No key is in them: media is encrypted by DTLS between the two, and the certificates' fingerprints are here.
"""

from enum import StrEnum
from typing import Any

from attrs import frozen

from protocol.webrtc.relay_leg import LegEnd, LegTrack


@frozen(kw_only=True)
class PullStream:
    """The edge wants the publication `name` of `media_session_id`, as the registry names it."""

    pull: str
    """Unique."""
    name: str
    media_session_id: str
    edge: LegEnd


class PullOutcome(StrEnum):
    """What became of a pull."""

    TAKEN = "taken"
    NOT_HERE = "not here"
    """The publication is not, or no longer, of this node: what the registry said is out of date."""
    NOT_READY = "not ready"
    """Its media has not begun."""
    REFUSED = "refused"
    """A limit is reached, or the edge is no member of the cluster that this node knows."""


@frozen(kw_only=True)
class LegOffer:
    """The origin's answer to a pull. Without a leg, only the outcome counts."""

    outcome: PullOutcome
    origin: LegEnd | None = None
    candidates: tuple[tuple[str, int], ...] = ()
    """Where the origin waits for the edge's first check: addresses and ports, the best first."""
    tracks: tuple[LegTrack, ...] = ()
    heeds_requests: bool = True
    """Whether its publisher sends key frames when asked."""
    audio_muted: bool = False
    video_muted: bool = False
    width: int = 0
    height: int = 0
    """Of the picture, in pixels; 0 until known. Players are told before the first key frame comes."""


@frozen(kw_only=True)
class RelayedEvent:
    """An event of the stream, for its players."""

    type: str
    payload: Any = None


@frozen(kw_only=True)
class RelayedEnd:
    """The stream has ended, and so do its players, with this text."""

    info: str


@frozen(kw_only=True)
class RelayNews:
    """Something has happened to the stream of a pull. `number` counts from 1; a repetition has the same."""

    pull: str
    number: int
    event: RelayedEvent | None = None
    end: RelayedEnd | None = None
